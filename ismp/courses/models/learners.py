"""What taking a course online and in a classroom have in common."""

from django.db import models

from ismp.accounts.models import Scoped
from ismp.accounts.roles import Right


class OfPeople(Scoped):
    """Whose learning somebody may see: her agency's people, or all."""

    right = Right.VIEW_COURSES
    agency_of = "account__agency"


class Way(models.TextChoices):
    """How somebody came to a course."""

    SELF = "self", "自行報名"
    DUTY = "duty", "依學習地圖指派"
    LIST = "list", "依名單指派"
