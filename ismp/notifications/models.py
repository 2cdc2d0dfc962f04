"""Notices to people and the digests that carried them out by e-mail.

Knows whom they concern (`ismp.accounts`), not what about: words and address come from the action.
"""

from typing import ClassVar, Self

from django.db import models
from django.utils import timezone

from ismp.accounts.models import Account


class NoticeQuerySet(models.QuerySet["Notice"]):
    def visible_to(self, user: Account) -> Self:
        """A notice concerns one person only, whatever their role."""
        return self.filter(account=user)

    def unread(self) -> Self:
        return self.filter(read_at=None)


class Notice(models.Model):
    """One message to one person, with the page on which to act."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=40)
    subject = models.CharField("主旨", max_length=200)
    body = models.TextField("內容", blank=True)
    link = models.CharField(max_length=300, blank=True)
    """A path on this site."""
    created_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True)
    digest = models.ForeignKey(
        "Digest", models.SET_NULL, null=True, related_name="notices", editable=False
    )

    objects: ClassVar["models.Manager[Notice] | NoticeQuerySet"] = NoticeQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["account", "-id"], name="notices_of_a_person"),
            models.Index(
                fields=["account"], name="notices_to_mail", condition=models.Q(digest=None)
            ),
        ]

    def __str__(self) -> str:
        return f"notice:{self.pk}"


class Letter(models.Model):
    """A letter of its own that goes out within the minute: what an owner must learn although his
    account may be in other hands.  Stored with the action that gave cause, sent by the worker."""

    to = models.EmailField()
    subject = models.CharField(max_length=200)
    body = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now)
    """When it is tried (again)."""
    tries = models.PositiveSmallIntegerField(default=0)
    ended_at = models.DateTimeField(null=True)
    """When it was sent, or given up."""

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(
                fields=["due_at"], name="letters_to_send", condition=models.Q(ended_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"letter:{self.pk}"


class Digest(models.Model):
    """The one e-mail that a person got on a day.

    Its row is the claim: made before the mail goes out, so that no crash and no second worker
    sends two.  `sent_at` stays null where nobody knows whether it went out.
    """

    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    on = models.DateField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "on"], name="a_person_gets_one_digest_a_day")
        ]

    def __str__(self) -> str:
        return f"digest:{self.pk}"
