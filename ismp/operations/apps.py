from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "ismp.operations"
    label = "operations"
    verbose_name = "維運"
