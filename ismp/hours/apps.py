from django.apps import AppConfig


class HoursConfig(AppConfig):
    name = "ismp.hours"
    label = "hours"
    verbose_name = "終身學習時數"

    def ready(self) -> None:
        from ismp.accounts.agencies import closing  # noqa: PLC0415 (no models before)
        from ismp.hours.merging import CONSEQUENCES  # noqa: PLC0415

        closing.register(*CONSEQUENCES)
