from django.apps import AppConfig


class AssignmentsConfig(AppConfig):
    name = "ismp.assignments"
    label = "assignments"
    verbose_name = "依學習地圖指派"
