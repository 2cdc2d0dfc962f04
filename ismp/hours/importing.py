"""The import as a short story: intake → clean → match → check → store → report.

One file, one transaction: records, counts, state and audit event stand together or not at all,
so a killed worker leaves nothing half-done and running again is safe.  A paused worker that
wakes after another took over finds its attempt outdated and rolls back (the fence).
"""

import contextlib
import logging
from collections.abc import Iterator

import polars as pl
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from ismp.accounts.models import Agency
from ismp.audit import trail
from ismp.hours import checks, cleaning, container, files, intake, matching, storing
from ismp.hours.intake import FileRefused, Limits, Table
from ismp.hours.models import ImportRun, RunFile, State
from ismp.hours.profile import NAMES
from ismp.hours.pulse import Pulse, lease

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
    with Pulse(run, run.attempt) as pulse, _named_connection(run):
        try:
            table = _read(run)
            pulse.reached("parsed", total=len(table.frame))
            frame = _judge(table.frame, run.agency)
            pulse.reached("checked", len(frame), len(frame))
            _store(run, frame, table.ignored, pulse)
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


def _read(run: ImportRun) -> Table:
    data = files.load(run, RunFile.Kind.UPLOAD)
    if container.is_zip(data):
        data = container.unpack(data, None, limits())
    return intake.read(data, limits())


def _judge(frame: pl.DataFrame, agency: Agency) -> pl.DataFrame:
    frame = cleaning.clean(frame)
    frame = matching.find_accounts(frame, agency)
    frame = matching.add_keys(frame)
    world = checks.World(timezone.localdate(), settings.UPLOAD_MAX_CELL)
    return checks.judge(frame, world)


def _store(run: ImportRun, frame: pl.DataFrame, ignored: list[str], pulse: Pulse) -> None:
    rejected = frame.filter(pl.col("code").is_not_null())
    with transaction.atomic():
        Agency.objects.select_for_update(no_key=True).get(pk=run.agency_id)
        passed = matching.find_records(frame.filter(pl.col("code").is_null()), run.agency)
        pulse.reached("matched", 0, len(passed))
        with transaction.atomic():
            _write(run, passed, pulse)
            transaction.set_rollback(run.dry_run)
        pulse.reached("stored", len(passed), len(passed))
        _keep_results(run, passed, rejected)
        pulse.reached("reported", len(passed), len(passed))
        outcomes = dict(passed["outcome"].value_counts().iter_rows())
        counts = {
            "total": len(frame),
            "created": outcomes.get("created", 0) + outcomes.get("revived", 0),
            "updated": outcomes.get("updated", 0),
            "unchanged": outcomes.get("unchanged", 0),
            "rejected": len(rejected),
        }
        notes = {"names": int(passed["other_name"].sum()), "ignored": ignored}
        reasons = dict(rejected["code"].value_counts(sort=True).iter_rows())
        _finish(run, state=State.COMPLETED, reasons=reasons, notes=notes, **counts)
        record_event(run, "import_hours", state="completed", sha256=run.sha256, **counts)


def _write(run: ImportRun, passed: pl.DataFrame, pulse: Pulse) -> None:
    """Load what is new, then change what is there; unchanged rows cost nothing."""
    new = passed.filter(pl.col("outcome") == "created")
    changed = passed.filter(pl.col("outcome").is_in(["updated", "revived"]))
    before = len(passed) - len(new) - len(changed)
    storing.insert(
        storing.as_records(new, run),
        lambda done: pulse.reached("matched", before + done, len(passed)),
    )
    storing.replace(
        storing.as_records(changed, run),
        run,
        timezone.now(),
        lambda done: pulse.reached("matched", before + len(new) + done, len(passed)),
    )


def _keep_results(run: ImportRun, passed: pl.DataFrame, rejected: pl.DataFrame) -> None:
    """What the result pages and the report are drawn from: every row of the file, sealed."""
    refused = rejected.with_columns(outcome=pl.lit("rejected"))
    rows = pl.concat([rows.select(_ROW) for rows in (passed, refused)]).sort("line")
    files.keep_frame(run, RunFile.Kind.ROWS, rows)
    files.keep_frame(run, RunFile.Kind.REJECTED, rejected.select("line", "code", *NAMES))


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
