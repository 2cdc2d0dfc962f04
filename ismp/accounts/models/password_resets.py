"""重設密碼 that was asked for, and the one-time codes."""

from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from ismp.accounts.models.accounts import Account
from ismp.accounts.models.scoped import Scoped
from ismp.accounts.roles import Right
from ismp.audit.models import Audited


class PasswordResetQuerySet(Scoped["PasswordReset"]):
    right = Right.VIEW_PEOPLE
    agency_of = "account__agency"

    def to_decide_by(self, user: "Account") -> Self:
        """Resets that wait for a second person, of accounts that this person may change."""
        if not user.may(Right.EDIT_PEOPLE):
            return self.none()
        roles = [role.value for role in user.appoints()]
        waiting = self.visible_to(user).filter(state=PasswordReset.State.WAITING)
        return waiting.filter(account__role__in=roles)


class PasswordReset(Audited):
    """重設密碼 of an account, asked for by an administrator (`actions.password_resets`)."""

    class State(models.TextChoices):
        WAITING = "waiting", "等候確認"
        ISSUED = "issued", "已發出代碼"
        REFUSED = "refused", "不同意"
        EXPIRED = "expired", "自動結案"

    class Way(models.TextChoices):
        MAIL = "mail", "寄給本人"
        PAPER = "paper", "由確認的管理者交給本人"

    account = models.ForeignKey(Account, models.PROTECT, related_name="resets")
    asked_by = models.ForeignKey(Account, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField("申請時間", default=timezone.now)
    because = models.CharField("要確認的原因", max_length=200, blank=True)
    """Why a second person is asked; empty when the code was mailed at once."""
    state = models.CharField("狀態", max_length=10, choices=State, default=State.WAITING)
    way = models.CharField("代碼", max_length=10, choices=Way, blank=True)
    sent_to = models.CharField("寄到", max_length=254, blank=True)
    """The address, masked."""
    decided_at = models.DateTimeField("決定時間", null=True)
    decided_by = models.ForeignKey(Account, models.PROTECT, null=True, related_name="+")
    """The second person; null where none was needed or nobody decided."""
    comment = models.CharField("意見", max_length=500, blank=True)

    objects: ClassVar["models.Manager[PasswordReset] | PasswordResetQuerySet"] = (
        PasswordResetQuerySet.as_manager()
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(state="waiting"),
                name="an_account_waits_for_one_reset",
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", decided_at=None)
                | (Q(state__in=["issued", "refused", "expired"]) & Q(decided_at__isnull=False)),
                name="a_reset_is_decided_at_a_moment",
            ),
            models.CheckConstraint(
                condition=~Q(account=F("asked_by")), name="nobody_asks_for_her_own_reset"
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None)
                | (~Q(decided_by=F("asked_by")) & ~Q(decided_by=F("account"))),
                name="a_reset_is_confirmed_by_a_second_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account.username} {self.account.name}"

    @property
    def audit_subject(self) -> str:
        return self.account.audit_subject

    @property
    def audit_agency(self) -> str:
        return self.account.audit_agency

    @property
    def audit_detail(self) -> dict[str, str]:
        return {"account": self.account.username, "asked_by": self.asked_by.username}

    @property
    def is_waiting(self) -> bool:
        return self.state == self.State.WAITING


class ResetCode(models.Model):
    """A one-time code for a new password, kept as a keyed hash (附表十 control 45).

    An account has one at most: a newer one makes the older worthless.
    """

    account = models.OneToOneField(Account, models.CASCADE, related_name="+")
    digest = models.BinaryField(max_length=32)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"reset:{self.account_id}"
