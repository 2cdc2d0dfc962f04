from django.apps import AppConfig

from ismp.accounts import following


class CoursesConfig(AppConfig):
    name = "ismp.courses"
    label = "courses"
    verbose_name = "課程"

    def ready(self) -> None:
        from ismp.courses.classes import give_up_places  # noqa: PLC0415 (no models before)

        following.on_change(give_up_places)
