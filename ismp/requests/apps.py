from django.apps import AppConfig


class RequestsConfig(AppConfig):
    name = "ismp.requests"
    label = "requests"
    verbose_name = "申請"
