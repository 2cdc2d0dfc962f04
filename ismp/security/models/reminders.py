"""Sent reminders, so that each deadline is announced once (`security.reminders`)."""

from django.db import models
from django.utils import timezone


class Reminder(models.Model):
    """That somebody was reminded of a deadline; its row is the claim, so that each is told once.

    A deadline that was moved is another one, and is told anew.
    """

    class Occasion(models.TextChoices):
        SOON = "soon", "即將到期"
        TODAY = "today", "今天到期"
        HALFWAY = "halfway", "期限過半"
        OVERDUE = "overdue", "已逾期"

    subject = models.CharField(max_length=100)
    """What is due, in the words of the audit trail, with the agency or the step where it has
    several."""
    occasion = models.CharField(max_length=10, choices=Occasion)
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "occasion", "due_at"], name="a_deadline_is_told_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject}:{self.occasion}"
