from django.apps import AppConfig


class ExternalConfig(AppConfig):
    name = "ismp.external"
    label = "external"
    verbose_name = "外部時數認列"
