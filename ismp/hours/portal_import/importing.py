"""The portal's file of learning hours, as a short story: intake → clean → match → check → store.

Called by the kit (`importing`) within the one transaction of its run.  `unchanged_file` is the
short way, where the outcome is known.
"""

import contextlib
from collections.abc import Iterator
from datetime import date

import polars as pl
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ismp.hours.models import Record, RecordRevision
from ismp.hours.portal_import import checks, cleaning, matching, reading, unchanged_file
from ismp.hours.portal_import.matching import People
from ismp.hours.portal_import.prefetch import first_ahead, one_ahead
from ismp.hours.portal_import.result import ResultOfHours
from ismp.hours.records import bulk_write, duplicates, totals
from ismp.imports import run_files
from ismp.imports.kinds import Reached, limits
from ismp.imports.models import CREDITED as GIVEN_HERE
from ismp.imports.models import ImportRun


def perform(run: ImportRun, reached: Reached) -> ResultOfHours:
    people, today = matching.People(run.agency), timezone.localdate()
    result = unchanged_file.known(run, people, today) or _read_and_store(
        run, people, today, reached
    )
    if not run.dry_run:
        result.edition = result.edition or totals.edition([run.agency_id])
        day = today if "date-future" in result.reasons else None
        result.fingerprint = unchanged_file.fingerprint(run.agency, people, day)
    return result


def _read_and_store(run: ImportRun, people: People, today: date, reached: Reached) -> ResultOfHours:
    """Slice by slice: while one is loaded, the next is matched and a third is read and judged."""
    table = reading.read(run_files.pieces_at_hand(run, run_files.file_kind(run)), limits())
    cleaned = first_ahead(map(cleaning.clean, table.slices))
    frames = judged(cleaned, people.load(), today)
    reached("parsed", 0, run.lines - 1)
    # A savepoint keeps what stood on each page that changes since, on SQLite in memory.
    with transaction.atomic(savepoint=run.dry_run):
        result = ResultOfHours(table.ignored, tried=run.dry_run)
        store(run, frames, result, reached)
        transaction.set_rollback(run.dry_run)
    return result


def judged(cleaned: Iterator[pl.DataFrame], people: People, today: date) -> Iterator[pl.DataFrame]:
    """The rows of the file with a code where they are not imported.  Asks no database."""
    judge = checks.Judge(checks.World(today, settings.UPLOAD_MAX_CELL))
    for frame in cleaned:
        yield judge.judge(matching.add_keys(people.find(frame)))


def store(
    run: ImportRun, frames: Iterator[pl.DataFrame], result: ResultOfHours, reached: Reached
) -> ResultOfHours:
    """Write the rows that passed.  A file brings back what was deleted; what is credited changes
    it and leaves it deleted."""
    with bulk_write.Loading() as loading, contextlib.closing(one_ahead(frames)) as judged_ones:
        slices = _Slices(run, loading)
        for frame in judged_ones:
            reached("checked", result.total, run.lines - 1)
            result.add(*slices.store(frame))
            reached("matched", result.total, max(result.total, run.lines - 1))
        if result.outcomes["updated"]:
            loading.wait()
            former = RecordRevision.objects.filter(agency=run.agency, replaced_by=run)
            slices.change.take(former.filter(deletion=None), "record__account_id")
        result.edition = slices.change.take_effect(before_writing=loading.wait)
    changed = result.total > result.outcomes["unchanged"] + result.outcomes["rejected"]
    if changed and not result.edition:  # what is deleted has got other contents
        result.edition = totals.begin_edition([run.agency_id])
    result.edition = result.edition or totals.edition([run.agency_id])
    result.finished_at = timezone.now()
    result.aside = duplicates.settle(run.agency, *slices.range, at=result.finished_at)
    return result


class _Slices:
    """Stores one slice after the other and keeps of each only what it adds to the tallies."""

    def __init__(self, run: ImportRun, loading: bulk_write.Loading) -> None:
        self.change = totals.Change()
        self._run, self._loading, self._at = run, loading, timezone.now()
        self._stored = matching.StoredEvents(run.agency, before_reading=loading.wait)

    @property
    def range(self) -> tuple[date | None, date | None]:
        return self._stored.range

    def store(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Load what is new, change what is there; unchanged rows cost nothing.

        Returns the rows that passed, with their outcome, and the rejected ones.
        """
        passed = self._stored.find(frame.filter(pl.col("code").is_null()))
        if self._run.source in GIVEN_HERE:
            passed = _left_deleted(passed)
        new = passed.filter(pl.col("outcome") == "created")
        changed = passed.filter(pl.col("outcome").is_in(["updated", "revived"]))
        if len(new):
            records = bulk_write.as_records(new, self._run)
            self._loading.insert(records)
            self.change.add_loaded(records)
        if len(changed):
            records = bulk_write.as_records(changed, self._run)
            self._loading.wait()
            bulk_write.replace(records, self._run, self._at)
            self.change.add_loaded(records.filter(pl.col("deletion_id").is_null()))
        return passed, frame.filter(pl.col("code").is_not_null())


def _left_deleted(passed: pl.DataFrame) -> pl.DataFrame:
    """Rows whose records somebody deleted, as rows that change contents and bring nothing back:
    with `deletion`, which stays."""
    keys = passed.filter(pl.col("outcome") == "revived")["record"].to_list()
    deletions = _deleted_by_hand(keys)
    found = Record.objects.filter(pk__in=deletions).values_list("pk", "deletion", "content_key")
    known = pl.DataFrame(
        [(pk, deletions[pk], now, key.bytes) for pk, now, key in found],
        {"record": pl.Int64, "deletion": pl.Int64, "now": pl.Int64, "stored_key": pl.Binary},
        orient="row",
    )
    passed = passed.join(known, "record", "left", maintain_order="left")
    same = (pl.col("stored_key") == pl.col("content_key")) & (pl.col("now") == pl.col("deletion"))
    outcome = pl.when(same).then(pl.lit("unchanged")).otherwise(pl.lit("updated"))
    left = pl.col("deletion").is_not_null()
    return passed.with_columns(pl.when(left).then(outcome).otherwise("outcome").alias("outcome"))


def _deleted_by_hand(records: list[int]) -> dict[int, int]:
    """By which deletion somebody deleted each of these (deleted) records.

    A record that was deleted and then withdrawn (`crediting.withdraw`) is in the deletion of the
    withdrawal; its history knows who had deleted it, and has not restored it.
    """
    former = RecordRevision.objects.filter(record__in=records, run__source__in=GIVEN_HERE)
    by_hand = former.exclude(deletion=None).filter(
        deletion__run=None, deletion__duplicates=False, deletion__restored_at=None
    )
    found = dict(by_hand.order_by("pk").values_list("record", "deletion"))
    now = Record.objects.filter(pk__in=records).deleted_by_hand()
    return found | dict(now.values_list("pk", "deletion"))
