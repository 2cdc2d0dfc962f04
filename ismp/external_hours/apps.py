from django.apps import AppConfig


class ExternalConfig(AppConfig):
    name = "ismp.external_hours"
    label = "external_hours"
    verbose_name = "外部時數認列"

    def ready(self) -> None:
        from ismp.accounts.agencies import closing  # noqa: PLC0415 (no models before)
        from ismp.external_hours.merging import CONSEQUENCES  # noqa: PLC0415

        closing.register(*CONSEQUENCES)
