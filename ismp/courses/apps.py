from django.apps import AppConfig

from ismp.accounts import consequences


class CoursesConfig(AppConfig):
    name = "ismp.courses"
    label = "courses"
    verbose_name = "課程"

    def ready(self) -> None:
        from ismp.accounts.agencies.closing import consequences as closing_consequences  # noqa: PLC0415
        from ismp.courses.classroom.actions.classes import give_up_places  # noqa: PLC0415
        from ismp.courses.merging import CONSEQUENCES  # noqa: PLC0415

        consequences.on_change(give_up_places)
        closing_consequences.register(*CONSEQUENCES)
