"""Outcome of the rows of a file of hours, and its people without an account (待認領)."""

from typing import Any, Self

import polars as pl

from ismp.hours.portal_import.layout import NAMES
from ismp.hours.records import unclaimed, undoing
from ismp.imports import run_files
from ismp.imports.models import ImportRun, RunFile
from ismp.imports.result import Result

_ROW = ["line", "outcome", "code", "account", "other_name"]
_ROW += ["name", "category", "title", "ended_on", "hours_m"]
"""What is kept of every row of hours for the pages of the result."""
_TRIED = [*_ROW, "category_code", "end", "event_key"]
"""And of a trial's, so that what it would change can be told."""


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
        self.fingerprint = ""
        """As `ImportRun.fingerprint` says it."""
        self._same_as: int | None = None
        self._held: list[bytes] = []
        self._unclaimed = unclaimed.Unclaimed()

    @classmethod
    def of_same_bytes(cls, former: ImportRun) -> Self | None:
        """Outcome of a run's rows, if each imported one is unchanged now; None when the
        run has not kept them."""
        result = cls(former.notes["ignored"])
        result._same_as = former.same_as_id or former.pk
        for part in run_files.packed(former, RunFile.Kind.ROWS):
            rejected = pl.col("outcome") == "rejected"
            outcome = pl.when(rejected).then("outcome").otherwise(pl.lit("unchanged"))
            result._add_rows(run_files.unpack(part).with_columns(outcome.alias("outcome")))
        result.reasons.update(former.reasons)
        result.names = former.notes["names"]
        result._unclaimed = unclaimed.Unclaimed.from_run(former)
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

    def edition_fields(self) -> dict[str, Any]:
        """Fields of a run about its place among the actions on its agency's records."""
        return {"edition": self.edition, "same_as_id": self._same_as}

    def run_fields(self) -> dict[str, Any]:
        fields = super().run_fields()
        if self._tried:
            return fields
        return fields | self.edition_fields() | {"fingerprint": self.fingerprint}

    def store(self, run: ImportRun) -> None:
        super().store(run)
        if not run.dry_run:
            self._unclaimed.store(run)
            self.store_held(run)

    def store_held(self, run: ImportRun) -> None:
        """Keep which records it found unchanged: they stand while it does (`undoing`)."""
        if self._held:
            run_files.store_frames(run, RunFile.Kind.HELD, self._held)
