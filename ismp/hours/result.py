"""What became of the rows of a file: the closing arithmetic, and the tables that the pages of the
result and the report are drawn from.

Knows the frames of an import; asks no database but for what a run keeps.
"""

from collections import Counter
from typing import Self

import polars as pl
from django.utils import timezone

from ismp.hours import claiming, files
from ismp.hours.models import ImportRun, RunFile
from ismp.hours.profile import NAMES

_ROW = ["line", "outcome", "code", "account", "other_name"]
_ROW += ["name", "category", "title", "ended_on", "hours_m"]
"""What is kept of every row for the pages of the result."""
_OF_ROSTER = ["line", "username", "name", "outcome", "words"]
_TRIED = [*_ROW, "category_code", "end", "event_key"]
"""And of a trial's, so that what it would change can be told."""


class Result:
    def __init__(self, ignored: list[str], *, tried: bool = False) -> None:
        """`ignored`: header names of the file that are none of ours; `tried`: stores nothing."""
        self._tried, self._kept = tried, _TRIED if tried else _ROW
        self.outcomes: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.names, self.ignored = 0, ignored
        self.aside: list[int] = []
        """Which records of our own courses are set aside as 可能重複."""
        self.finished_at = timezone.now()
        """From when on all that the import changes counts as changed."""
        self._rows: list[bytes] = []
        self._refused: list[bytes] = []
        self._unclaimed = claiming.Unclaimed()

    @classmethod
    def of_same_bytes(cls, former: ImportRun) -> Self | None:
        """What became of a run's rows, if each that it imported is unchanged now; None when the
        run has not kept them."""
        result = cls(former.notes["ignored"])
        for piece in files.pieces_at_hand(former, RunFile.Kind.ROWS):
            rejected = pl.col("outcome") == "rejected"
            outcome = pl.when(rejected).then("outcome").otherwise(pl.lit("unchanged"))
            result._add_rows(files.unpack(piece).with_columns(outcome.alias("outcome")))
        result.reasons.update(former.reasons)
        result.names = former.notes["names"]
        result._unclaimed = claiming.Unclaimed.of(former)
        result._refused = list(files.pieces_at_hand(former, RunFile.Kind.REJECTED))
        return result if result.total == former.total and result._refused else None

    @classmethod
    def of_roster(cls, lines: list[tuple[int, str, str, str, str]]) -> Self:
        """`lines`: line, 公務帳號, 姓名, outcome, what it changes."""
        result, texts = cls([]), dict.fromkeys(_OF_ROSTER, pl.String)
        result._add_rows(pl.DataFrame(lines, {**texts, "line": pl.UInt32}, orient="row"))
        return result

    def add(self, passed: pl.DataFrame, rejected: pl.DataFrame) -> None:
        rejected = rejected.with_columns(outcome=pl.lit("rejected"))
        self.reasons.update(dict(rejected["code"].value_counts().iter_rows()))
        self.names += int(passed["other_name"].sum())
        both = pl.concat([passed.select(self._kept), rejected.select(self._kept)])
        self._add_rows(both.sort("line"))
        self._unclaimed.add(rejected)
        self._refused.append(files.pack(rejected.select("line", "code", *NAMES)))

    def _add_rows(self, rows: pl.DataFrame) -> None:
        self.outcomes.update(dict(rows["outcome"].value_counts().iter_rows()))
        self._rows.append(files.pack(rows))

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
        """What `ImportRun.notes` tells; a trial's names what it would have set aside."""
        notes: dict[str, object] = {"names": self.names, "ignored": self.ignored}
        if self.aside:
            notes["aside"] = len(self.aside)
        return notes | {"set_aside": self.aside} if self._tried and self.aside else notes

    def keep(self, run: ImportRun) -> None:
        files.keep_frames(run, RunFile.Kind.ROWS, self._rows)
        files.keep_frames(run, RunFile.Kind.REJECTED, self._refused)
        if not run.dry_run:
            self._unclaimed.keep(run)
