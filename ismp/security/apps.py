from django.apps import AppConfig


class SecurityConfig(AppConfig):
    name = "ismp.security"
    label = "security"
    verbose_name = "情資、通報、管制設備"

    def ready(self) -> None:
        from ismp.accounts.agencies import closing  # noqa: PLC0415 (no models before)
        from ismp.security.merging import CONSEQUENCES  # noqa: PLC0415

        closing.register(*CONSEQUENCES)
