from django.apps import AppConfig


class SecurityConfig(AppConfig):
    name = "ismp.security"
    label = "security"
    verbose_name = "情資、通報、管制設備"
