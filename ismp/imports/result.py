"""What became of the rows of a file: the closing arithmetic, and the tables that the pages of the
result and the report are drawn from.

Knows the frames of an import; asks no database but for what a run keeps.
"""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol, Self

import polars as pl
from django.utils import timezone

from ismp.imports import run_files
from ismp.hours.records import undoing
from ismp.hours.models import ImportRun, RunFile
from ismp.hours.portal_import.layout import NAMES
from ismp.hours.records import unclaimed
from ismp.ui.reading.faults import Fault, Reason

_ROW = ["line", "outcome", "code", "account", "other_name"]
_ROW += ["name", "category", "title", "ended_on", "hours_m"]
"""What is kept of every row of hours for the pages of the result."""
_TRIED = [*_ROW, "category_code", "end", "event_key"]
"""And of a trial's, so that what it would change can be told."""


class Result:
    """Of any kind of file."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.finished_at = timezone.now()
        """From when on all that the import changes counts as changed."""
        self._rows: list[bytes] = []
        self._refused: list[bytes] = []

    def _add_rows(self, rows: pl.DataFrame) -> None:
        self.outcomes.update(dict(rows["outcome"].value_counts().iter_rows()))
        self._rows.append(run_files.pack(rows))

    def _add_refused(self, refused: pl.DataFrame) -> None:
        self.reasons.update(dict(refused["code"].value_counts().iter_rows()))
        self._refused.append(run_files.pack(refused))

    @property
    def total(self) -> int:
        return self.outcomes.total()

    def counts(self) -> dict[str, int]:
        """The closing arithmetic: total = created + updated + unchanged + rejected."""
        return {
            "total": self.total,
            "created": self.outcomes["created"] + self.outcomes["revived"],
            **{name: self.outcomes[name] for name in ("updated", "unchanged", "rejected")},
        }

    def notes(self) -> dict[str, object]:
        """What `ImportRun.notes` tells."""
        return {}

    def told(self) -> dict[str, Any]:
        """The fields of a run that tell all this."""
        return {
            "reasons": dict(self.reasons.most_common()),
            "notes": self.notes(),
            **self.counts(),
        }

    def keep(self, run: ImportRun) -> None:
        run_files.keep_frames(run, RunFile.Kind.ROWS, self._rows)
        run_files.keep_frames(run, RunFile.Kind.REJECTED, self._refused)

    def keep_part(self, run: ImportRun) -> None:
        """Keep what became of some rows, beside that of others."""
        for part in self._rows:
            run_files.add_frame(run, RunFile.Kind.ROWS, part)
        for part in self._refused:
            run_files.add_frame(run, RunFile.Kind.REJECTED, part)


class ListLayout(Protocol):
    """What the result of a list needs of its import kit's description (`profiles.ImportKind`)."""

    @property
    def titles(self) -> Mapping[str, str]: ...
    @property
    def shown(self) -> tuple[str, ...]: ...
    @property
    def reasons(self) -> Mapping[str, Reason]: ...


class ResultOfList(Result):
    """Of a list that people keep themselves: small enough to be held whole."""

    def __init__(
        self,
        layout: ListLayout,
        taken: list[dict[str, Any]],
        faults: list[Fault],
        notes: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """`taken`: line, outcome and what the columns of its pages show of each row that passed.

        Of a row at fault they show its cells, where they ask for a column of the file.  `notes` are
        those of the run.
        """
        super().__init__()
        self.taken, self.faults = taken, faults
        self._notes = dict(notes)
        titles = list(layout.titles)
        rejected = [
            {"line": fault.line, "code": fault.reason.code, "about": fault.about}
            | {"guilty": BETWEEN.join(fault.guilty)}
            | dict(zip(titles, _as_many(fault.cells, len(titles)), strict=True))
            for fault in faults
        ]
        self._add_refused(_texts(rejected, "line", "code", "about", "guilty", *titles))
        rows = [*taken, *(one | {"outcome": "rejected"} for one in rejected)]
        self._add_rows(_texts(rows, "line", "outcome", "code", "about", *layout.shown))

    def notes(self) -> dict[str, object]:
        return self._notes

    @classmethod
    def kept_of(cls, run: ImportRun, layout: ListLayout) -> Self:
        """What is kept of some rows of a run."""
        rows, refused = (
            [one for part in run_files.packed(run, kind) for one in run_files.unpack(part).to_dicts()]
            for kind in (RunFile.Kind.ROWS, RunFile.Kind.REJECTED)
        )
        taken = [one for one in rows if one["outcome"] != "rejected"]
        return cls(layout, taken, [_fault_of(one, layout) for one in refused])


def _fault_of(row: dict[str, Any], layout: ListLayout) -> Fault:
    """A row at fault, as it was kept."""
    guilty = tuple(filter(None, row["guilty"].split(BETWEEN)))
    cells = [row[title] for title in layout.titles]
    return Fault(row["line"], layout.reasons[row["code"]], cells, row["about"], guilty)


BETWEEN = "\n"
"""Between the names of columns at fault, as the report finds them."""


def _as_many(cells: list[str], number: int) -> list[str]:
    """So many cells, of a row that may have too few or too many."""
    if len(cells) > number:
        return [*cells[: number - 1], "，".join(cells[number - 1 :])]
    return [*cells, *[""] * (number - len(cells))]


def _texts(rows: list[dict[str, Any]], *names: str) -> pl.DataFrame:
    columns = {name: [row.get(name, "") for row in rows] for name in names}
    schema = {name: pl.UInt32 if name == "line" else pl.String for name in names}
    return pl.DataFrame(columns, schema).sort("line")


class ResultOfHours(Result):
    def __init__(self, ignored: list[str], *, tried: bool = False) -> None:
        """`ignored`: header names of the file that are none of ours; `tried`: stores nothing."""
        super().__init__()
        self._tried, self._kept = tried, _TRIED if tried else _ROW
        self.names, self.ignored = 0, ignored
        self.aside: list[int] = []
        """Which records of our own courses are set aside as 可能重複."""
        self.edition = 0
        """Of the agency's records, as `ImportRun.edition` says it."""
        self._same_as: int | None = None
        self._held: list[bytes] = []
        self._unclaimed = unclaimed.Unclaimed()

    @classmethod
    def of_same_bytes(cls, former: ImportRun) -> Self | None:
        """What became of a run's rows, if each that it imported is unchanged now; None when the
        run has not kept them."""
        result = cls(former.notes["ignored"])
        result._same_as = former.same_as_id or former.pk
        for part in run_files.packed(former, RunFile.Kind.ROWS):
            rejected = pl.col("outcome") == "rejected"
            outcome = pl.when(rejected).then("outcome").otherwise(pl.lit("unchanged"))
            result._add_rows(run_files.unpack(part).with_columns(outcome.alias("outcome")))
        result.reasons.update(former.reasons)
        result.names = former.notes["names"]
        result._unclaimed = unclaimed.Unclaimed.of(former)
        result._refused = list(run_files.packed(former, RunFile.Kind.REJECTED))
        return result if result.total == former.total and result._refused else None

    def add(self, passed: pl.DataFrame, rejected: pl.DataFrame) -> None:
        unchanged = passed.filter(pl.col("outcome") == "unchanged")
        if len(unchanged) and not self._tried:
            self._held.append(undoing.held_part(unchanged))
        rejected = rejected.with_columns(outcome=pl.lit("rejected"))
        self.names += int(passed["other_name"].sum())
        both = pl.concat([passed.select(self._kept), rejected.select(self._kept)])
        self._add_rows(both.sort("line"))
        self._unclaimed.add(rejected)
        self._add_refused(rejected.select("line", "code", *NAMES))

    def notes(self) -> dict[str, object]:
        """A trial's notes name what it would have set aside."""
        notes: dict[str, object] = {"names": self.names, "ignored": self.ignored}
        if self.aside:
            notes["aside"] = len(self.aside)
        return notes | {"set_aside": self.aside} if self._tried and self.aside else notes

    def run_fields(self) -> dict[str, Any]:
        """What a run says of its place among the actions on its agency's records."""
        return {"edition": self.edition, "same_as_id": self._same_as}

    def told(self) -> dict[str, Any]:
        return super().told() | ({} if self._tried else self.run_fields())

    def keep(self, run: ImportRun) -> None:
        super().keep(run)
        if not run.dry_run:
            self._unclaimed.keep(run)
            self.keep_held(run)

    def keep_held(self, run: ImportRun) -> None:
        """Keep which records it found unchanged: they stand while it does (`undoing`)."""
        if self._held:
            run_files.keep_frames(run, RunFile.Kind.HELD, self._held)
