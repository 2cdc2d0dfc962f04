"""Actions on files that come in: receive one, import one that was tried, put right what broke off.

What becomes of the rows is decided by the run's kind (`kinds`).
"""

import contextlib
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Account, Agency
from ismp.audit import trail
from ismp.errors import ActionRefused
from ismp.imports import archives, kinds, queue, run_files, running, verbs
from ismp.imports.heartbeat import lease
from ismp.imports.models import ImportRun, RunFile, Source, State
from ismp.ui.reading import file_types, workbooks
from ismp.ui.reading.faults import FileRejected

_RECEIVING_LEASES = 10
_PASSWORD_WAITS = timedelta(days=1)


def open_run(
    *,
    agency: Agency,
    filename: str,
    dry_run: bool = False,
    source: str = Source.FILE,
    by: Account | None = None,
) -> ImportRun:
    """Begin a run, before its first byte."""
    return ImportRun.objects.create(
        agency=agency,
        filename=_shown_name(filename),
        dry_run=dry_run,
        source=source,
        started_by=by.username if by else trail.SYSTEM,
        started_by_name=by.name if by else "",
        lease_until=lease(_RECEIVING_LEASES),
    )


def _shown_name(filename: str) -> str:
    """The file's name without its folder, and without anybody's national ID."""
    name = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c for c in national_id.hide(name) if c.isprintable())[:255] or "（沒有檔名）"


def accept(run: ImportRun, *, password: str | None = None, by_worker: bool = True) -> None:
    """Send a received file on its way to the worker, or make it ready for the caller to perform.

    A password is used here and now, while it is known, and never stored.  With a worker an
    archive that needs one waits (state `password`) until somebody is asked; without, and when
    the archive itself is not in order, the run is refused.
    """
    if reason := run.agency.why_closed(timezone.localdate()):
        running.refuse(run, reason)
        return
    try:
        if archives.is_zip(next(run_files.pieces(run, RunFile.Kind.UPLOAD), b"")):
            _unpack(run, password)
    except archives.PasswordNeeded as question:
        if by_worker:
            _wait_for_password(run, str(question) if password else "")
        else:
            running.refuse(run, str(question))
        return
    except FileRejected as refusal:
        running.refuse(run, str(refusal))
        return
    if not by_worker:  # it is not queued, so that no worker takes it before the caller does
        run.save(update_fields=["lines"])
        return
    with transaction.atomic():
        run.state, run.reason, run.lease_until = State.QUEUED, "", None
        run.save(update_fields=["state", "reason", "lines", "lease_until"])
        queue.enqueue_agency(run.agency_id)


def _unpack(run: ImportRun, password: str | None) -> None:
    """Replace an archive by the file in it; we keep it under our own key.

    A workbook is an archive too: it stays as it is, when its kind of file may be one.
    """
    kind, data = kinds.kind_of(run), b"".join(run_files.pieces(run, RunFile.Kind.UPLOAD))
    if kind.excel and file_types.is_workbook(data):
        workbooks.prove(data, kinds.limits(kind))
        return
    assert kind.other_types
    unpacked = archives.unpack(data, password, kinds.limits(kind), kind.other_types)
    run.lines = run_files.store(run, RunFile.Kind.UPLOAD, unpacked).lines


def _wait_for_password(run: ImportRun, sentence: str) -> None:
    run.state, run.reason = State.PASSWORD, sentence
    run.lease_until = timezone.now() + _PASSWORD_WAITS
    run.save(update_fields=["state", "reason", "lease_until"])


def import_file(
    chunks: Iterable[bytes],
    *,
    agency: Agency,
    filename: str,
    password: str | None = None,
    dry_run: bool = False,
    by: Account | None = None,
) -> ImportRun:
    """Take a whole file and import it now (commands, demo); the web does it in steps."""
    run = open_run(agency=agency, filename=filename, dry_run=dry_run, by=by)
    kept = run_files.store(run, RunFile.Kind.UPLOAD, chunks)
    received(run, kept.sha256, kept.size, kept.lines)
    accept(run, password=password, by_worker=False)
    running.perform(run.pk)
    run.refresh_from_db()
    return run


def received(run: ImportRun, sha256: str, size: int, lines: int) -> None:
    """Note that the last byte is safely stored."""
    run.sha256, run.size, run.lines, run.received_at = sha256, size, lines, timezone.now()
    run.save(update_fields=["sha256", "size", "lines", "received_at"])


def import_for_real(run: ImportRun, *, by: Account) -> ImportRun:
    """正式匯入 a file that was tried: a new run over the bytes kept from the trial."""
    if not run.dry_run or run.state != State.COMPLETED or not run.files.exists():
        raise ActionRefused("這個檔案已經不在了，請重新選擇檔案上傳。")
    with transaction.atomic():
        real = open_run(agency=run.agency, filename=run.filename, source=run.source, by=by)
        lines = run_files.copy(run, real, RunFile.Kind.UPLOAD).lines
        received(real, run.sha256, run.size, lines)
    accept(real)
    return real


def recover() -> int:
    """Put right what a killed worker or a cut connection left; return how many turns were lost.

    Called every few seconds by each worker.
    """
    late = ImportRun.objects.filter(lease_until__lt=timezone.now())
    for run in late.filter(state__in=[State.RECEIVING, State.PASSWORD]).select_related("agency"):
        with contextlib.suppress(running.Superseded):  # it went on in this very moment
            if run.state == State.RECEIVING:
                interrupted(run)
            else:
                running.refuse(run, "等候檔案密碼超過一天，已取消；請重新上傳。")
    # A running one keeps its expired lease: it is the claim of whoever takes the turn.
    busy = ImportRun.objects.filter(state=State.RUNNING, lease_until__gte=timezone.now())
    waiting = late.filter(state=State.RUNNING) | ImportRun.objects.filter(state=State.QUEUED)
    idle = waiting.exclude(agency__in=busy.values("agency")).order_by()
    return sum(map(queue.enqueue_agency, idle.values_list("agency", flat=True).distinct()))


def interrupted(run: ImportRun) -> None:
    running.refuse(run, "檔案沒有傳完就中斷了，沒有匯入任何資料；請檢查網路後重新上傳。")


def purge() -> int:
    """Forget kept uploads and results that are past their time; return how many runs."""
    before = timezone.now() - timedelta(days=settings.UPLOAD_KEPT_DAYS)
    old = RunFile.objects.filter(run__created_at__lt=before)
    old = old.exclude(kind__in=[RunFile.Kind.WAITING, RunFile.Kind.HELD])
    count = old.values("run").distinct().count()
    with transaction.atomic():
        if old.delete()[0]:
            trail.record(verbs.PURGE_UPLOADS, actor=trail.SYSTEM, runs=count)
    return count
