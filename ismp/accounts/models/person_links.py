"""同一人: two accounts that are confirmed to be one person (ADR 23)."""

from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Greatest, Least
from django.utils import timezone

from ismp.accounts.models.accounts import Account
from ismp.accounts.models.agencies import Agency
from ismp.accounts.models.scoped import Scoped
from ismp.accounts.roles import Right
from ismp.audit.models import Audited


class PersonLinkQuerySet(Scoped["PersonLink"]):
    right = Right.VIEW_PEOPLE

    def visible_to(self, user: "Account") -> Self:
        """The agency that is asked sees the question; the one whose account asks learns of it
        only once it was confirmed, because nothing may tell it that a number is known elsewhere."""
        if not user.may(self.right) or user.may(Right.ALL_AGENCIES):
            return super().visible_to(user)
        asked, asks = Q(other__agency=user.agency_id), Q(account__agency=user.agency_id)
        return self.filter(asked | (asks & Q(confirmed_at__isnull=False)))

    def standing(self) -> Self:
        """Those that make two accounts one person."""
        return self.filter(state=PersonLink.State.CONFIRMED)

    def unended(self) -> Self:
        """Those of numbers that have not been set anew since they were asked."""
        return self.exclude(state=PersonLink.State.ENDED)

    def known_at(self, moment: datetime) -> Self:
        """Those that made two accounts one person at a moment."""
        return self.filter(confirmed_at__lte=moment).exclude(ended_at__lte=moment)

    def waiting(self) -> Self:
        """Those to decide: not of accounts that have become one person by another link."""
        return self.filter(state=PersonLink.State.WAITING).exclude(
            account__person=F("other__person")
        )

    def to_decide_by(self, user: "Account") -> Self:
        """Links that this person may decide: the agency that is asked decides, or the platform.

        Never who set the number nor (but for the platform and within one agency) anybody of their
        agency, nor anybody with one of the two accounts or with their number.
        """
        if not user.may(Right.EDIT_PEOPLE):
            return self.none()
        own = Account.objects.with_number_of(user)
        waiting = self.visible_to(user).waiting().exclude(asked_by=user)
        waiting = waiting.exclude(account__in=own).exclude(other__in=own)
        if user.may(Right.ALL_AGENCIES):
            return waiting
        roles = [role.value for role in user.appoints()]
        within = Q(account__agency=user.agency_id)
        return waiting.filter(
            within | ~Q(asked_by__agency=user.agency_id),
            other__agency=user.agency_id,
            other__role__in=roles,
        )


class PersonLink(Audited):
    """同一人確認: whether two accounts with one national ID are one person's (ADR 23).

    Asked when `account` gets a number that `other` has; decided by the agency of `other`.
    """

    audit_name = "person_link"

    class State(models.TextChoices):
        WAITING = "waiting", "等候確認"
        CONFIRMED = "confirmed", "確認為同一人"
        REFUSED = "refused", "不是同一人"
        REVOKED = "revoked", "撤銷確認"
        ENDED = "ended", "身分證字號已變更"

    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    other = models.ForeignKey(Account, models.PROTECT, related_name="+")
    state = models.CharField("狀態", max_length=10, choices=State, default=State.WAITING)
    asked_at = models.DateTimeField("登錄時間", default=timezone.now)
    asked_by = models.ForeignKey(Account, models.PROTECT, null=True, related_name="+")
    """Who set the number; null when a command did."""
    decided_at = models.DateTimeField("決定時間", null=True)
    decided_by = models.ForeignKey(Account, models.PROTECT, null=True, related_name="+")
    in_place_of = models.ForeignKey(Account, models.PROTECT, null=True, related_name="+")
    """For whom the decider stood in."""
    comment = models.CharField("意見", max_length=500, blank=True)
    confirmed_at = models.DateTimeField(null=True)
    """From when on the two are one person …"""
    ended_at = models.DateTimeField(null=True)
    """… and when that ended: revoked, or a number was changed."""

    objects: ClassVar["models.Manager[PersonLink] | PersonLinkQuerySet"] = (
        PersonLinkQuerySet.as_manager()
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                Least("account", "other"),
                Greatest("account", "other"),
                condition=~Q(state="ended"),
                name="two_accounts_are_asked_about_once",
            ),
            models.CheckConstraint(
                condition=~Q(account=F("other")), name="a_link_is_between_two_accounts"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "confirmed", "refused", "revoked", "ended"]),
                name="link_state_is_a_known_state",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["confirmed", "revoked"]) | Q(confirmed_at__isnull=False),
                name="a_confirmed_link_has_its_moment",
            ),
            models.CheckConstraint(
                condition=~Q(state="confirmed") | Q(ended_at=None),
                name="a_confirmed_link_has_not_ended",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.other.name}（{self.other}）、{self.account.name}（{self.account}）"

    @property
    def agency(self) -> Agency:
        """The agency whose administrators are asked."""
        return self.other.agency

    @property
    def audit_agency(self) -> str:
        return self.other.audit_agency

    @property
    def audit_detail(self) -> dict[str, str]:
        return {"account": f"{self.account}、{self.other}"}

    @property
    def decider(self) -> str:
        """王小明（代理李大華）."""
        if self.decided_by is None:
            return ""
        stead = f"（代理{self.in_place_of.name}）" if self.in_place_of else ""
        return f"{self.decided_by.name}{stead}"
