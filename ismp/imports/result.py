"""Outcome of the rows of a file: the closing arithmetic, and the tables that the pages of the
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
from ismp.imports.models import ImportRun, RunFile
from ismp.ui.reading.faults import Fault, FileRejected, Reason


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
        """Contents of `ImportRun.notes`."""
        return {}

    def run_fields(self) -> dict[str, Any]:
        """The fields of a run that tell all this."""
        return {
            "reasons": dict(self.reasons.most_common()),
            "notes": self.notes(),
            **self.counts(),
        }

    def store(self, run: ImportRun) -> None:
        run_files.store_frames(run, RunFile.Kind.ROWS, self._rows)
        run_files.store_frames(run, RunFile.Kind.REJECTED, self._refused)

    def store_part(self, run: ImportRun) -> None:
        """Keep what became of some rows, beside that of others."""
        for part in self._rows:
            run_files.add_frame(run, RunFile.Kind.ROWS, part)
        for part in self._refused:
            run_files.add_frame(run, RunFile.Kind.REJECTED, part)


class ListLayout(Protocol):
    """Parts of an ImportKind that the result of a list needs (`kinds.ImportKind`)."""

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
    def load(cls, run: ImportRun, layout: ListLayout) -> Self:
        """Stored rows of a run."""
        rows, refused = (
            [
                one
                for part in run_files.packed(run, kind)
                for one in run_files.unpack(part).to_dicts()
            ]
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
    """Return exactly this number of cells of a row that may have fewer or more."""
    if len(cells) > number:
        return [*cells[: number - 1], "，".join(cells[number - 1 :])]
    return [*cells, *[""] * (number - len(cells))]


def _texts(rows: list[dict[str, Any]], *names: str) -> pl.DataFrame:
    columns = {name: [row.get(name, "") for row in rows] for name in names}
    schema = {name: pl.UInt32 if name == "line" else pl.String for name in names}
    return pl.DataFrame(columns, schema).sort("line")


class RowsRejected(FileRejected):
    """A file that comes in whole or not at all is refused, because of some of its rows."""

    def __init__(self, sentence: str, result: Result) -> None:
        """`result`: which rows, and why."""
        super().__init__(sentence)
        self.result = result
