from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "ismp.portal"
    label = "portal"
    verbose_name = "入口網"
