"""在職 or 離職: what departments, accounts and postings say alike."""

from django.db import models


class Status(models.TextChoices):
    ACTIVE = "active", "在職"
    LEFT = "left", "離職"
