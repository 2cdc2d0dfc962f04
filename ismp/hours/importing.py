"""The import as a short story: intake → clean → match → check → store → report.

One file, one transaction: records, counts, state and audit event stand together or not at all,
so a killed worker leaves nothing half-done and running again is safe.  A paused worker that
wakes after another took over finds its attempt outdated and rolls back (the fence).
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from datetime import date

import polars as pl
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from ismp.accounts.models import Agency
from ismp.audit import trail
from ismp.hours import (
    again,
    checks,
    cleaning,
    duplicates,
    files,
    intake,
    matching,
    rosters,
    storing,
    tallies,
)
from ismp.hours.ahead import one_ahead
from ismp.hours.intake import Table
from ismp.hours.matching import People
from ismp.hours.models import ImportRun, RecordRevision, RunFile, Source, State
from ismp.hours.pulse import Pulse, lease
from ismp.hours.refusal import FileRefused, Limits
from ismp.hours.result import Result
from ismp.ui import marks

logger = logging.getLogger(__name__)


_OPEN = [State.RECEIVING, State.QUEUED, State.RUNNING]
"""States of a run that can be performed; RECEIVING by whoever has received it only."""


class Superseded(Exception):
    """Another worker has taken this run over; what this one did is rolled back."""


def limits() -> Limits:
    return Limits(settings.UPLOAD_MAX_BYTES, settings.UPLOAD_MAX_ROWS, settings.UPLOAD_MAX_COLUMNS)


def perform(run_id: int) -> None:
    """Import the file of a run, unless another worker is at it or it is finished.

    Raises whatever is our own fault; after the third time the run is quarantined.
    """
    _perform(ImportRun.objects.filter(pk=run_id, state__in=_OPEN))


def perform_next(agency_id: int) -> None:
    """Import the file of an agency that came first, unless a worker is at one of its files.

    Files are imported in the order of arrival; one that a dead worker left comes before those
    that nobody has begun.  Raises as `perform` does.
    """
    waiting = ImportRun.objects.filter(agency=agency_id, state__in=[State.QUEUED, State.RUNNING])
    _perform(waiting.order_by("-attempt", "received_at", "pk"))


def _perform(runs: QuerySet[ImportRun]) -> None:
    run = _claim(runs)
    if run is None:
        return
    begun = time.monotonic()
    with (
        marks.marked(run=run.pk, attempt=run.attempt),
        Pulse(run, run.attempt) as pulse,
        _named_connection(run),
    ):
        try:
            _import(run, pulse)
            took = round((time.monotonic() - begun) * 1000)
            logger.info("run %s imported", run.pk, extra={"rows": run.total, "milliseconds": took})
        except FileRefused as refusal:
            refuse(run, str(refusal))
        except Superseded:
            logger.warning("run %s attempt %s was superseded", run.pk, run.attempt)
        except Exception:
            _give_up(run)
            raise


def refuse(run: ImportRun, sentence: str, state: State = State.REFUSED) -> None:
    """End a run whose file is refused as a whole: nothing stored, one sentence, one event."""
    with transaction.atomic():
        _finish(run, state=state, reason=sentence)
        if run.source == Source.ROSTER:
            record_event(run, "import_roster", state=state.value, sha256=run.sha256)
        else:
            record_event(run, "import_hours", state=state.value, sha256=run.sha256)


def record_event(run: ImportRun, verb: str, **detail: object) -> None:
    trail.record(
        verb,
        actor=run.started_by,
        agency=run.agency.code,
        subject=f"run:{run.pk}",
        dry_run=run.dry_run,
        **detail,
    )


def _claim(runs: QuerySet[ImportRun]) -> ImportRun | None:
    """Begin the first of these runs, if nobody is at it.

    Who finds it under way has waited for its row: if it was being finished, the next one is
    claimed instead; if not, whoever finishes it will see what waits behind it.
    """
    with transaction.atomic():
        run = runs.select_for_update(of=("self",)).select_related("agency").first()
        leased = run and run.lease_until and run.lease_until > timezone.now()
        under_way = run and run.state == State.RUNNING and leased
        if run is None or under_way:
            return None
        if run.attempt >= settings.IMPORT_ATTEMPTS:
            refuse(run, _quarantine_sentence(run), State.QUARANTINED)
            return None
        former, taken_over = run.attempt, run.state == State.RUNNING
        run.attempt, run.state, run.lease_until = former + 1, State.RUNNING, lease()
        run.save(update_fields=["attempt", "state", "lease_until"])
    if taken_over:
        _disconnect(run.pk, former)
    return run


def _quarantine_sentence(run: ImportRun) -> str:
    return (
        f"這個檔案連續處理 {settings.IMPORT_ATTEMPTS} 次都失敗，已暫停；資料沒有任何變動。"
        f"請報修，並提供匯入編號 {run.pk}。"
    )


def _give_up(run: ImportRun) -> None:
    """After our own fault: free the run for the next try, or set it aside after the last."""
    with contextlib.suppress(DatabaseError, Superseded):
        if run.attempt >= settings.IMPORT_ATTEMPTS:
            refuse(run, _quarantine_sentence(run), State.QUARANTINED)
        else:
            ImportRun.objects.filter(pk=run.pk, state=State.RUNNING, attempt=run.attempt).update(
                lease_until=timezone.now()
            )


def _import(run: ImportRun, pulse: Pulse) -> None:
    with transaction.atomic():
        Agency.objects.select_for_update(no_key=True).get(pk=run.agency_id)
        if run.source == Source.ROSTER:
            _bring_in_roster(run, pulse)
            return
        people, today = matching.People(run.agency), timezone.localdate()
        result = again.known(run, people, today) or _read_and_store(run, people, today, pulse)
        pulse.reached("stored", result.total, result.total)
        result.keep(run)
        pulse.reached("reported", result.total, result.total)
        if not run.dry_run:
            day = today if "date-future" in result.reasons else None
            run.circumstances = again.circumstances(run.agency, people, day)
        _finish(
            run,
            state=State.COMPLETED,
            circumstances=run.circumstances,
            finished_at=result.finished_at,
            reasons=dict(result.reasons.most_common()),
            notes=result.notes(),
            **result.counts(),
        )
        record_event(run, "import_hours", state="completed", sha256=run.sha256, **result.counts())


def _bring_in_roster(run: ImportRun, pulse: Pulse) -> None:
    """The other kind of file: who the people are.  The accounts judge it and leave the event."""
    pulse.reached("parsed", 0, run.lines - 1)
    result = rosters.bring_in(run)
    pulse.reached("stored", result.total, result.total)
    result.keep(run)
    pulse.reached("reported", result.total, result.total)
    _finish(run, state=State.COMPLETED, **result.counts())


def _read_and_store(run: ImportRun, people: People, today: date, pulse: Pulse) -> Result:
    """Slice by slice: while one is loaded, the next is matched and a third is read and judged."""
    table = intake.read(files.pieces_at_hand(run, RunFile.Kind.UPLOAD), limits())
    judged = _judged(table, people, today)
    pulse.reached("parsed", 0, run.lines - 1)
    with transaction.atomic():
        result = Result(table.ignored, tried=run.dry_run)
        store(run, judged, result, pulse.reached)
        transaction.set_rollback(run.dry_run)
    return result


def _judged(table: Table, people: People, today: date) -> Iterator[pl.DataFrame]:
    """The rows of the file with a code where they are not imported.  Asks no database."""
    judge = checks.Judge(checks.World(today, settings.UPLOAD_MAX_CELL))
    for frame in table.slices:
        yield judge.judge(matching.add_keys(people.find(cleaning.clean(frame))))


def store(
    run: ImportRun,
    frames: Iterator[pl.DataFrame],
    result: Result,
    reached: Callable[[str, int, int], None],
) -> Result:
    with storing.Loading() as loading, contextlib.closing(one_ahead(frames)) as judged:
        slices = _Slices(run, loading)
        for frame in judged:
            reached("checked", result.total, run.lines - 1)
            result.add(*slices.store(frame))
            reached("matched", result.total, max(result.total, run.lines - 1))
    if result.outcomes["updated"]:
        former = RecordRevision.objects.filter(agency=run.agency, replaced_by=run, deletion=None)
        slices.change.take(former, "record__account_id")
    slices.change.take_effect()
    result.finished_at = timezone.now()
    result.aside = duplicates.settle(run.agency, *slices.range, at=result.finished_at)
    return result


class _Slices:
    """Stores one slice after the other and keeps of each only what it adds to the tallies."""

    def __init__(self, run: ImportRun, loading: storing.Loading) -> None:
        self.change = tallies.Change()
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
        new = passed.filter(pl.col("outcome") == "created")
        changed = passed.filter(pl.col("outcome").is_in(["updated", "revived"]))
        if len(new):
            records = storing.as_records(new, self._run)
            self._loading.insert(records)
            self.change.add_loaded(records)
        if len(changed):
            records = storing.as_records(changed, self._run)
            self._loading.wait()
            storing.replace(records, self._run, self._at)
            self.change.add_loaded(records)
        return passed, frame.filter(pl.col("code").is_not_null())


def _finish(run: ImportRun, **fields: object) -> None:
    """Set the result, if this attempt is still the one that may."""
    fields = {"finished_at": timezone.now(), "lease_until": None, **fields}
    still_mine = ImportRun.objects.filter(pk=run.pk, attempt=run.attempt, state=run.state)
    if not still_mine.update(**fields):
        raise Superseded
    for name, value in fields.items():
        setattr(run, name, value)


@contextlib.contextmanager
def _named_connection(run: ImportRun) -> Iterator[None]:
    """Let a successor find, on PostgreSQL, the session of a worker that stopped answering."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('application_name', %s, false)", [_session(run.pk, run.attempt)]
        )
    try:
        yield
    finally:
        with contextlib.suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('application_name', 'ismp', false)")


def _disconnect(run_id: int, attempt: int) -> None:
    """End the database session of the former worker: paused, it would hold the agency's lock."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = %s AND datname = current_database()"
                " AND pid <> pg_backend_pid()",
                [_session(run_id, attempt)],
            )


def _session(run_id: int, attempt: int) -> str:
    return f"ismp-import-{run_id}-{attempt}"
