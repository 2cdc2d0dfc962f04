"""帳號: who the people are.  A national ID is only a matching key (個資法 art 5): encrypted,
found by keyed hash, shown masked."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import ClassVar, Self

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac

from ismp.accounts.identities import Identity, in_words, members, sets
from ismp.accounts.models.agencies import Agency, agencies_merged_into
from ismp.accounts.models.departments import Department
from ismp.accounts.models.scoped import Scoped
from ismp.accounts.models.status import Status
from ismp.accounts.national_id.encrypted import HasNationalId
from ismp.accounts.roles import APPOINTS, RIGHTS, ROLE_NAMES, Right, Role
from ismp.audit.models import Audited
from ismp.ui.text import roc_dates

ONLINE_FOR = timedelta(minutes=5)


class AccountQuerySet(Scoped["Account"]):
    right = Right.VIEW_PEOPLE

    def with_identity(self, identity: str) -> Self:
        return self.filter(identities__in=[one for one in sets() if identity in members(one)])

    def who_may(self, right: Right) -> Self:
        """Active people whose role has a right."""
        roles = [role.value for role, rights in RIGHTS.items() if right in rights]
        return self.filter(status=Status.ACTIVE, role__in=roles)

    def on_leave(self, day: date) -> Self:
        """留職停薪 on that day."""
        begun = Leave.objects.filter(since__lte=day, withdrawn_at=None).exclude(until__lt=day)
        return self.filter(pk__in=begun.values("account"))


class AccountManager(BaseUserManager["Account"]):
    def get_by_natural_key(self, username: str | None) -> "Account":
        """Find by 公務帳號, whatever the case it was typed in."""
        return self.annotate(folded=Lower("username")).get(folded=(username or "").lower())

    def of_person(self, account: "Account") -> models.QuerySet["Account"]:
        """Return every account of one person: this one, and those confirmed to be the same
        person's (ADR 23).  A national ID alone confirms nothing."""
        if account.person_id:
            return self.filter(person=account.person_id)
        return self.filter(pk=account.pk)

    def with_number_of(self, account: "Account") -> models.QuerySet["Account"]:
        """Return every account that may be the same human's: this one, and all with its national
        ID, confirmed or not.

        Only to keep somebody from deciding about himself; what it finds is never shown, summed
        or counted for anybody.
        """
        if account.id_hash:
            return self.filter(id_hash=account.id_hash)
        return self.filter(pk=account.pk)

    def online(self) -> dict[str, int]:
        """How many people were active in the last minutes, by agency code."""
        active = self.filter(last_seen_at__gte=timezone.now() - ONLINE_FOR)
        counts = active.values_list("agency__code").annotate(n=models.Count("pk"))
        return dict(counts.order_by())


class Account(HasNationalId, AbstractBaseUser, Audited):
    """帳號 of one civil servant; never deleted, because records and events speak of it."""

    ASSOCIATED_DATA = b"accounts.Account.national_id"

    username = models.CharField("公務帳號", max_length=50)
    name = models.CharField("姓名", max_length=100)
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="accounts")
    department = models.ForeignKey(
        Department, models.PROTECT, null=True, blank=True, related_name="accounts"
    )
    email = models.EmailField("電子郵件", blank=True)
    identities = models.CharField("資安列管身分", max_length=30, default=Identity.GENERAL)
    """One or several, see `ismp.accounts.identities`."""
    status = models.CharField("狀態", max_length=20, choices=Status, default=Status.ACTIVE)
    role = models.CharField(
        "角色",
        max_length=20,
        choices=[(role.value, name) for role, name in ROLE_NAMES.items()],
        default=Role.STAFF.value,
    )
    last_login = None
    """Django's column is not ours: the trail says who signed in when, and a sign-in that wrote its
    account's row would wait for whoever holds that, such as a roster."""
    last_seen_at = models.DateTimeField("最近使用", null=True, editable=False, db_index=True)
    session_round = models.PositiveIntegerField(default=0, editable=False)
    """Part of what each session must match: one more, and all are over."""
    person = models.ForeignKey(
        "self", models.PROTECT, null=True, editable=False, related_name="+", db_index=False
    )
    """The lowest-numbered account of the person when several accounts are confirmed to be theirs;
    null when it stands alone.  Written only by `actions.person_links`, from `PersonLink`."""

    objects = AccountManager.from_queryset(AccountQuerySet)()

    USERNAME_FIELD = "username"

    class Meta:
        ordering = ["username"]
        indexes = [
            models.Index(
                fields=["id_hash"], name="accounts_with_a_number", condition=~Q(id_hash=None)
            ),
            models.Index(fields=["person"], name="accounts_of_a_person", condition=~Q(person=None)),
        ]
        constraints = [
            models.UniqueConstraint(
                Lower("username"),
                name="a_username_belongs_to_one_account",
                violation_error_message="這個公務帳號已經有人使用，請檢查後再填。",
            ),
            models.UniqueConstraint(
                fields=["agency", "id_hash"],
                condition=Q(status="active"),
                name="an_id_has_one_active_account_in_an_agency",
                violation_error_message=(
                    "這個機關已有另一個在職帳號使用同一個身分證字號，請先將那個帳號改為離職。"
                ),
            ),
            models.CheckConstraint(
                condition=Q(status__in=Status.values), name="status_is_active_or_left"
            ),
            models.CheckConstraint(
                condition=Q(role__in=[role.value for role in Role]), name="role_is_a_known_role"
            ),
            models.CheckConstraint(
                condition=Q(identities__in=sets()), name="identities_are_a_known_set"
            ),
        ]

    def __str__(self) -> str:
        return self.username

    @property
    def audit_subject(self) -> str:
        return f"account:{self.username}"

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """Only those in office may sign in."""
        return self.status == Status.ACTIVE

    def get_identities_display(self) -> str:
        """資訊人員、一般使用者及主管."""
        return in_words(self.identities)

    def may(self, right: str) -> bool:
        """Whether somebody in office has a `Right`; `ui` knows them as texts."""
        return self.is_active and right in RIGHTS[Role(self.role)]

    def agency_ids(self) -> list[int]:
        """The keys of the agencies whose things are this person's to see: the own one, and those
        that were merged into it."""
        return agencies_merged_into(self.agency_id)

    def appoints(self) -> list[Role]:
        """The roles this person may give and take, in the order of the table."""
        return [role for role in Role if role in APPOINTS.get(Role(self.role), ())]

    def may_touch(self, other: "Account") -> bool:
        """Whether this person may change `other`, an account of an agency that they administer."""
        return self.may(Right.EDIT_PEOPLE) and Role(other.role) in self.appoints()

    def get_session_auth_hash(self) -> str:
        secret = f"{self.password}/{self.session_round}"
        return salted_hmac("accounts.Account.session", secret, algorithm="sha256").hexdigest()

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        """None: an old secret key ends all sessions."""
        return iter(())


class LeaveQuerySet(models.QuerySet["Leave"]):
    def overlapping(self, since: date, until: date | None) -> Self:
        """Those that stand and have a day in common with a time; open while `until` is None."""
        standing = self.filter(withdrawn_at=None).exclude(until__lt=since)
        return standing.filter(since__lte=until) if until else standing


class Leave(Audited):
    """留職停薪 and the like: while it lasts a person is exempt from the duties, with a reason."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="leaves")
    since = models.DateField("起日")
    until = models.DateField("迄日", null=True)
    """The last day; open while null."""
    reason = models.CharField("事由", max_length=100)
    recorded_at = models.DateTimeField(default=timezone.now)
    recorded_by = models.CharField(max_length=150)
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.CharField(max_length=150, blank=True)
    withdrawal_reason = models.CharField("撤銷理由", max_length=200, blank=True)

    objects: ClassVar["models.Manager[Leave] | LeaveQuerySet"] = LeaveQuerySet.as_manager()

    class Meta:
        ordering = ["account", "since"]
        constraints = [
            models.CheckConstraint(
                condition=Q(until=None) | Q(until__gte=F("since")),
                name="a_leave_ends_after_it_starts",
            )
        ]

    def __str__(self) -> str:
        return f"{self.account_id}:{self.since}"

    @property
    def audit_subject(self) -> str:
        return self.account.audit_subject

    @property
    def audit_agency(self) -> str:
        return self.account.audit_agency

    def holds(self, on: date, known_at: datetime | None = None) -> bool:
        """Whether it lasts on a day, by what is known now or was known at a moment."""
        withdrawn = self.withdrawn_at and (known_at is None or self.withdrawn_at <= known_at)
        recorded = known_at is None or self.recorded_at <= known_at
        return recorded and not withdrawn and self.since <= on <= (self.until or on)

    @property
    def in_words(self) -> str:
        """115-01-01 ~ 115-06-30 育嬰."""
        return f"{roc_dates.roc_date(self.since)} ~ {roc_dates.roc_date(self.until)} {self.reason}"
