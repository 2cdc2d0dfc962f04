from django.apps import AppConfig


class RequestsConfig(AppConfig):
    name = "ismp.applications"
    label = "applications"
    verbose_name = "申請"

    def ready(self) -> None:
        from ismp.accounts.agencies import closing  # noqa: PLC0415 (no models before)
        from ismp.applications.merging import CONSEQUENCES  # noqa: PLC0415

        closing.register(*CONSEQUENCES)
