"""The import as a short story: intake → clean → match → check → store → report.

One file, one transaction: records, counts, state and audit event stand together or not at all,
so a killed worker leaves nothing half-done and running again is safe.  A paused worker that
wakes after another took over finds its attempt outdated and rolls back (the fence).
"""

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import polars as pl
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from ismp.accounts.models import Agency
from ismp.audit import trail
from ismp.hours import checks, cleaning, files, intake, matching, storing, tallies
from ismp.hours.intake import Table
from ismp.hours.models import ImportRun, RecordRevision, RunFile, State
from ismp.hours.profile import NAMES
from ismp.hours.pulse import Pulse, lease
from ismp.hours.refusal import FileRefused, Limits
from ismp.ui import marks

logger = logging.getLogger(__name__)


_ROW = ["line", "outcome", "code", "account", "other_name"]
_ROW += ["name", "category", "title", "ended_on", "hours_m"]
"""What is kept of every row for the pages of the result."""

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
    """Slice by slice: while one is loaded, the next is matched and a third is read and judged."""
    with transaction.atomic():
        Agency.objects.select_for_update(no_key=True).get(pk=run.agency_id)
        table = intake.read(files.pieces_at_hand(run, RunFile.Kind.UPLOAD), limits())
        people = matching.People(run.agency)
        pulse.reached("parsed", 0, run.lines - 1)
        with transaction.atomic():
            result = _store(run, _judged(table, people), pulse)
            transaction.set_rollback(run.dry_run)
        pulse.reached("stored", result.total, result.total)
        files.keep_frames(run, RunFile.Kind.ROWS, result.rows)
        files.keep_frames(run, RunFile.Kind.REJECTED, result.refused)
        pulse.reached("reported", result.total, result.total)
        notes = {"names": result.names, "ignored": table.ignored}
        reasons = dict(result.reasons.most_common())
        _finish(run, state=State.COMPLETED, reasons=reasons, notes=notes, **result.counts())
        record_event(run, "import_hours", state="completed", sha256=run.sha256, **result.counts())


def _judged(table: Table, people: matching.People) -> Iterator[pl.DataFrame]:
    """The rows of the file with a code where they are not imported.  Asks no database."""
    judge = checks.Judge(checks.World(timezone.localdate(), settings.UPLOAD_MAX_CELL))
    for frame in table.slices:
        yield judge.judge(matching.add_keys(people.find(cleaning.clean(frame))))


def _store(run: ImportRun, frames: Iterator[pl.DataFrame], pulse: Pulse) -> "_Result":
    """Load what is new, change what is there; unchanged rows cost nothing."""
    result, now, change = _Result(), timezone.now(), tallies.Change()
    with storing.Loading() as loading, contextlib.closing(_one_ahead(frames)) as judged:
        stored = matching.StoredEvents(run.agency, before_reading=loading.wait)
        for frame in judged:
            pulse.reached("checked", result.total, run.lines - 1)
            passed = stored.find(frame.filter(pl.col("code").is_null()))
            new = passed.filter(pl.col("outcome") == "created")
            changed = passed.filter(pl.col("outcome").is_in(["updated", "revived"]))
            if len(new):
                records = storing.as_records(new, run)
                loading.insert(records)
                change.add_loaded(records)
            if len(changed):
                records = storing.as_records(changed, run)
                loading.wait()
                storing.replace(records, run, now)
                change.add_loaded(records)
            result.add(passed, frame.filter(pl.col("code").is_not_null()))
            pulse.reached("matched", result.total, max(result.total, run.lines - 1))
    if result.outcomes["updated"]:
        former = RecordRevision.objects.filter(agency=run.agency, replaced_by=run, deletion=None)
        change.take(former, "record__account_id")
    change.take_effect()
    return result


def _one_ahead(frames: Iterator[pl.DataFrame]) -> Generator[pl.DataFrame]:
    """The same frames; the next one is made in a thread while the caller is busy with this one."""
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        following = thread.submit(next, frames, None)
        while (frame := following.result()) is not None:
            following = thread.submit(next, frames, None)
            yield frame


class _Result:
    """What became of the rows so far, and what the result pages and the report are drawn from."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.names = 0
        self.rows: list[bytes] = []
        self.refused: list[bytes] = []

    def add(self, passed: pl.DataFrame, rejected: pl.DataFrame) -> None:
        rejected = rejected.with_columns(outcome=pl.lit("rejected"))
        self.outcomes.update(dict(passed["outcome"].value_counts().iter_rows()))
        self.outcomes["rejected"] += len(rejected)
        self.reasons.update(dict(rejected["code"].value_counts().iter_rows()))
        self.names += int(passed["other_name"].sum())
        both = pl.concat([passed.select(_ROW), rejected.select(_ROW)]).sort("line")
        self.rows.append(files.pack(both))
        self.refused.append(files.pack(rejected.select("line", "code", *NAMES)))

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


def _finish(run: ImportRun, **fields: object) -> None:
    """Set the result, if this attempt is still the one that may."""
    fields |= {"finished_at": timezone.now(), "lease_until": None}
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
