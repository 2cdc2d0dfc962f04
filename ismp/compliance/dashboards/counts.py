"""The figures of a board: counts of people by department, identities and duty.

Plain values; `dashboards.aggregates` counts them from the standing of people.
"""

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any, Self

PERSON = ""
"""The duty of a line that counts persons: each once, by the worst of their duties."""


@dataclass(frozen=True)
class Counts:
    """How many stand how; `missing` in thousandths of an hour, over all of them.

    `on_pace` are those who will have enough at the end of the year if each goes on learning at
    the pace since the person's window began.
    """

    green: int = 0
    amber: int = 0
    red: int = 0
    exempt: int = 0
    on_pace: int = 0
    missing: int = 0

    def __add__(self, other: Self) -> "Counts":
        return Counts(*map(int.__add__, self.as_json(), other.as_json()))

    def as_json(self) -> list[int]:
        return list(asdict(self).values())

    @property
    def obliged(self) -> int:
        """Who owes hours at all: the exempt are not in the denominator."""
        return self.green + self.amber + self.red

    @property
    def behind(self) -> int:
        return self.amber + self.red

    @property
    def percent(self) -> int | None:
        """Share compliant, rounded down: 100 is said only of everybody.  None: nobody owes."""
        return 100 * self.green // self.obliged if self.obliged else None

    @property
    def not_red(self) -> int:
        """The share that is not red, for drawing."""
        return 100 * (self.green + self.amber) // self.obliged if self.obliged else 0

    @property
    def step(self) -> int:
        """The colour of a heat map's cell: 0 worst, 5 only for everybody."""
        return (self.percent or 0) // 20

    @property
    def pace_percent(self) -> int | None:
        return 100 * self.on_pace // self.obliged if self.obliged else None


@dataclass(frozen=True)
class Part:
    """The people of one department with one set of identities, and one duty of theirs."""

    department: int | None
    identities: str
    duty: str
    counts: Counts

    def as_json(self) -> list[Any]:
        return [self.department, self.identities, self.duty, *self.counts.as_json()]

    @classmethod
    def from_json(cls, cells: list[Any]) -> Self:
        department, identities, duty = cells[:3]
        return cls(department, identities, duty, Counts(*cells[3:]))


def total(parts: list[Part], duty: str = PERSON) -> Counts:
    return sum((part.counts for part in parts if part.duty == duty), Counts())


def grouped(parts: list[Part], by: str, duty: str = PERSON) -> dict[Any, Counts]:
    """The same for each value of the field `by` (department, identities)."""
    sums: dict[Any, Counts] = defaultdict(Counts)
    for part in parts:
        if part.duty == duty:
            sums[getattr(part, by)] += part.counts
    return dict(sums)


def duties(parts: list[Part]) -> list[str]:
    """Which duties there are: by category, the shorter window first."""
    return sorted({part.duty for part in parts} - {PERSON})
