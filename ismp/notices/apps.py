from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "ismp.notices"
    label = "notices"
    verbose_name = "通知"
