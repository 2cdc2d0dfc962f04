"""申請: what people ask of the administrators, each with its own state; and 代理, who decides in
whose stead.

Knows who the people are, not what follows from a decision: that is told by `ismp.reviews`.
"""

from datetime import date
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from ismp.accounts import codes
from ismp.accounts import models as accounts
from ismp.accounts.identities import in_words, sets
from ismp.accounts.models import Account, Agency, Department, Status
from ismp.accounts.models.scoped import Row
from ismp.accounts.national_id.encrypted import HasNationalId
from ismp.accounts.roles import Right
from ismp.audit.models import Audited
from ismp.ui.text.roc_dates import roc_date


class State(models.TextChoices):
    WAITING = "waiting", "等候審核"
    APPROVED = "approved", "核可"
    REFUSED = "refused", "不同意"
    WITHDRAWN = "withdrawn", "撤回"
    EXPIRED = "expired", "逾期結案"


class RequestQuerySet(accounts.Scoped[Row]):
    right = Right.VIEW_PEOPLE

    def waiting(self) -> Self:
        return self.filter(state=State.WAITING)

    def to_decide_by(self, user: Account) -> Self:
        """Applications that wait for this person: of their agency, or of all."""
        if not user.may(Right.EDIT_PEOPLE):
            return self.none()
        return self.visible_to(user).waiting()


class OfAPerson(RequestQuerySet[Row]):
    def to_decide_by(self, user: Account) -> Self:
        """Nobody decides about themselves, nor about accounts that they may not change."""
        roles = [role.value for role in user.appoints()]
        return super().to_decide_by(user).filter(account__role__in=roles).exclude(account=user)


class Request(Audited):
    """Fields of every application: the deciding agency, the reason, the outcome."""

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+", verbose_name="機關")
    reason = models.CharField("理由", max_length=500)
    asked_at = models.DateTimeField("申請時間", default=timezone.now)
    state = models.CharField("狀態", max_length=20, choices=State, default=State.WAITING)
    decided_at = models.DateTimeField("決定時間", null=True)
    decided_by = models.ForeignKey(Account, models.PROTECT, null=True, related_name="+")
    in_place_of = models.ForeignKey(Account, models.PROTECT, null=True, related_name="+")
    """For whom the decider stood in."""
    comment = models.CharField("意見", max_length=500, blank=True)

    class Meta:
        abstract = True
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state=State.WAITING, decided_at=None)
                | (~Q(state=State.WAITING) & Q(decided_at__isnull=False)),
                name="%(class)s_is_decided_at_a_moment",
            )
        ]

    @property
    def is_waiting(self) -> bool:
        return self.state == State.WAITING

    @property
    def decider(self) -> str:
        """王小明（代理李大華）."""
        if self.decided_by is None:
            return ""
        stead = f"（代理{self.in_place_of.name}）" if self.in_place_of else ""
        return f"{self.decided_by.name}{stead}"


class AccountApplication(HasNationalId, Request):
    """帳號申請 of somebody who cannot sign in yet.  The number goes when it is closed."""

    ASSOCIATED_DATA = b"applications.AccountApplication.national_id"

    receipt = models.CharField("收件編號", max_length=20, unique=True)
    department = models.CharField("部門", max_length=100, blank=True)
    """As the applicant wrote it; the decider sees whether the agency has one of that name."""
    username = models.CharField("公務帳號", max_length=50)
    name = models.CharField("姓名", max_length=100)
    email = models.EmailField("公務電子郵件")
    identities = models.CharField("資安列管身分", max_length=30)
    source = models.BinaryField(max_length=32)
    """Keyed hash of the network address it came from, to see a flood."""

    objects: ClassVar["models.Manager[AccountApplication] | RequestQuerySet[Any]"] = (
        RequestQuerySet.as_manager()
    )

    class Meta(Request.Meta):
        indexes = [
            models.Index(fields=["source", "asked_at"], name="applications_of_a_source"),
            models.Index(
                fields=["agency"], name="applications_to_decide", condition=Q(state="waiting")
            ),
        ]
        constraints = [
            *Request.Meta.constraints,
            models.CheckConstraint(
                condition=Q(state="waiting") | Q(encrypted_id=None, id_hash=None),
                name="a_decided_application_keeps_no_national_id",
            ),
            models.CheckConstraint(
                condition=Q(identities__in=sets()), name="an_application_has_known_identities"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.username} {self.name}"

    @property
    def receipt_in_groups(self) -> str:
        return codes.grouped(self.receipt)

    def get_identities_display(self) -> str:
        return in_words(self.identities)


class TransferQuerySet(OfAPerson["Transfer"]):
    def visible_to(self, user: Account) -> Self:
        """Both sides see it."""
        if not user.may(self.right) or user.may(Right.ALL_AGENCIES):
            return super().visible_to(user)
        own = user.agency_ids()
        return self.filter(Q(origin__in=own) | Q(destination__in=own))

    def to_decide_by(self, user: Account) -> Self:
        """The other side decides: not who asked, nor anybody of the agency that did."""
        theirs = super().to_decide_by(user).exclude(asked_by=user)
        return theirs if user.may(Right.ALL_AGENCIES) else theirs.filter(agency=user.agency_id)


class Transfer(Request):
    """機關異動: one agency asks for a person or hands them over, the other (`agency`) agrees."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="transfers")
    origin = models.ForeignKey(Agency, models.PROTECT, related_name="+", verbose_name="原機關")
    destination = models.ForeignKey(
        Agency, models.PROTECT, related_name="+", verbose_name="調往機關"
    )
    department = models.ForeignKey(Department, models.PROTECT, null=True, related_name="+")
    since = models.DateField("生效日")
    asked_by = models.ForeignKey(Account, models.PROTECT, related_name="+")

    objects: ClassVar["models.Manager[Transfer] | TransferQuerySet"] = TransferQuerySet.as_manager()

    class Meta(Request.Meta):
        indexes = [
            models.Index(
                fields=["agency"], name="transfers_to_decide", condition=Q(state="waiting")
            )
        ]
        constraints = [
            *Request.Meta.constraints,
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(state="waiting"),
                name="a_person_waits_for_one_transfer",
            ),
            models.CheckConstraint(
                condition=~Q(origin=F("destination")), name="a_transfer_goes_somewhere_else"
            ),
            models.CheckConstraint(
                condition=Q(agency=F("origin")) | Q(agency=F("destination")),
                name="a_transfer_is_decided_by_one_of_its_sides",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account.username} {self.account.name}"

    @property
    def comes(self) -> bool:
        """Whether the new agency asked, and the old one decides."""
        return self.agency_id == self.origin_id

    @property
    def way(self) -> str:
        return "調入" if self.comes else "調出"


class IdentityChange(Request):
    """資安列管身分變更 that a person asks for on their own account."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="identity_changes")
    identities = models.CharField("資安列管身分", max_length=30)
    since = models.DateField("生效日")

    objects: ClassVar["models.Manager[IdentityChange] | OfAPerson[Any]"] = OfAPerson.as_manager()

    class Meta(Request.Meta):
        indexes = [
            models.Index(
                fields=["agency"], name="identity_changes_to_decide", condition=Q(state="waiting")
            )
        ]
        constraints = [
            *Request.Meta.constraints,
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(state="waiting"),
                name="a_person_waits_for_one_change_of_identities",
            ),
            models.CheckConstraint(
                condition=Q(identities__in=sets()), name="a_change_is_to_known_identities"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account.username} {self.account.name}"

    def get_identities_display(self) -> str:
        return in_words(self.identities)


# --- 代理 ----------------------------------------------------------------------------------------


class DelegationQuerySet(models.QuerySet["Delegation"]):
    def in_force(self, day: date) -> Self:
        """Those that hold: within their days, both in office and still of one agency."""
        return self.filter(
            since__lte=day,
            until__gte=day,
            ended_at=None,
            principal__status=Status.ACTIVE,
            delegate__status=Status.ACTIVE,
            delegate__agency=F("principal__agency"),
        )

    def held_by(self, user: Any) -> Self:
        """In whose place somebody decides today."""
        held = self.in_force(timezone.localdate()).filter(delegate=user)
        return held.select_related("principal__agency")


class Delegation(Audited):
    """代理: within these days `delegate` decides what waits for `principal`; no other right."""

    principal = models.ForeignKey(Account, models.PROTECT, related_name="delegations")
    delegate = models.ForeignKey(Account, models.PROTECT, related_name="+")
    since = models.DateField("起日")
    until = models.DateField("迄日")
    """The last day."""
    named_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar["models.Manager[Delegation] | DelegationQuerySet"] = (
        DelegationQuerySet.as_manager()
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(until__gte=F("since")), name="a_delegation_ends_after_it_starts"
            ),
            models.CheckConstraint(
                condition=~Q(principal=F("delegate")), name="nobody_stands_in_for_herself"
            ),
        ]

    def __str__(self) -> str:
        return f"delegation:{self.pk}"

    @property
    def audit_agency(self) -> str:
        return self.principal.audit_agency

    @property
    def audit_detail(self) -> dict[str, str]:
        days = {"since": roc_date(self.since), "until": roc_date(self.until)}
        return {"account": self.delegate.username, **days}
