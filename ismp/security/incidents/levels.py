"""資通安全事件: which level an incident has, and until when the law wants what.

Pure arithmetic of 資通安全事件通報應變及演練辦法 (115-01-05).  The clocks are data, each with its
article and the day from which it holds, so that an incident of the past is judged by the law of its
time.  Knows neither agencies nor how an incident is kept.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum, StrEnum


class Level(IntEnum):
    """資通安全事件等級."""

    ONE = 1
    TWO = 2
    THREE = 3
    FOUR = 4

    @property
    def is_major(self) -> bool:
        """重大資通安全事件."""
        return self >= Level.THREE


class Subject(StrEnum):
    """The asset that was hit: the business it serves, or the secret it holds."""

    NONE = "none"
    NON_CORE = "non_core"
    CORE = "core"
    CRITICAL = "critical"
    OFFICIAL_SECRET = "official_secret"  # noqa: S105 (公務機密)
    STATE_SECRET = "state_secret"  # noqa: S105 (國家機密)


class Harm(StrEnum):
    """How badly.  Of availability: whether it is back within the tolerable time."""

    SLIGHT = "slight"
    SERIOUS = "serious"


class Aspect(StrEnum):
    CONFIDENTIALITY = "confidentiality"
    INTEGRITY = "integrity"
    AVAILABILITY = "availability"


SUBJECTS = {
    Subject.NONE: "未受影響",
    Subject.NON_CORE: "非核心業務",
    Subject.CORE: "未涉及關鍵基礎設施維運之核心業務",
    Subject.CRITICAL: "涉及關鍵基礎設施維運之核心業務",
    Subject.OFFICIAL_SECRET: "一般公務機密或敏感資訊",
    Subject.STATE_SECRET: "國家機密",
}
ASPECTS = {
    Aspect.CONFIDENTIALITY: (
        "機密性",
        "資訊遭洩漏",
        {Harm.SLIGHT: "輕微洩漏", Harm.SERIOUS: "嚴重洩漏"},
    ),
    Aspect.INTEGRITY: (
        "完整性",
        "資訊或資通系統遭竄改",
        {Harm.SLIGHT: "輕微竄改", Harm.SERIOUS: "嚴重竄改"},
    ),
    Aspect.AVAILABILITY: (
        "可用性",
        "業務運作受影響或資通系統停頓",
        {Harm.SLIGHT: "可於可容忍中斷時間內回復", Harm.SERIOUS: "無法於可容忍中斷時間內回復"},
    ),
}
"""Each aspect in the words of the regulation: its name, the question, its two answers."""

_LEVELS = {
    (Subject.NON_CORE, Harm.SLIGHT): Level.ONE,
    (Subject.NON_CORE, Harm.SERIOUS): Level.TWO,
    (Subject.CORE, Harm.SLIGHT): Level.TWO,
    (Subject.CORE, Harm.SERIOUS): Level.THREE,
    (Subject.CRITICAL, Harm.SLIGHT): Level.THREE,
    (Subject.CRITICAL, Harm.SERIOUS): Level.FOUR,
    (Subject.OFFICIAL_SECRET, Harm.SLIGHT): Level.THREE,
    (Subject.OFFICIAL_SECRET, Harm.SERIOUS): Level.FOUR,
    (Subject.STATE_SECRET, Harm.SLIGHT): Level.FOUR,
    (Subject.STATE_SECRET, Harm.SERIOUS): Level.FOUR,
}


@dataclass(frozen=True)
class Answer:
    """The asset hit in one aspect, and how badly (none where nothing was hit)."""

    subject: Subject
    harm: Harm = Harm.SLIGHT


def subjects_of(aspect: Aspect) -> list[Subject]:
    """Assets that an aspect can hit: availability is asked of businesses, not of secrets."""
    secrets = {Subject.OFFICIAL_SECRET, Subject.STATE_SECRET}
    return [one for one in Subject if aspect is not Aspect.AVAILABILITY or one not in secrets]


def level(answers: Mapping[Aspect, Answer]) -> Level | None:
    """The worst of the three aspects; None when nothing was hit, so there is nothing to report."""
    found = [_LEVELS[a.subject, a.harm] for a in answers.values() if a.subject is not Subject.NONE]
    return max(found, default=None)


class Step(StrEnum):
    """Steps that the law requires, in its order."""

    REPORT = "report"
    REVIEW = "review"
    FORWARD = "forward"
    CONTROL = "control"
    FINAL_REPORT = "final_report"


class Moment(StrEnum):
    """From what a clock runs."""

    KNOWN = "known"
    REPORTED = "reported"
    REVIEWED = "reviewed"
    RECOVERED = "recovered"


STEPS = {
    Step.REPORT: "通報",
    Step.REVIEW: "審核",
    Step.FORWARD: "審核結果送上級或主管機關",
    Step.CONTROL: "損害控制或復原",
    Step.FINAL_REPORT: "調查、處理及改善報告",
}


MOMENTS = {
    Moment.KNOWN: "知悉",
    Moment.REPORTED: "通報",
    Moment.REVIEWED: "審核完成",
    Moment.RECOVERED: "損害控制或復原",
}


@dataclass(frozen=True)
class Clock:
    """One time limit: `hours`, or `months` of the calendar, from a moment on, for some levels."""

    step: Step
    since: Moment
    levels: frozenset[Level]
    citation: str
    effective_from: date
    effective_to: date | None = None
    hours: int = 0
    months: int = 0

    def holds(self, level: Level, on: date) -> bool:
        ended = self.effective_to is not None and on > self.effective_to
        return level in self.levels and self.effective_from <= on and not ended

    def due(self, start: datetime) -> datetime:
        return _months_later(start, self.months) + timedelta(hours=self.hours)


_REGULATION = "資通安全事件通報應變及演練辦法"
_KNOWING = f"{_REGULATION}第 4 條"
_THE_REST = f"{_REGULATION}（115-01-05 修正）第 6 條至第 8 條"
_IN_FORCE = date(2019, 1, 1)
"""In force since 108-01-01; the amendment of 115-01-05 renamed it and kept the clocks."""
_MINOR = frozenset({Level.ONE, Level.TWO})
_MAJOR = frozenset({Level.THREE, Level.FOUR})
_ALL = _MINOR | _MAJOR

CLOCKS = (
    Clock(Step.REPORT, Moment.KNOWN, _ALL, _KNOWING, _IN_FORCE, hours=1),
    Clock(Step.REVIEW, Moment.REPORTED, _MINOR, _THE_REST, _IN_FORCE, hours=8),
    Clock(Step.REVIEW, Moment.REPORTED, _MAJOR, _THE_REST, _IN_FORCE, hours=2),
    Clock(Step.FORWARD, Moment.REVIEWED, _ALL, _THE_REST, _IN_FORCE, hours=1),
    Clock(Step.CONTROL, Moment.KNOWN, _MINOR, _THE_REST, _IN_FORCE, hours=72),
    Clock(Step.CONTROL, Moment.KNOWN, _MAJOR, _THE_REST, _IN_FORCE, hours=36),
    Clock(Step.FINAL_REPORT, Moment.RECOVERED, _ALL, _THE_REST, _IN_FORCE, months=1),
)


def clocks_as_rows() -> Iterator[dict[str, object]]:
    """The clocks as the database is filled with them when it is made."""
    for clock in CLOCKS:
        yield {**asdict(clock), "levels": sorted(clock.levels)}


@dataclass(frozen=True)
class Limit:
    """Until when a step is due, and by which article; `at` is unknown before its clock runs."""

    step: Step
    at: datetime | None
    citation: str
    start: datetime | None = None
    """When its clock began to run."""


def limits(
    level: Level, moments: Mapping[Moment, datetime | None], clocks: Iterable[Clock] = CLOCKS
) -> list[Limit]:
    """Every step with its time limit, by the law of the day on which the agency knew.

    `moments` are aware datetimes; a clock whose moment has not come yet has no limit.
    """
    known = moments[Moment.KNOWN]
    if known is None:
        raise ValueError("an incident is known at some moment")
    running = [clock for clock in clocks if clock.holds(level, known.date())]
    return [
        Limit(clock.step, clock.due(start) if start else None, clock.citation, start)
        for clock in running
        for start in [moments.get(clock.since)]
    ]


def _months_later(start: datetime, months: int) -> datetime:
    """The same day of the month, or the last day of a shorter one (民法第 121 條)."""
    years, month = divmod(start.month - 1 + months, 12)
    first = start.replace(year=start.year + years, month=month + 1, day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    last_day = (following - timedelta(days=1)).day
    return first.replace(day=min(start.day, last_day))
