from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "ismp.portal"
    label = "portal"
    verbose_name = "入口網"

    def ready(self) -> None:
        from ismp.accounts.agencies.closing import consequences as closing_consequences  # noqa: PLC0415
        from ismp.portal.back_office.event_words import event_in_words  # noqa: PLC0415
        from ismp.portal.merging import CONSEQUENCES  # noqa: PLC0415
        from ismp.ui.resources import history  # noqa: PLC0415

        closing_consequences.register(*CONSEQUENCES)
        history.register(event_in_words)
