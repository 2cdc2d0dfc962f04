from django.apps import AppConfig

from ismp.accounts import following


class NoticesConfig(AppConfig):
    name = "ismp.notices"
    label = "notices"
    verbose_name = "通知"

    def ready(self) -> None:
        from ismp.notices.actions import notify, write  # noqa: PLC0415 (models are not loaded before)

        following.tell_by(notify)
        following.write_by(write)
