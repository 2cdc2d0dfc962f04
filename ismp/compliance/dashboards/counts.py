"""From the standing of people to the figures of a board: counts by department, identity and duty.

Works on the table of `standing.table`, one row per person × duty.  Knows no database, no page and
no law: what is green or red was said before.
"""

from collections import defaultdict
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any, Self

import polars as pl

PERSON = ""
"""The duty of a line that counts persons: each once, by the worst of her duties."""
WORST_LAST = ("exempt", "green", "amber", "red")
_BY = ("agency", "department", "identities", "duty")


@dataclass(frozen=True)
class Counts:
    """How many stand how; `missing` in thousandths of an hour, over all of them.

    `on_pace` are those who will have enough at the end of the year if each goes on learning at
    the pace she has had since her window began.
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


def with_duty(table: pl.DataFrame) -> pl.DataFrame:
    """Name each row's duty by its category and the years of its window: `522/1`, `523/2`."""
    return table.with_columns(duty=pl.format("{}/{}", "category", "years"))


def parts(table: pl.DataFrame, on: date) -> dict[int, list[Part]]:
    """The counts of each department × identities × duty, and of the persons as such, by agency."""
    owed = pl.when(pl.col("light") != "exempt").then("missing").otherwise(0)
    lines = with_duty(table).with_columns(rank=rank(), on_pace=_on_pace(on), missing=owed).lazy()
    persons = lines.group_by("account", "agency", "department", "identities").agg(
        pl.col("rank").max(), pl.col("on_pace").all(), pl.col("missing").sum(), duty=pl.lit(PERSON)
    )
    columns = [*_BY, "rank", "on_pace", "missing"]
    both = pl.concat([lines.select(columns), persons.select(columns)])
    names = [field.name for field in fields(Counts)]
    counted = both.group_by(_BY).agg(
        *((pl.col("rank") == rank).sum().alias(light) for rank, light in enumerate(WORST_LAST)),
        on_pace=(pl.col("on_pace") & (pl.col("rank") > 0)).sum(),
        missing=pl.col("missing").sum(),
    )
    by_agency: dict[int, list[Part]] = defaultdict(list)
    for agency, *cells in counted.select(*_BY, *names).sort(_BY, nulls_last=True).collect().rows():
        by_agency[agency].append(Part.from_json(cells))
    return dict(by_agency)


def rank() -> pl.Expr:
    """How bad a light is, in the order of WORST_LAST."""
    return pl.col("light").replace_strict(WORST_LAST, range(4), return_dtype=pl.Int8)


def _on_pace(on: date) -> pl.Expr:
    """Done × days until the end of the year ≥ required × days gone, in whole numbers."""
    end = pl.min_horizontal("window_end", pl.lit(date(on.year, 12, 31)))
    whole = (end - pl.col("window_start")).dt.total_days() + 1
    gone = (pl.lit(on) - pl.col("window_start")).dt.total_days() + 1
    pace = pl.col("done") * whole >= pl.col("required") * gone
    return pace | (pl.col("done") >= pl.col("required"))


def total(of: list[Part], duty: str = PERSON) -> Counts:
    return sum((part.counts for part in of if part.duty == duty), Counts())


def grouped(of: list[Part], by: str, duty: str = PERSON) -> dict[Any, Counts]:
    """The same for each value of the field `by` (department, identities)."""
    sums: dict[Any, Counts] = defaultdict(Counts)
    for part in of:
        if part.duty == duty:
            sums[getattr(part, by)] += part.counts
    return dict(sums)


def duties(of: list[Part]) -> list[str]:
    """Which duties there are: by category, the shorter window first."""
    return sorted({part.duty for part in of} - {PERSON})
