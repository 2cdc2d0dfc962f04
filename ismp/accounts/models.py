"""機關, 部門, 帳號: who the people are and where they serve.

Knows nothing of training.  A national ID is kept only as a matching key (個資法 art 5): sealed,
found by keyed hash, shown masked.
"""

from collections.abc import Iterator
from copy import copy
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Self

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Greatest, Least, Lower, Upper
from django.utils import timezone
from django.utils.crypto import salted_hmac

from ismp.accounts.agencies import fold_code
from ismp.accounts.effective_dated import Dated, Entry
from ismp.accounts.identities import Identity, in_words, members, sets
from ismp.accounts.national_id.encrypted import HasNationalId
from ismp.accounts.roles import APPOINTS, RIGHTS, ROLE_NAMES, Right, Role
from ismp.audit.event_cache import EventCache
from ismp.ui.text import roc_dates

ONLINE_FOR = timedelta(minutes=5)
_CODE_TAKEN = "這個機關代碼已經有機關使用，請檢查後再填。"


class Status(models.TextChoices):
    ACTIVE = "active", "在職"
    LEFT = "left", "離職"


class Scoped(models.QuerySet):
    """Everything with an agency is asked for through `visible_to`."""

    right: ClassVar[Right]
    """Without it nothing is seen."""
    agency_of: ClassVar[str] = "agency"
    """The field, or the way to it, that says whose a thing is."""

    def visible_to(self, user: "Account") -> Self:
        if not user.may(self.right):
            return self.none()
        return self if user.may(Right.ALL_AGENCIES) else self.of_agencies(user.agency_ids())

    def of_agency(self, agency: "Agency | None") -> Self:
        """What belongs to an agency, or to one that was merged into it; everything for None."""
        return self.of_agencies(agency.with_merged()) if agency else self

    def of_agencies(self, keys: list[int]) -> Self:
        if len(keys) == 1:  # as nearly always: an equality, which every index serves
            return self.filter(**{self.agency_of: keys[0]})
        return self.filter(**{f"{self.agency_of}__in": keys})


class AgencyQuerySet(Scoped):
    right = Right.VIEW_PEOPLE
    agency_of = "pk"

    def find(self, code: str) -> "Agency | None":
        """The agency that a code means, in whatever case and width it was typed."""
        found: Any = self.filter(code=fold_code(code)).first()
        return found

    def open(self) -> Self:
        """Those that are neither merged into another one nor dissolved."""
        return self.filter(closed_on=None)

    def open_on(self, day: date, known_at: datetime | None = None) -> Self:
        """Those that were neither merged nor dissolved by a day, by what was known at a moment."""
        done = Closing.objects.filter(since__lte=day, done_at__lte=known_at or timezone.now())
        return self.exclude(pk__in=done.order_by().values("agency"))

    def names_on(self, day: date, known_at: datetime | None = None) -> dict[int, str]:
        """What each agency was called on a day."""
        then = AgencyName.objects.on(day, known_at).values_list("agency", "name")
        return {**dict(self.values_list("pk", "name")), **dict(then)}


class Agency(models.Model):
    """機關, by its ten-character code such as 382000000A.

    `name` and `closed_on` are copies of what holds today; what holds on another day is told by
    `AgencyName` and `Closing`.  One that is closed stays, because the past speaks of it.
    """

    code = models.CharField(
        "機關代碼", max_length=20, unique=True, error_messages={"unique": _CODE_TAKEN}
    )
    """As `agencies.fold_code` writes it."""
    name = models.CharField("機關名稱", max_length=100)
    parent = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
        verbose_name="上級機關",
    )
    contact_name = models.CharField("聯絡人", max_length=100, blank=True)
    contact_phone = models.CharField("聯絡電話", max_length=50, blank=True)
    contact_email = models.EmailField("聯絡電子郵件", blank=True)
    closed_on = models.DateField("裁撤日", null=True, editable=False)
    """The first day on which it is no more."""
    merged_into = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        editable=False,
        related_name="merged",
        verbose_name="併入的機關",
    )
    in_first_roster = models.BooleanField(default=False, editable=False)
    """While the roster that made it has not told all of its people: a roster comes in pieces."""

    objects: ClassVar["models.Manager[Agency] | AgencyQuerySet"] = AgencyQuerySet.as_manager()

    class Meta:
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(
                Upper("code"),
                name="a_code_belongs_to_one_agency",
                violation_error_message=_CODE_TAKEN,
            ),
            models.CheckConstraint(
                condition=~Q(parent=F("id")),
                name="an_agency_is_not_above_itself",
                violation_error_message="上級機關不能是自己，請重新選擇上級機關。",
            ),
            models.CheckConstraint(
                condition=Q(merged_into=None)
                | (Q(closed_on__isnull=False) & ~Q(merged_into=F("id"))),
                name="an_agency_that_was_merged_into_another_one_is_closed",
                violation_error_message="併入其他機關的機關要有裁撤日，也不能併入自己。",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def subject(self) -> str:
        """The agency in the words of the audit trail."""
        return f"agency:{self.pk}"

    @property
    def successor_id(self) -> int:
        """Which agency does today what was this one's to do: its own, until it is merged."""
        return self.merged_into_id or self.pk

    def with_merged(self) -> list[int]:
        """The keys of this agency and of those that were merged into it."""
        return _with_merged(self.pk)

    def name_on(self, day: date) -> str:
        """What it was called on a day."""
        then = self.names.on(day).first()
        return then.name if then else self.name

    def as_of(self, day: date) -> "Agency":
        """This agency, called as it was on a day; for showing, never to be saved."""
        then = copy(self)
        then.name = self.name_on(day)
        return then

    def why_closed(self, day: date) -> str:
        """Why nothing new can be entered for it on a day, in a sentence; empty while it is open."""
        if self.closed_on is None or self.closed_on > day:
            return ""
        since = roc_dates.roc_date(self.closed_on)
        if self.merged_into:
            return f"「{self.name}」已於 {since} 併入「{self.merged_into.name}」，請改用該機關。"
        return f"「{self.name}」已於 {since} 裁撤，不能再登記或匯入。"


_merged: EventCache[dict[int, list[int]]] = EventCache(
    concerns=lambda event, _: event.verb == "merge_agency"
)
"""Which agencies were merged into which."""


def _with_merged(agency_id: int) -> list[int]:
    def read() -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        rows = Agency.objects.exclude(merged_into=None).order_by("pk")
        for part, whole in rows.values_list("pk", "merged_into"):
            found.setdefault(whole or 0, []).append(part)
        return found

    return [agency_id, *_merged.get("all", read).get(agency_id, [])]


class AgencyName(Entry):
    """機關名稱 from a day on; an agency that was never renamed has none, and is called as it is."""

    OF = ("agency",)
    FIRST = date(1912, 1, 1)
    """`since` of the name that it had before its first renaming."""

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="names", verbose_name="機關")
    name = models.CharField("機關名稱", max_length=100)

    objects: ClassVar["models.Manager[AgencyName] | Dated"] = Dated.as_manager()

    class Meta:
        ordering = ["agency", "since", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["agency", "since"],
                condition=Q(cancelled_at=None),
                name="an_agency_has_one_name_a_day",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def in_words(self) -> str:
        return self.name


class Closing(Entry):
    """合併 or 裁撤: from a day on an agency is part of another one, or no more.

    Ordered before its day it is carried out on that day by the worker (`agencies.closing`).
    """

    OF = ("agency",)

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="closings", verbose_name="機關")
    into = models.ForeignKey(
        Agency, models.PROTECT, null=True, related_name="+", verbose_name="併入的機關"
    )
    done_at = models.DateTimeField("生效時間", null=True)

    objects: ClassVar["models.Manager[Closing] | Dated"] = Dated.as_manager()

    class Meta:
        ordering = ["agency", "since", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["agency"],
                condition=Q(cancelled_at=None),
                name="an_agency_closes_once",
                violation_error_message="這個機關已登記合併或裁撤。",
            ),
            models.CheckConstraint(
                condition=Q(into=None) | ~Q(into=F("agency")),
                name="an_agency_is_not_merged_into_itself",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agency_id}:{self.since}"

    @property
    def in_words(self) -> str:
        """115-01-31 併入乙局."""
        day = roc_dates.roc_date(self.since)
        return f"{day} 併入{self.into}" if self.into else f"{day} 裁撤"


class DepartmentQuerySet(Scoped):
    right = Right.VIEW_PEOPLE

    def open(self) -> Self:
        """Those that people can serve in."""
        return self.filter(merged_into=None)

    def with_people(self) -> Self:
        """Adds `people`: how many in office serve there, those in the departments below not."""
        in_office = Q(accounts__status=Status.ACTIVE)
        return self.annotate(people=models.Count("accounts", filter=in_office))


class Department(models.Model):
    """部門 of one agency, in a tree.  Merged ones stay, because past service speaks of them."""

    PATH = " / "

    agency = models.ForeignKey(
        Agency, models.PROTECT, related_name="departments", verbose_name="機關"
    )
    name = models.CharField("部門", max_length=100)
    parent = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
        verbose_name="上級部門",
    )
    path = models.TextField("部門")
    """The names from the top down to its own, for lists in the order of the tree."""
    is_it = models.BooleanField("資訊單位", default=False)
    merged_into = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")

    objects: ClassVar["models.Manager[Department] | DepartmentQuerySet"] = (
        DepartmentQuerySet.as_manager()
    )

    class Meta:
        ordering = ["agency", "path"]
        constraints = [
            models.UniqueConstraint(
                fields=["agency", "name"],
                name="a_department_has_one_name_in_its_agency",
                violation_error_message="這個機關已有同名的部門，請改用別的名稱。",
            ),
            models.UniqueConstraint(
                fields=["agency"],
                condition=Q(is_it=True),
                name="an_agency_has_one_it_unit",
                violation_error_message="這個機關已有資訊單位，請先取消原來的。",
            ),
            models.CheckConstraint(
                condition=~Q(parent=F("id")),
                name="a_department_is_not_above_itself",
                violation_error_message="部門不能是自己的上級，請改選上級部門。",
            ),
            models.CheckConstraint(
                condition=~Q(merged_into=F("id")),
                name="a_department_is_not_merged_into_itself",
                violation_error_message="部門不能併入自己，請改選併入的部門。",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Grade(models.TextChoices):
    """資通安全責任等級 of an agency (資通安全責任等級分級辦法)."""

    A = "A", "A級"
    B = "B", "B級"
    C = "C", "C級"
    D = "D", "D級"
    E = "E", "E級"


class AgencyGrade(Entry):
    """核定等級: the grade of an agency from a day on; without any, 未核定."""

    OF = ("agency",)

    agency = models.ForeignKey(
        Agency, models.PROTECT, related_name="grade_entries", verbose_name="機關"
    )
    grade = models.CharField("責任等級", max_length=1, choices=Grade)

    objects: ClassVar["models.Manager[AgencyGrade] | Dated"] = Dated.as_manager()

    class Meta:
        ordering = ["agency", "since", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(grade__in=Grade.values), name="a_grade_is_one_of_a_to_e"
            ),
            models.UniqueConstraint(
                fields=["agency", "since"],
                condition=Q(cancelled_at=None),
                name="an_agency_has_one_grade_a_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agency_id}:{self.grade}"

    @property
    def in_words(self) -> str:
        return str(self.get_grade_display())


class AccountQuerySet(Scoped):
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


class Account(HasNationalId, AbstractBaseUser):
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
    """The lowest-numbered account of the person when several accounts are confirmed to be hers;
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
    def is_active(self) -> bool:  # type: ignore[override]
        """Only those in office may sign in."""
        return self.status == Status.ACTIVE

    def get_identities_display(self) -> str:
        """資訊人員、一般使用者及主管."""
        return in_words(self.identities)

    def may(self, right: Right) -> bool:
        return self.is_active and right in RIGHTS[Role(self.role)]

    def agency_ids(self) -> list[int]:
        """The keys of the agencies whose things are this person's to see: the own one, and those
        that were merged into it."""
        return _with_merged(self.agency_id)

    def appoints(self) -> list[Role]:
        """The roles this person may give and take, in the order of the table."""
        return [role for role in Role if role in APPOINTS.get(Role(self.role), ())]

    def may_touch(self, other: "Account") -> bool:
        """Whether `other`'s account, of an agency that this person keeps, is hers to change."""
        return self.may(Right.EDIT_PEOPLE) and Role(other.role) in self.appoints()

    def get_session_auth_hash(self) -> str:
        secret = f"{self.password}/{self.session_round}"
        return salted_hmac("accounts.Account.session", secret, algorithm="sha256").hexdigest()

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        """None: an old secret key ends all sessions."""
        return iter(())


class PersonLinkQuerySet(Scoped):
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
        """What waits for this person: the agency that is asked decides, or the platform.

        Never who set the number nor (but for the platform and within one agency) anybody of her
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


class PersonLink(models.Model):
    """同一人確認: whether two accounts with one national ID are one person's (ADR 23).

    Asked when `account` gets a number that `other` has; decided by the agency of `other`.
    """

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
        """Whose administrators are asked."""
        return self.other.agency

    @property
    def subject(self) -> str:
        """The link in the words of the audit trail."""
        return f"person_link:{self.pk}"

    @property
    def decider(self) -> str:
        """王小明（代理李大華）."""
        if self.decided_by is None:
            return ""
        stead = f"（代理{self.in_place_of.name}）" if self.in_place_of else ""
        return f"{self.decided_by.name}{stead}"


class AccountControl(models.Model):
    """Somebody else decided with what, or as what, an account is used: its password, its e-mail
    (to which codes go), its role.

    For 30 days the account does not decide what concerns that person (`accounts.separation`).
    """

    class Kind(models.TextChoices):
        CREATED = "created", "新增帳號"
        EMAIL = "email", "變更電子郵件"
        ROLE = "role", "指派角色"
        RESET = "reset", "重設密碼"
        RETURNED = "returned", "復用帳號"
        NUMBER = "number", "變更身分證字號"
        """No control by itself: it keeps whose number this was until then."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="controls")
    by = models.ForeignKey(Account, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind)
    at = models.DateTimeField(default=timezone.now)
    former_hash = models.BinaryField(max_length=32, null=True)
    """The `id_hash` that the account had before (NUMBER)."""

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["account", "at"], name="controls_of_an_account")]
        constraints = [
            models.CheckConstraint(
                condition=~Q(account=F("by")), name="a_control_is_somebody_elses"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["created", "email", "role", "reset", "returned", "number"]),
                name="a_control_is_of_a_known_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}:{self.kind}"


class PasswordResetQuerySet(Scoped):
    right = Right.VIEW_PEOPLE
    agency_of = "account__agency"

    def to_decide_by(self, user: "Account") -> Self:
        """What waits for a second person's yes and is of an account that this one may touch."""
        if not user.may(Right.EDIT_PEOPLE):
            return self.none()
        roles = [role.value for role in user.appoints()]
        waiting = self.visible_to(user).filter(state=PasswordReset.State.WAITING)
        return waiting.filter(account__role__in=roles)


class PasswordReset(models.Model):
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


class Posting(Entry):
    """任職: where and as what an account serves from a day on.

    Account carries a copy of what holds today.
    """

    OF = ("account",)

    UNKNOWN = date(1912, 1, 1)
    """`since` of what an agency's first roster tells: they served before we knew them."""

    account = models.ForeignKey(
        Account, models.PROTECT, related_name="postings", verbose_name="帳號"
    )
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+", verbose_name="機關")
    department = models.ForeignKey(
        Department, models.PROTECT, null=True, related_name="+", verbose_name="部門"
    )
    identities = models.CharField("資安列管身分", max_length=30)
    status = models.CharField("狀態", max_length=20, choices=Status)

    objects: ClassVar["models.Manager[Posting] | Dated"] = Dated.as_manager()

    class Meta:
        ordering = ["account", "since", "pk"]
        indexes = [models.Index(fields=["account", "-since", "-id"], name="service_of_an_account")]
        constraints = [
            models.CheckConstraint(
                condition=Q(identities__in=sets()), name="service_has_a_known_set_of_identities"
            ),
            models.CheckConstraint(
                condition=Q(status__in=Status.values), name="service_is_active_or_left"
            ),
            models.UniqueConstraint(
                fields=["account", "since"],
                condition=Q(cancelled_at=None),
                name="an_account_has_one_service_a_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}:{self.since}"

    def get_identities_display(self) -> str:
        return in_words(self.identities)


class LeaveQuerySet(models.QuerySet["Leave"]):
    def overlapping(self, since: date, until: date | None) -> Self:
        """Those that stand and have a day in common with a time; open while `until` is None."""
        standing = self.filter(withdrawn_at=None).exclude(until__lt=since)
        return standing.filter(since__lte=until) if until else standing


class Leave(models.Model):
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

    def holds(self, on: date, known_at: datetime | None = None) -> bool:
        """Whether it lasts on a day, by what is known now or was known at a moment."""
        withdrawn = self.withdrawn_at and (known_at is None or self.withdrawn_at <= known_at)
        recorded = known_at is None or self.recorded_at <= known_at
        return recorded and not withdrawn and self.since <= on <= (self.until or on)

    @property
    def in_words(self) -> str:
        """115-01-01 ~ 115-06-30 育嬰."""
        return f"{roc_dates.roc_date(self.since)} ~ {roc_dates.roc_date(self.until)} {self.reason}"


class SecurityOfficerQuerySet(Dated):
    def agencies_of(self, account: Account) -> models.QuerySet[Any]:
        """The agency (as a subquery) whose 資安長, or deputy, somebody is while serving there,
        and those that were merged into it."""
        named = self.on(timezone.localdate()).filter(agency=account.agency_id)
        held = named.filter(Q(account=account) | Q(deputy=account)).values("agency")
        found = Agency.objects.filter(Q(pk__in=held) | Q(merged_into__in=held))
        return found.order_by().values("pk")


class SecurityOfficer(Entry):
    """資通安全長 of an agency from a day on, with a deputy: who is called to a major incident
    (levels 3 and 4) and decides on exceptions for restricted devices.

    May be anybody who serves there, whatever her role.
    """

    OF = ("agency",)

    since = models.DateField("生效日", default=timezone.localdate)
    agency = models.ForeignKey(
        Agency, models.PROTECT, related_name="security_officers", verbose_name="機關"
    )
    account = models.ForeignKey(Account, models.PROTECT, related_name="+", verbose_name="資安長")
    deputy = models.ForeignKey(
        Account, models.PROTECT, null=True, related_name="+", verbose_name="副資安長（代理人）"
    )

    objects: ClassVar["models.Manager[SecurityOfficer] | SecurityOfficerQuerySet"] = (
        SecurityOfficerQuerySet.as_manager()
    )

    class Meta:
        ordering = ["agency", "since", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["agency", "since"],
                condition=Q(cancelled_at=None),
                name="an_agency_has_one_security_officer_a_day",
            ),
            models.CheckConstraint(
                condition=Q(deputy=None) | ~Q(deputy=F("account")),
                name="nobody_is_her_own_deputy",
            ),
        ]

    def __str__(self) -> str:
        return self.account.name

    @property
    def in_words(self) -> str:
        """王小明（代理人：李大華）."""
        deputy = f"（代理人：{self.deputy.name}）" if self.deputy else ""
        return f"{self.account.name}{deputy}"

    def on_duty(self, but: Account | None = None) -> list[Account]:
        """Who is to be told: the officer, in her absence the deputy; nobody who has left."""
        today, serving = timezone.localdate(), Q(agency=self.agency_id, status=Status.ACTIVE)
        named = [pk for pk in (self.account_id, self.deputy_id) if pk and (not but or pk != but.pk)]
        asked = Account.objects.filter(serving, pk__in=named)
        here = {one.pk: one for one in asked}
        away = set(asked.on_leave(today).values_list("pk", flat=True))
        present = [here[pk] for pk in named if pk in here]
        return [one for one in present if one.pk not in away][:1] or present[:1]
