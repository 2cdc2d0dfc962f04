from django.apps import AppConfig


class RequestsConfig(AppConfig):
    name = "ismp.applications"
    label = "applications"
    verbose_name = "申請"

    def ready(self) -> None:
        from ismp.accounts.agencies.closing import consequences as closing_consequences  # noqa: PLC0415
        from ismp.applications.merging import CONSEQUENCES  # noqa: PLC0415

        closing_consequences.register(*CONSEQUENCES)
