"""The import as a short story: acquire → perform → report → finish, whatever kind of file it is.

One file, one transaction: what it stores, counts, state and audit event stand together or not at
all, so a killed worker leaves nothing half-done and running again is safe.  A file that comes in by
pieces (a roster, `kinds.ImportKind.begin`) has a transaction for each, and the last one ends the
run; whoever takes over goes on behind the last piece that stands.  A paused worker that wakes after
another took over finds its attempt outdated and rolls back (the fence).  What becomes of the rows
is decided by the run's kind (`kinds`): `portal_import` for the hours.
"""

import contextlib
import logging
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from django.conf import settings
from django.db import Error, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Agency
from ismp.audit import trail
from ismp.imports import kinds, run_files, unpacking
from ismp.imports.heartbeat import Heartbeat, lease
from ismp.imports.models import ImportRun, RunFile, Source, State
from ismp.imports.result import Result, RowsRejected
from ismp.ui.http import log_context
from ismp.ui.http.error_pages import is_deadlock
from ismp.ui.reading.faults import FileRejected

logger = logging.getLogger(__name__)


_RETRY_SECONDS = 0.5
_TRIES = 3
_OPEN = [State.RECEIVING, State.QUEUED, State.RUNNING]
"""States of a run that can be performed; RECEIVING by whoever has received it only."""


class Superseded(Exception):
    """Another worker has taken this run over; what this one did is rolled back."""


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
    run = _acquire(runs)
    if run is None:
        return
    begun = time.monotonic()
    with (
        log_context.marked(run=run.pk, attempt=run.attempt),
        Heartbeat(run, run.attempt) as heartbeat,
        _named_connection(run),
    ):
        try:
            _import_after_deadlocks(run, heartbeat)
            took = round((time.monotonic() - begun) * 1000)
            logger.info("run %s imported", run.pk, extra={"rows": run.total, "milliseconds": took})
        except RowsRejected as refusal:
            refuse(run, str(refusal), result=refusal.result)
        except FileRejected as refusal:
            refuse(run, str(refusal))
        except Superseded:
            logger.warning("run %s attempt %s was superseded", run.pk, run.attempt)
        except Exception:
            heartbeat.stop()  # it would prolong the lease again
            _give_up(run)
            raise


def refuse(
    run: ImportRun, sentence: str, state: State = State.REFUSED, result: Result | None = None
) -> None:
    """End a run whose file is refused as a whole: nothing stored, one sentence, one event.

    Where single rows are at fault, `result` keeps them with their reasons.
    """
    fields = result.run_fields() if result else {}
    with transaction.atomic():
        _finish(run, state=state, reason=national_id.hide(sentence), **fields)
        if result:
            result.store(run)
        if verb := kinds.kind_of(run).verb:
            facts = _facts(run)
            trail.record(verb, run, actor=run.started_by, state=state.value, **facts)


def _facts(run: ImportRun) -> dict[str, Any]:
    """Return the detail of a run's event about its file."""
    return {"dry_run": run.dry_run, "sha256": run.sha256}


def _acquire(runs: QuerySet[ImportRun]) -> ImportRun | None:
    """Take the lease of the first of these runs, if nobody is at it.

    Who finds it under way has waited for its row: if it was being finished, the next one is
    taken instead; if not, whoever finishes it will see what waits behind it.
    """
    with transaction.atomic():
        run = runs.select_for_update(of=("self",)).select_related("agency").first()
        leased = run and run.lease_until and run.lease_until > timezone.now()
        under_way = run and run.state == State.RUNNING and leased
        if run is None or under_way:
            return None
        if run.attempt >= settings.IMPORT_ATTEMPTS:
            _quarantine(run)
            return None
        former, taken_over = run.attempt, run.state == State.RUNNING
        run.attempt, run.state, run.lease_until = former + 1, State.RUNNING, lease()
        run.save(update_fields=["attempt", "state", "lease_until"])
    if taken_over:
        _disconnect(run.pk, former)
    return run


def _quarantine(run: ImportRun) -> None:
    """Set a run aside; what came in of it by pieces stays, and is counted."""
    so_far = kinds.kind_of(run).so_far
    result = so_far(run) if so_far else None
    if result and not result.total:
        result = None
    stands = f"已匯入的 {result.total:,} 列保留，其他" if result else "資料"
    what = "這項作業" if run.source == Source.JOB else "這個檔案"
    sentence = (
        f"{what}連續處理 {settings.IMPORT_ATTEMPTS} 次都失敗，已暫停；{stands}沒有任何變動。"
        f"請報修，並提供匯入編號 {run.pk}。"
    )
    refuse(run, sentence, State.QUARANTINED, result)


def _give_up(run: ImportRun) -> None:
    """After our own fault: free the run for the next try, or set it aside after the last."""
    _connect_again()
    with contextlib.suppress(Error, Superseded):
        if run.attempt >= settings.IMPORT_ATTEMPTS:
            _quarantine(run)
        else:
            ImportRun.objects.filter(pk=run.pk, state=State.RUNNING, attempt=run.attempt).update(
                lease_until=timezone.now()
            )


def _connect_again() -> None:
    """Where the database has gone, wait until it is back, for as long as the lease may last: who
    knows that the run is free need not let others wait for the end of the lease."""
    if connection.in_atomic_block or (connection.connection and connection.is_usable()):
        return
    until = time.monotonic() + settings.IMPORT_LEASE_SECONDS
    while time.monotonic() < until:
        connection.close()
        with contextlib.suppress(Error):
            connection.ensure_connection()
            return
        time.sleep(_RETRY_SECONDS)


def _import_after_deadlocks(run: ImportRun, heartbeat: Heartbeat) -> None:
    """Import it, again when PostgreSQL ends the transaction because somebody else waited for its
    rows, and it for theirs: that is no fault of the file, and costs no attempt."""
    for _ in range(_TRIES - 1):
        try:
            return _import(run, heartbeat)
        except OperationalError as error:
            if connection.in_atomic_block or not is_deadlock(error):
                raise
    return _import(run, heartbeat)


def _import(run: ImportRun, heartbeat: Heartbeat) -> None:
    _unpack(run)
    kind = kinds.kind_of(run)
    if kind.begin:
        perform = kind.begin(run, heartbeat.reached, partial(_turn, run))
    else:
        assert kind.perform
        perform = partial(kind.perform, run, heartbeat.reached)
    with transaction.atomic():
        if kind.locks_agency:
            Agency.objects.select_for_update(no_key=True).get(pk=run.agency_id)
        result = perform()
        heartbeat.reached("stored", result.total, result.total)
        result.store(run)
        heartbeat.reached("reported", result.total, result.total)
        _finish(
            run,
            state=State.COMPLETED,
            finished_at=result.finished_at,
            **result.run_fields(),
        )
        if kind.records and kind.verb:
            facts = {**_facts(run), **result.counts()}
            trail.record(kind.verb, run, actor=run.started_by, state="completed", **facts)


def _unpack(run: ImportRun) -> None:
    """Put the file in a plain archive in the archive's place, in one transaction: a killed worker
    leaves the archive as it came."""
    archive = unpacking.open_archive(run)
    if archive is None:
        return
    with transaction.atomic():
        run.lines = unpacking.unpack(run, archive)
        run_files.discard(run, RunFile.Kind.UPLOAD)
        _prolong(run, lines=run.lines)


def _prolong(run: ImportRun, **fields: Any) -> None:
    """Prolong the lease, if this attempt is still the newest.

    Last in its transaction, so that a paused worker does not keep its successor from acquiring the
    run.  Raises Superseded.
    """
    newest = ImportRun.objects.filter(pk=run.pk, attempt=run.attempt, state=State.RUNNING)
    if not newest.update(lease_until=lease(), **fields):
        raise Superseded


@contextlib.contextmanager
def _turn(run: ImportRun) -> Iterator[None]:
    """The transaction of one piece of a run that comes in by pieces (`kinds.Turn`)."""
    with transaction.atomic():
        Agency.objects.select_for_update(no_key=True).get(pk=run.agency_id)
        yield
        _prolong(run)


def _finish(run: ImportRun, **fields: object) -> None:
    """Set the result, if this attempt is still the one that may."""
    fields = {"finished_at": timezone.now(), "lease_until": None, **fields}
    newest_attempt = ImportRun.objects.filter(pk=run.pk, attempt=run.attempt, state=run.state)
    if not newest_attempt.update(**fields):
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
        with contextlib.suppress(Error), connection.cursor() as cursor:
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
