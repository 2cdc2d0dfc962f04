"""外部時數認列: hours that a person claims for a training outside of the national portal.

The certificate is personal data: only the claimant, deciders and auditors open it.  What is
recognised becomes a record of `ismp.hours`; this keeps who asked, who decided, and why.
"""

from datetime import date
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from ismp.accounts.models import Account, Agency, Scoped
from ismp.accounts.roles import Right
from ismp.applications.models import Delegation
from ismp.audit.models import Audited
from ismp.hours.portal_import.layout import CATEGORIES
from ismp.imports.models import ImportRun
from ismp.storage.encrypted_files import FilePiece


class State(models.TextChoices):
    PENDING = "pending", "待審核"
    APPROVED = "approved", "已認列"
    REFUSED = "refused", "未認列"
    WITHDRAWN = "withdrawn", "已撤回"
    REVOKED = "revoked", "已撤銷認列"


class Nature(models.TextChoices):
    CLASSROOM = "classroom", "實體"
    DIGITAL = "digital", "數位"


class ClaimQuerySet(Scoped["ExternalClaim"]):
    right = Right.VIEW_HOURS

    def made_by(self, user: Account) -> Self:
        """One's own; needs no right.  A claim belongs to the account that made it, also where
        another account is confirmed to be the same person's."""
        return self.filter(account=user)

    def openable_by(self, user: Account) -> Self:
        """Claims whose certificate a person may open: their own, and those to decide or audit, for
        themselves or as a delegate."""
        found = self.visible_to(user) | self.made_by(user)
        for one in Delegation.objects.held_by(user):
            found |= self.waiting_for(one.principal)
        return found

    def waiting_for(self, user: Account) -> Self:
        """Claims that a person is to decide: the agency's but their own; platform administrators
        also decide those of administrators, who may be the only ones of their agency."""
        if not user.may(Right.RECOGNIZE_HOURS):
            return self.none()
        decidable = Q(agency=user.agency_id)
        if user.may(Right.ALL_AGENCIES):
            decidable |= Q(account__in=Account.objects.who_may(Right.RECOGNIZE_HOURS))
        own_accounts = Account.objects.with_number_of(user)
        return (
            self.visible_to(user)
            .filter(decidable, state=State.PENDING)
            .exclude(account__in=own_accounts)
        )


class ExternalClaim(Audited):
    """One training as the person tells it, and what was decided.  Hours are thousandths."""

    audit_name = "claim"

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    """The agency of the claimant when the claim was made."""
    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    category = models.PositiveSmallIntegerField("課程類別", choices=list(CATEGORIES.items()))
    title = models.CharField("名稱", max_length=200)
    organizer = models.CharField("主辦機構", max_length=100)
    nature = models.CharField("學習方式", max_length=10, choices=Nature, default=Nature.CLASSROOM)
    started_on = models.DateField("起日期")
    ended_on = models.DateField("迄日期")
    hours = models.PositiveIntegerField("時數")
    description = models.TextField("說明", max_length=1_000, blank=True)
    media_type = models.CharField(max_length=50)
    """What the certificate is by its first bytes."""
    size = models.PositiveIntegerField()
    certificate_deleted_at = models.DateTimeField(null=True)
    """When it was withdrawn, or had been decided for `settings.CERTIFICATES_KEPT_DAYS`."""
    claimed_at = models.DateTimeField("申請時間", default=timezone.now)
    state = models.CharField("狀態", max_length=10, choices=State, default=State.PENDING)
    decided_at = models.DateTimeField("審核時間", null=True)
    decided_by = models.ForeignKey(Account, models.PROTECT, null=True, related_name="+")
    comment = models.CharField("審核意見", max_length=500, blank=True)
    given_category = models.PositiveSmallIntegerField(
        "認列類別", null=True, choices=list(CATEGORIES.items())
    )
    given_hours = models.PositiveIntegerField("認列時數", null=True)
    run = models.ForeignKey(ImportRun, models.PROTECT, null=True, related_name="+")
    """By which its record was credited."""
    revoked_at = models.DateTimeField("撤銷時間", null=True)
    revoked_by = models.ForeignKey(Account, models.PROTECT, null=True, related_name="+")
    revoke_reason = models.CharField("撤銷理由", max_length=200, blank=True)

    objects: ClassVar["models.Manager[ExternalClaim] | ClaimQuerySet"] = ClaimQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["agency", "state"], name="claims_of_an_agency"),
            models.Index(fields=["account", "-id"], name="claims_of_a_person"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "category", "title", "started_on", "ended_on"],
                condition=Q(state__in=["pending", "approved"]),
                name="a_training_is_claimed_once",
                violation_error_message="您已經申請過同一個訓練，請到「我的時數」查看。",
            ),
            models.CheckConstraint(
                condition=Q(hours__gt=0),
                name="a_claim_is_for_some_hours",
                violation_error_message="時數要大於 0，請更正。",
            ),
            models.CheckConstraint(
                condition=Q(ended_on__gte=F("started_on")),
                name="a_claimed_training_ends_after_it_starts",
                violation_error_message="迄日期早於起日期，請更正。",
            ),
            models.CheckConstraint(
                condition=Q(state__in=State.values), name="claim_state_is_a_known_state"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["approved", "revoked"])
                | Q(run__isnull=False, given_hours__gt=0),
                name="what_was_recognised_has_its_hours",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title}（{self.account.name}）"

    @property
    def other_category(self) -> str:
        """Category that was recognised, where it is not the one that was asked for."""
        return self.get_given_category_display() if self.given_category != self.category else ""

    @property
    def has_certificate(self) -> bool:
        return self.certificate_deleted_at is None

    @property
    def is_picture(self) -> bool:
        return self.media_type.startswith("image/")


class ClaimPiece(FilePiece):
    """A encrypted piece of a certificate (`ismp.external_hours.files`)."""

    purpose = "claim"
    owner = models.ForeignKey(ExternalClaim, models.CASCADE, related_name="pieces")


MOST_A_DAY = 24_000


def most_hours(started_on: date, ended_on: date) -> int:
    """No training gives more than 24 hours a day; in thousandths."""
    return ((ended_on - started_on).days + 1) * MOST_A_DAY
