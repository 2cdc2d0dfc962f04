from django.apps import AppConfig

from ismp.accounts import consequences


class NoticesConfig(AppConfig):
    name = "ismp.notifications"
    label = "notifications"
    verbose_name = "通知"

    def ready(self) -> None:
        from ismp.notifications.actions import notify, write  # noqa: PLC0415 (models are not loaded before)

        consequences.tell_by(notify)
        consequences.write_by(write)
