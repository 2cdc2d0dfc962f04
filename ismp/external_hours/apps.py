from django.apps import AppConfig


class ExternalConfig(AppConfig):
    name = "ismp.external_hours"
    label = "external_hours"
    verbose_name = "外部時數認列"

    def ready(self) -> None:
        from ismp.accounts.agencies.closing import consequences as closing_consequences  # noqa: PLC0415
        from ismp.external_hours.merging import CONSEQUENCES  # noqa: PLC0415

        closing_consequences.register(*CONSEQUENCES)
