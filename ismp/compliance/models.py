"""學習地圖: the rules of who owes how many hours, their worked examples, the policy.

Rules are data with a day: a new version never changes what an earlier day is judged by.  Knows
nothing of who has done what.
"""

from datetime import date
from itertools import combinations
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.urls import reverse

from ismp.accounts.effective_dated import EffectiveDated, Entry
from ismp.accounts.identities import Identity
from ismp.accounts.models import Agency, Grade
from ismp.audit.models import Audited
from ismp.compliance.dashboards.counts import Counts, Part, duties, total
from ismp.compliance.rules import arithmetic
from ismp.compliance.rules.arithmetic import Credit, Duty, TwoYears
from ismp.hours.models import in_hours
from ismp.hours.portal_import.layout import CATEGORIES
from ismp.ui.text import roc_dates

CATEGORY_SETS = {
    "+".join(map(str, chosen)): "或".join(CATEGORIES[code] for code in chosen)
    for chosen in (*((code,) for code in CATEGORIES), tuple(CATEGORIES))
}
"""Which categories a rule can accept: `522`, `523`, `522+523`."""
WINDOWS = {1: "每年", 2: "每兩年"}
_GRADE_SETS = ["".join(chosen) for size in range(1, 6) for chosen in combinations(Grade, size)]


def duty_title(category: str, years: int) -> str:
    """522 資通安全(通識)（每年）."""
    return f"{category} {CATEGORY_SETS[category]}（{WINDOWS[years]}）"


def categories_text(categories: frozenset[int]) -> str:
    return "+".join(map(str, sorted(categories)))


class Rule(Audited):
    """The duty of one 資安列管身分: hours of some categories, in one or two calendar years."""

    identity = models.CharField("資安列管身分", max_length=20, choices=Identity)
    categories = models.CharField("課程類別", max_length=30, choices=CATEGORY_SETS.items())
    years = models.PositiveSmallIntegerField("期間", choices=WINDOWS.items())

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(identity__in=Identity.values), name="a_rule_is_for_a_known_identity"
            ),
            models.CheckConstraint(
                condition=Q(categories__in=list(CATEGORY_SETS)),
                name="a_rule_accepts_known_categories",
            ),
            models.CheckConstraint(
                condition=Q(years__in=list(WINDOWS)), name="a_window_is_one_year_or_two"
            ),
        ]

    def __str__(self) -> str:
        return (
            f"{self.get_identity_display()}：{self.get_categories_display()}"
            f"（{self.get_years_display()}）"
        )

    @property
    def audit_detail(self) -> dict[str, str]:
        return {"rule": str(self)}

    def get_absolute_url(self) -> str:
        return reverse("compliance:rule", args=[self.pk])


class RuleQuerySet(EffectiveDated):
    def duties(self) -> list[Duty]:
        """The entries as the arithmetic wants them; one that ended its rule is none."""
        return [version.duty() for version in self.exclude(hours=None).select_related("rule")]


class RuleVersion(Entry):
    """How much a rule asks, and in agencies of which grades, from a day on; null: no more."""

    KEYS = ("rule",)

    rule = models.ForeignKey(Rule, models.PROTECT, related_name="versions")
    grades = models.CharField("責任等級", max_length=5)
    hours = models.BigIntegerField("時數", null=True)
    citation = models.CharField("依據", max_length=200)

    objects: ClassVar["models.Manager[RuleVersion] | RuleQuerySet"] = RuleQuerySet.as_manager()

    class Meta:
        ordering = ["rule", "since", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(hours=None) | Q(hours__gt=0), name="a_rule_asks_for_some_hours"
            ),
            models.CheckConstraint(
                condition=Q(grades__in=_GRADE_SETS), name="a_rule_names_known_grades"
            ),
            models.UniqueConstraint(
                fields=["rule", "since"],
                condition=Q(cancelled_at=None),
                name="a_rule_has_one_version_a_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id}:{self.since}"

    @property
    def in_words(self) -> str:
        """115-01-01 起 3 小時（A、B級）."""
        asks = (
            f"{in_hours(self.hours)} 小時（{'、'.join(self.grades)}級）" if self.hours else "停用"
        )
        return f"{roc_dates.roc_date(self.since)} 起{asks}"

    def duty(self) -> Duty:
        return Duty(
            self.rule.identity,
            frozenset(self.grades),
            frozenset(map(int, self.rule.categories.split("+"))),
            self.hours or 0,
            self.rule.years,
            since=self.since,
            citation=self.citation,
            rule=self.rule_id,
        )


class Example(models.Model):
    """A worked example beside a rule: these records, on that day, give this verdict.

    `missing` null: nobody of that identity and grade owes anything by this rule then.
    """

    rule = models.ForeignKey(Rule, models.CASCADE, related_name="examples")
    title = models.CharField("說明", max_length=100)
    on = models.DateField("基準日")
    grade = models.CharField("責任等級", max_length=1, choices=Grade, blank=True)
    records = models.JSONField(default=list)
    """[[課程類別, 迄日期 as ISO text, thousandths], …]."""
    missing = models.BigIntegerField("還差", null=True)

    class Meta:
        ordering = ["rule", "on", "pk"]

    def __str__(self) -> str:
        return self.title

    def credits(self) -> list[Credit]:
        return [
            Credit(category, date.fromisoformat(ended_on), hours)
            for category, ended_on, hours in self.records
        ]

    def verdict(self, duties: list[Duty], policy: arithmetic.Policy) -> int | None:
        """Return the hours missing by these duties; None when the rule asks for nothing."""
        person = arithmetic.Person(frozenset({self.rule.identity}), self.grade)
        for one in arithmetic.judge(person, self.credits(), duties, policy, self.on):
            is_same_duty = (
                one.duty.identity == self.rule.identity and one.duty.years == self.rule.years
            )
            if is_same_duty and categories_text(one.duty.categories) == self.rule.categories:
                return one.missing
        return None


class PolicyQuerySet(EffectiveDated):
    def policy(self) -> arithmetic.Policy:
        entry: Any = self.first()
        return entry.policy() if entry else arithmetic.Policy()


class PolicyVersion(Entry):
    """A decision of the platform, from a day on, where the law is silent."""

    KEYS = ()

    class Pair(models.TextChoices):
        ROLLING = TwoYears.ROLLING.value, "今年與前一年"
        PAIRS = TwoYears.PAIRS.value, "固定兩年一期（114–115、116–117 …）"

    two_years = models.CharField("兩年的算法", max_length=10, choices=Pair, default=Pair.ROLLING)
    grace_days = models.PositiveSmallIntegerField("新到職寬限天數", default=0)
    unlisted = models.BooleanField("等級未列的身分，視為一般使用者及主管", default=True)

    objects: ClassVar["models.Manager[PolicyVersion] | PolicyQuerySet"] = (
        PolicyQuerySet.as_manager()
    )

    class Meta:
        ordering = ["since", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(two_years__in=[pair.value for pair in TwoYears]),
                name="two_years_are_rolling_or_pairs",
            ),
            models.CheckConstraint(
                condition=Q(grace_days__lte=366), name="grace_lasts_a_year_at_most"
            ),
            models.UniqueConstraint(
                fields=["since"],
                condition=Q(cancelled_at=None),
                name="there_is_one_policy_a_day",
            ),
        ]

    def __str__(self) -> str:
        return f"policy:{self.since}"

    @property
    def in_words(self) -> str:
        """115-01-01 起：兩年為今年與前一年，新到職寬限 30 天，等級未列的身分…."""
        listed = "視為一般使用者及主管" if self.unlisted else "沒有義務"
        return (
            f"{roc_dates.roc_date(self.since)} 起：兩年為{self.get_two_years_display()}，"
            f"新到職寬限 {self.grace_days} 天，等級未列的身分{listed}"
        )

    def policy(self) -> arithmetic.Policy:
        return arithmetic.Policy(
            TwoYears(self.two_years), self.grace_days, unlisted_as_general=self.unlisted
        )


class Board(models.Model):
    """The figures of an agency's people on a day.

    They hold until an action after `basis` (the number of the newest audit event when the counting
    began) concerns one of `leans_on`; see `ismp.compliance.dashboards.cached`.
    """

    agency = models.ForeignKey(Agency, models.CASCADE, related_name="+")
    on = models.DateField()
    basis = models.BigIntegerField()
    leans_on = models.JSONField(default=list)
    """Codes of the agencies whose hours can be those of a person of this one."""
    totals = models.JSONField(default=dict)
    """{duty: counts}: what the city board reads, without the parts."""
    parts = models.JSONField(default=list)

    objects: ClassVar[models.Manager["Board"]] = models.Manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["on", "agency"], name="an_agency_has_one_board_a_day")
        ]

    def __str__(self) -> str:
        return f"board:{self.agency_id}/{self.on}"

    def counted(self, parts: list[Part]) -> "Board":
        """This board with these figures."""
        self.parts = [part.as_json() for part in parts]
        of_duties = {duty: total(parts, duty) for duty in ["", *duties(parts)]}
        self.totals = {duty: counts.as_json() for duty, counts in of_duties.items()}
        return self

    def get_parts(self) -> list[Part]:
        return [Part.from_json(cells) for cells in self.parts]

    def get_totals(self) -> dict[str, Counts]:
        return {duty: Counts(*cells) for duty, cells in self.totals.items()}
