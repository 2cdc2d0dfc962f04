from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "ismp.accounts"
    label = "accounts"
    verbose_name = "帳號"
