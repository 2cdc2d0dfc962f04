from django.apps import AppConfig


class UiConfig(AppConfig):
    name = "ismp.ui"
    label = "ui"
    verbose_name = "介面"
