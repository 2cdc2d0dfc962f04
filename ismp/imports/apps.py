from django.apps import AppConfig


class ImportsConfig(AppConfig):
    name = "ismp.imports"
    label = "imports"
    verbose_name = "匯入"
