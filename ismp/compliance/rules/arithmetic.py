"""The arithmetic of the training duty: what a person owes, what counts, and what is missing.

Pure: it knows neither the database nor Django, and not today's date.  Hours are thousandths, a
grade is one letter or empty (未核定), a day is a date.  Law: 資通安全責任等級分級辦法, 附表一 to
附表八 (認知與訓練); where it is silent, `Policy` says what holds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

GENERAL = "general"
"""一般使用者及主管: what everybody is who is nothing else."""


class Light(StrEnum):
    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    EXEMPT = "exempt"


class Reason(StrEnum):
    """Why hours do not count towards a duty."""

    DELETED = "deleted"
    CATEGORY = "category"
    BEFORE = "before"
    AFTER = "after"
    SAME_EVENT = "same-event"


@dataclass(frozen=True)
class Window:
    """Whole calendar years, both ends included."""

    start: date
    end: date

    def __contains__(self, day: date) -> bool:
        return self.start <= day <= self.end


@dataclass(frozen=True)
class Duty:
    """Hours of these categories in one or two calendar years, while the rule is in force."""

    identity: str
    grades: frozenset[str]
    categories: frozenset[int]
    hours: int
    years: int
    since: date
    until: date | None = None
    citation: str = ""
    rule: int = 0

    def holds(self, identity: str, grade: str, on: date) -> bool:
        in_force = self.since <= on and (self.until is None or on <= self.until)
        graded = not grade or grade in self.grades
        return in_force and graded and identity == self.identity


class TwoYears(StrEnum):
    ROLLING = "rolling"
    """This year and the one before."""
    PAIRS = "pairs"
    """Fixed pairs that begin in an even year of the Republic: 114–115, 116–117."""


@dataclass(frozen=True)
class Policy:
    """Policies of the platform where the law is silent."""

    two_years: TwoYears = TwoYears.ROLLING
    grace_days: int = 0
    """For how many days from 到職日 on a newcomer is waited for."""
    unlisted_as_general: bool = True
    """Whether those owe as 一般使用者 for whom the table of their grade names no duty."""


@dataclass(frozen=True)
class Person:
    identities: frozenset[str]
    grade: str = ""
    arrived_on: date | None = None
    leave: str = ""
    """Reason of a leave that covers the reference day; empty without one."""


@dataclass(frozen=True)
class Credit:
    """Hours of one learning event; the same event may come from several agencies."""

    category: int
    ended_on: date
    hours: int
    event: object = field(default_factory=object)
    deleted: bool = False


@dataclass(frozen=True)
class Verdict:
    """How a person stands with one duty on a day."""

    duty: Duty
    window: Window
    required: int
    done: int
    missing: int
    counted: tuple[Credit, ...]
    not_counted: tuple[tuple[Credit, Reason], ...]
    light: Light


def judge(
    person: Person, credits: Iterable[Credit], duties: Iterable[Duty], policy: Policy, on: date
) -> list[Verdict]:
    """One verdict for each duty that the person has on that day."""
    theirs, given = owed(person.identities, person.grade, duties, policy, on), list(credits)
    return [_weigh(person, given, duty, policy, on) for duty in theirs]


def owed(
    identities: Iterable[str], grade: str, duties: Iterable[Duty], policy: Policy, on: date
) -> list[Duty]:
    """The union of the duties of all identities; of those that ask for the same, the strictest."""
    in_force = list(duties)

    def of(names: Iterable[str]) -> list[Duty]:
        return [duty for name in names for duty in in_force if duty.holds(name, grade, on)]

    found = of(sorted(identities))
    if not found and policy.unlisted_as_general:
        found = of([GENERAL])
    strictest: dict[tuple[frozenset[int], int], Duty] = {}
    for duty in sorted(found, key=lambda duty: duty.hours):
        strictest[duty.categories, duty.years] = duty
    return sorted(strictest.values(), key=lambda duty: (sorted(duty.categories), duty.years))


def window(years: int, policy: Policy, on: date) -> Window:
    """The window of one or two calendar years in which hours must have been done on that day."""
    first = last = on.year
    if years == 2 and policy.two_years is TwoYears.ROLLING:
        first = on.year - 1
    elif years == 2:
        first = on.year - (on.year + 1) % 2
        last = first + 1
    return Window(date(first, 1, 1), date(last, 12, 31))


def light(missing: int, person: Person, policy: Policy, on: date) -> Light:
    if person.leave:
        return Light.EXEMPT
    if missing <= 0:
        return Light.GREEN
    return Light.AMBER if in_grace(person.arrived_on, policy, on) else Light.RED


def in_grace(arrived_on: date | None, policy: Policy, on: date) -> bool:
    return arrived_on is not None and on <= grace_until(arrived_on, policy)


def arrival(spells: Iterable[tuple[date, date]]) -> date | None:
    """到職日: the first day of the service that lasts, given the spells in which a person served
    (first day, day after the last), at whatever agencies and under whatever accounts.

    A transfer is no break.  A break is any whole day between two spells on which the person serves
    nowhere: who comes back later than the day of leaving arrives anew.
    """
    arrived = reached = None
    for since, end in sorted(spells):
        if reached is None or since > reached:
            arrived = since
        reached = max(end, reached) if reached else end
    return arrived


def grace_until(arrived_on: date, policy: Policy) -> date:
    """The last day of a newcomer's grace period; without grace, the day before the arrival."""
    return arrived_on + timedelta(days=policy.grace_days - 1)


def _weigh(person: Person, credits: list[Credit], duty: Duty, policy: Policy, on: date) -> Verdict:
    span = window(duty.years, policy, on)
    reasons = [(credit, _reason(credit, duty, span, on)) for credit in credits]
    best = _best_of_each_event(credit for credit, reason in reasons if reason is None)
    counted = tuple(sorted(best, key=lambda credit: credit.ended_on))
    kept = set(map(id, counted))
    not_counted = tuple(
        (credit, reason or Reason.SAME_EVENT)
        for credit, reason in reasons
        if reason or id(credit) not in kept
    )
    done = sum(credit.hours for credit in counted)
    missing = 0 if person.leave else max(0, duty.hours - done)
    shown = light(missing, person, policy, on)
    return Verdict(duty, span, duty.hours, done, missing, counted, not_counted, shown)


def _reason(credit: Credit, duty: Duty, span: Window, on: date) -> Reason | None:
    """The first reason that applies."""
    if credit.deleted:
        return Reason.DELETED
    if credit.category not in duty.categories:
        return Reason.CATEGORY
    if credit.ended_on < span.start:
        return Reason.BEFORE
    return Reason.AFTER if credit.ended_on > min(span.end, on) else None


def _best_of_each_event(credits: Iterable[Credit]) -> Iterable[Credit]:
    """Agencies may disagree about the hours of an event: the person is given the most."""
    best: dict[object, Credit] = {}
    for credit in credits:
        held = best.get(credit.event)
        if held is None or credit.hours > held.hours:
            best[credit.event] = credit
    return best.values()
