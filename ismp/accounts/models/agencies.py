"""機關: its names, its end, and its 責任等級, each from a day on."""

from copy import copy
from datetime import date, datetime
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper
from django.utils import timezone

from ismp.accounts.agencies import fold_code
from ismp.accounts.effective_dated import EffectiveDated, Entry
from ismp.accounts.models.scoped import Scoped
from ismp.accounts.roles import Right
from ismp.audit.event_cache import EventCache
from ismp.audit.models import Audited
from ismp.audit.verbs import Topic, rewrites
from ismp.ui.text import roc_dates

_CODE_TAKEN = "這個機關代碼已經有機關使用，請檢查後再填。"


class AgencyQuerySet(Scoped["Agency"]):
    right = Right.VIEW_PEOPLE
    agency_of = "pk"

    def find(self, code: str) -> "Agency | None":
        """The agency that a code means, in whatever case and width it was typed."""
        return self.filter(code=fold_code(code)).first()

    def open(self) -> Self:
        """Those that are neither merged into another one nor dissolved."""
        return self.filter(closed_on=None)

    def open_on(self, day: date, known_at: datetime | None = None) -> Self:
        """Those that were neither merged nor dissolved by a day, by what was known at a moment."""
        done = Closing.objects.filter(since__lte=day, done_at__lte=known_at or timezone.now())
        return self.exclude(pk__in=done.order_by().values("agency"))

    def names_on(self, day: date, known_at: datetime | None = None) -> dict[int, str]:
        """The name of each agency on a day."""
        then = AgencyName.objects.on(day, known_at).values_list("agency", "name")
        return {**dict(self.values_list("pk", "name")), **dict(then)}


class Agency(Audited):
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
    def audit_agency(self) -> str:
        return self.code

    @property
    def successor_id(self) -> int:
        """Which agency does today what was this one's to do: its own, until it is merged."""
        return self.merged_into_id or self.pk

    def with_merged(self) -> list[int]:
        """The keys of this agency and of those that were merged into it."""
        return agencies_merged_into(self.pk)

    def name_on(self, day: date) -> str:
        """Return the name of the agency on a day."""
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
    concerns=lambda event, _: rewrites(event.verb, Topic.MERGERS)
)
"""Which agencies were merged into which."""


def agencies_merged_into(agency_id: int) -> list[int]:
    def read() -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        rows = Agency.objects.exclude(merged_into=None).order_by("pk")
        for part, whole in rows.values_list("pk", "merged_into"):
            found.setdefault(whole or 0, []).append(part)
        return found

    return [agency_id, *_merged.get("all", read).get(agency_id, [])]


class AgencyName(Entry):
    """機關名稱 from a day on; an agency that was never renamed has none, and is called as it is."""

    KEYS = ("agency",)
    FIRST = date(1912, 1, 1)
    """`since` of the name that it had before its first renaming."""

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="names", verbose_name="機關")
    name = models.CharField("機關名稱", max_length=100)

    objects: ClassVar["models.Manager[AgencyName] | EffectiveDated"] = EffectiveDated.as_manager()

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

    KEYS = ("agency",)

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="closings", verbose_name="機關")
    into = models.ForeignKey(
        Agency, models.PROTECT, null=True, related_name="+", verbose_name="併入的機關"
    )
    done_at = models.DateTimeField("生效時間", null=True)

    objects: ClassVar["models.Manager[Closing] | EffectiveDated"] = EffectiveDated.as_manager()

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


class Grade(models.TextChoices):
    """資通安全責任等級 of an agency (資通安全責任等級分級辦法)."""

    A = "A", "A級"
    B = "B", "B級"
    C = "C", "C級"
    D = "D", "D級"
    E = "E", "E級"


class AgencyGrade(Entry):
    """核定等級: the grade of an agency from a day on; without any, 未核定."""

    KEYS = ("agency",)

    agency = models.ForeignKey(
        Agency, models.PROTECT, related_name="grade_entries", verbose_name="機關"
    )
    grade = models.CharField("責任等級", max_length=1, choices=Grade)

    objects: ClassVar["models.Manager[AgencyGrade] | EffectiveDated"] = EffectiveDated.as_manager()

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
