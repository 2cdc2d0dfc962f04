from django.apps import AppConfig


class HoursConfig(AppConfig):
    name = "ismp.hours"
    label = "hours"
    verbose_name = "終身學習時數"
