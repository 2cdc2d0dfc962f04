"""Actions on files that come in: receive one, import one that was tried, put right what broke off.

What becomes of the rows is decided by the run's kind (`kinds`).
"""

import contextlib
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ismp.accounts.models import Account, Agency
from ismp.audit import trail
from ismp.errors import ActionRefused
from ismp.imports import archives, kinds, queue, run_files, running, unpacking, verbs
from ismp.imports.heartbeat import lease
from ismp.imports.kinds import ImportKind
from ismp.imports.models import ImportRun, RunFile, Source, State
from ismp.imports.upload import RECEIVING_LEASES, Upload, interrupted, received
from ismp.ui.reading.faults import FileRejected

_PASSWORD_WAITS = timedelta(days=1)


def receive(
    upload: Upload,
    *,
    kind: ImportKind,
    agency: Agency,
    dry_run: bool = False,
    password: str | None = None,
    queued: bool = True,
) -> ImportRun:
    """Say what a file is and for whom, and send it on its way to the worker.

    Not `queued`, it waits for the caller to perform it, and no worker takes it before him.  An
    archive with a password is unpacked here and now, while that is known: it is never stored.
    Without, a run that is queued waits for it (state `password`), any other one is refused.
    """
    run = upload.run
    run.source, run.agency, run.dry_run = kind.source, agency, dry_run
    run.save(update_fields=["source", "agency", "dry_run"])
    with contextlib.suppress(running.Superseded):
        _accept(run, password, queued=queued)
    return run


def give_password(run: ImportRun, password: str | None) -> None:
    """Go on with an archive that waits for its password; who comes second changes nothing."""
    waiting = ImportRun.objects.filter(pk=run.pk, state=State.PASSWORD)
    if waiting.update(state=State.RECEIVING, lease_until=lease(RECEIVING_LEASES)):
        run.state = State.RECEIVING
        with contextlib.suppress(running.Superseded):
            _accept(run, password)


def _accept(run: ImportRun, password: str | None, *, queued: bool = True) -> None:
    if reason := run.agency.why_closed(timezone.localdate()):
        running.refuse(run, reason)
        return
    try:
        archive = unpacking.open_archive(run)
        if archive and archive.has_password:
            run.lines = unpacking.unpack(run, archive, password)
            _send(run, queued=queued, unpacked=True)
        else:
            _send(run, queued=queued)
    except archives.PasswordNeeded as question:
        run_files.discard(run, RunFile.Kind.CONTENT)
        if queued:
            _wait_for_password(run, str(question) if password else "")
        else:
            running.refuse(run, str(question))
    except FileRejected as refusal:
        run_files.discard(run, RunFile.Kind.CONTENT)
        running.refuse(run, str(refusal))


def _send(run: ImportRun, *, queued: bool, unpacked: bool = False) -> None:
    """Let the file count that is to be imported, and give its agency a turn."""
    fields: dict[str, Any] = {"lines": run.lines}
    if queued:
        fields |= {"state": State.QUEUED, "reason": "", "lease_until": None}
    with transaction.atomic():
        if unpacked:
            run_files.discard(run, RunFile.Kind.UPLOAD)
        receiving = ImportRun.objects.filter(pk=run.pk, state=State.RECEIVING)
        if not receiving.update(**fields):
            raise running.Superseded  # it took so long that `recover` has refused it
        if queued:
            queue.enqueue_agency(run.agency_id)
    run.state = fields.get("state", run.state)


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
    """Receive a whole file of hours and import it now (commands, demo)."""
    upload = Upload(agency=agency, filename=filename, by=by)
    run, kind = upload.run, kinds.find_kind(Source.FILE)
    assert kind
    try:
        for chunk in chunks:
            upload.write(chunk)
    except FileRejected as refusal:
        running.refuse(run, str(refusal))
        return run
    upload.close()
    receive(upload, kind=kind, agency=agency, dry_run=dry_run, password=password, queued=False)
    running.perform(run.pk)
    run.refresh_from_db()
    return run


def import_for_real(run: ImportRun, *, by: Account) -> ImportRun:
    """正式匯入 a file that was tried: a new run over the bytes kept from the trial."""
    if not run.dry_run or run.state != State.COMPLETED or not run.files.exists():
        raise ActionRefused("這個檔案已經不在了，請重新選擇檔案上傳。")
    with transaction.atomic():
        upload = Upload(agency=run.agency, filename=run.filename, by=by)
        lines = run_files.copy(run, upload.run).lines
        received(upload.run, run.sha256, run.size, lines)
    return receive(upload, kind=kinds.kind_of(run), agency=run.agency)


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
