from django.apps import AppConfig


class ComplianceConfig(AppConfig):
    name = "ismp.compliance"
    label = "compliance"
    verbose_name = "學習地圖"
