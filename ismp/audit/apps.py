from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "ismp.audit"
    label = "audit"
    verbose_name = "稽核軌跡"
