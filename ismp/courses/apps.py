from django.apps import AppConfig


class CoursesConfig(AppConfig):
    name = "ismp.courses"
    label = "courses"
    verbose_name = "課程"
