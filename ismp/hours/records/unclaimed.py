"""待認領時數: rows of a file whose person the agency did not know (yet).

They wait encrypted, in the run's own pieces; beside them stands for each person how many, under the
keyed hash of the ID.  When an account with that ID serves in that agency, by whatever action, they
become records as that run's rows (run, line).  What the records know by then is newer and stays.

Neither the counts of the run nor its reasons change.  Nobody is shown an ID or a name here.
"""

from datetime import datetime, timedelta
from typing import Self

import polars as pl
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Agency
from ismp.audit import trail
from ismp.hours import verbs
from ismp.hours.models import Waiting
from ismp.hours.portal_import import checks as portal_checks
from ismp.hours.portal_import import cleaning, matching
from ismp.hours.portal_import.layout import NAMES
from ismp.hours.records import bulk_write, duplicates, totals
from ismp.imports import masking, run_files
from ismp.imports.models import ImportRun, RunFile

_LINE = ["line", "width_ok", *NAMES]
UNKNOWN = "no-account"
"""The code (of `portal_import.checks`) of the rows that wait."""


class Unclaimed:
    """The rows of one import that will wait, slice by slice."""

    def __init__(self) -> None:
        self._packed: list[bytes] = []
        self._rows: dict[bytes, int] = {}

    def add(self, rejected: pl.DataFrame) -> None:
        frame = rejected.filter(pl.col("code") == UNKNOWN)
        if frame.is_empty():
            return
        self._packed.append(run_files.pack(frame.select(_LINE)))
        for written, count in frame["national_id"].value_counts().iter_rows():
            index = _index(written)
            self._rows[index] = self._rows.get(index, 0) + count

    @classmethod
    def from_run(cls, former: ImportRun) -> Self:
        """Copy the unclaimed rows of a run for another one of the same bytes."""
        same = cls()
        same._packed = list(run_files.packed(former, RunFile.Kind.WAITING))
        waiting = Waiting.objects.filter(run=former)
        same._rows = {bytes(one.id_hash): one.rows for one in waiting}
        return same

    def store(self, run: ImportRun) -> None:
        """Let them wait; called in the transaction of the import."""
        run_files.store_frames(run, RunFile.Kind.WAITING, self._packed)
        people = pl.DataFrame({"id_hash": list(self._rows), "rows": list(self._rows.values())})
        waiting = people.with_columns(agency_id=pl.lit(run.agency_id), run_id=pl.lit(run.pk))
        bulk_write.load("hours_waiting", waiting)


def _index(written: str) -> bytes:
    index: bytes = settings.KEYS.blind_index(national_id.fold(written))
    return index


def attach_due() -> int:
    """Give what waits to the people who have come; return how many records that made.

    Called every minute by the worker.  Harmless at any time and twice.
    """
    agencies = Waiting.objects.claimable().order_by("agency").values_list("agency", flat=True)
    return sum(map(attach, agencies.distinct()))


@transaction.atomic
def attach(agency_id: int) -> int:
    """Give what waits in one agency to the people who serve there now.

    While a file of the agency is imported they wait on: the next time is soon.
    """
    free = Agency.objects.select_for_update(no_key=True, skip_locked=True)
    agency = free.filter(pk=agency_id).first()
    if agency is None:
        return 0
    claimable = Waiting.objects.claimable().filter(agency=agency)
    by_run: dict[int, list[Waiting]] = {}
    for one in claimable.order_by("run"):
        by_run.setdefault(one.run_id, []).append(one)
    # The newest first: of two files with the same event, the later one knows better.
    return sum(_attach(agency, run_id, by_run[run_id]) for run_id in sorted(by_run, reverse=True))


def _attach(agency: Agency, run_id: int, claimed: list[Waiting]) -> int:
    run = ImportRun.objects.select_related("agency").get(pk=run_id)
    frame = run_files.load_frame(run, RunFile.Kind.WAITING)
    now = timezone.now()
    records = _as_records(agency, run, frame, claimed, now) if frame is not None else None
    count = 0 if records is None else len(records)
    if records is not None and count:
        change = totals.Change()
        with bulk_write.Loading() as loading:
            loading.insert(records)
        change.add_loaded(records)
        change.take_effect()
        ended = records["ended_on"]
        duplicates.settle(run.agency, ended.min(), ended.max(), at=now)  # type: ignore[arg-type]
    Waiting.objects.filter(pk__in=[one.pk for one in claimed]).update(claimed_at=now)
    if not Waiting.objects.filter(run=run, claimed_at=None).exists():
        RunFile.objects.filter(run=run, kind=RunFile.Kind.WAITING).delete()
    trail.record(
        verbs.ATTACH_HOURS,
        run,
        actor=trail.SYSTEM,
        agency=agency.code,
        people=len(claimed),
        count=count,
    )
    return count


def _as_records(
    agency: Agency, run: ImportRun, frame: pl.DataFrame, claimed: list[Waiting], at: datetime
) -> pl.DataFrame:
    """The rows of these people that the rule book lets pass and that no record tells yet."""
    indexes = {bytes(one.id_hash) for one in claimed}
    belongs = masking.by_value(frame["national_id"], lambda one: _index(one) in indexes, pl.Boolean)
    people = matching.People(agency).load()  # the one that the run's was merged into, if it was
    judge = portal_checks.Judge(portal_checks.World(timezone.localdate(), settings.UPLOAD_MAX_CELL))
    judged = judge.judge(matching.add_keys(people.find(cleaning.clean(frame.filter(belongs)))))
    stored = matching.StoredEvents(run.agency, before_reading=lambda: None)
    passed = stored.find(judged.filter(pl.col("code").is_null()))
    records = bulk_write.as_records(passed.filter(pl.col("outcome") == "created"), run)
    known_from = str(connection.ops.adapt_datetimefield_value(at))
    return records.with_columns(known_from=pl.lit(known_from))


@transaction.atomic
def forget(run: ImportRun) -> None:
    """Nothing of this run waits any more: it was undone."""
    Waiting.objects.filter(run=run).delete()
    RunFile.objects.filter(run=run, kind=RunFile.Kind.WAITING).delete()


@transaction.atomic
def purge() -> int:
    """Forget what nobody has claimed in `settings.WAITING_KEPT_DAYS`; return how many rows."""
    before = timezone.now() - timedelta(days=settings.WAITING_KEPT_DAYS)
    old = Waiting.objects.filter(run__created_at__lt=before)
    rows = old.filter(claimed_at=None).aggregate(n=Sum("rows", default=0))["n"]
    runs = old.values("run").distinct().count()
    if not runs:
        return 0
    RunFile.objects.filter(run__in=old.values("run"), kind=RunFile.Kind.WAITING).delete()
    old.delete()
    trail.record(verbs.PURGE_WAITING, actor=trail.SYSTEM, runs=runs, count=rows)
    return int(rows)
