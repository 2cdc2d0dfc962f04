"""Actions on learning hours: receive a file, undo an import, delete and restore records.

Each is one transaction with one event in the audit trail.  Hours that need no file are given by
`crediting`; what looks the same is decided in `duplicates`.
"""

import contextlib
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import BigIntegerField, Count, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Account, Agency
from ismp.audit import trail
from ismp.errors import ActionRefused
from ismp.imports import archives, run_files, running, kinds, queue
from ismp.hours.records import undoing
from ismp.hours import verbs
from ismp.imports.running import limits
from ismp.hours.models import (
    Deletion,
    ImportRun,
    Record,
    RunFile,
    Source,
    State,
)
from ismp.imports.heartbeat import lease
from ismp.hours.records import bulk_write, duplicates, totals, unclaimed
from ismp.hours.records.soft_delete import soft_delete
from ismp.ui.reading import file_types, workbooks
from ismp.ui.reading.faults import FileRejected

_RECEIVING_LEASES = 10
_PASSWORD_WAITS = timedelta(days=1)


# --- Receiving a file --------------------------------------------------------------------------


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
    profile, data = kinds.of(run), b"".join(run_files.pieces(run, RunFile.Kind.UPLOAD))
    if profile.excel and file_types.is_workbook(data):
        workbooks.prove(data, limits(profile))
        return
    unpacked = archives.unpack(data, password, limits(profile), profile.instead)
    run.lines = run_files.keep(run, RunFile.Kind.UPLOAD, unpacked).lines


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
    kept = run_files.keep(run, RunFile.Kind.UPLOAD, chunks)
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
    unclaimed.purge()
    return count


# --- Undoing an import -------------------------------------------------------------------------


NOT_TO_UNDO = "這次匯入已經復原過，或沒有可以復原的資料。"


class Differs(ActionRefused):
    """What was confirmed is not what would happen now; the page asks again."""

    def __init__(self) -> None:
        super().__init__("您確認之後資料有了變動，還沒有執行；請核對新的內容，再按一次確定。")


def undo_effects(run: ImportRun) -> dict[str, int]:
    """What `undo` would do now, as `undoing.Plan.effects` counts it."""
    return undoing.plan(run).effects


@transaction.atomic
def undo(run: ImportRun, *, shown: dict[str, int] | None = None, by: Account) -> dict[str, int]:
    """復原: nothing that the run brought counts any more.

    What nobody else holds goes; what the run changed gets back what the others say.  Returns the
    effects.  Raises Differs when they are not those that were `shown`.  An undo that changes
    nothing, since others hold it all, is not used up.
    """
    Agency.objects.select_for_update(no_key=True).get(pk=run.agency_id)
    run = ImportRun.objects.select_for_update(of=("self",)).select_related("agency").get(pk=run.pk)
    if not run.can_be_undone:
        raise ActionRefused(kinds.of(run).no_undo or NOT_TO_UNDO)
    planned = undoing.plan(run)
    effects, now = planned.effects, timezone.now()
    if shown is not None and shown != effects:
        raise Differs
    if run.released_at and planned.changes.is_empty():
        return effects
    undoing.carry_out(planned, reason=f"復原匯入 {run.pk}", by=by, run=run, at=now)
    unclaimed.forget(run)
    run.released_at = now
    if undoing.changes_something(effects):
        run.undone_at, run.undone_by, run.undo_result = now, by.username, effects
    run.save(update_fields=["released_at", "undone_at", "undone_by", "undo_result"])
    counts: dict[str, Any] = effects
    trail.record(verbs.UNDO_IMPORT, run, actor=by.username, **counts)
    return effects


# --- Deleting and restoring ----------------------------------------------------------------------


def delete_effects(records: QuerySet[Record]) -> dict[str, int]:
    """What `delete` would do: how many records and people, and which (the sum of their ids)."""
    return records.order_by().aggregate(
        count=Count("pk", filter=Q(deletion=None)),
        people=Count("account", distinct=True, filter=Q(deletion=None)),
        which=Coalesce(Sum("pk", filter=Q(deletion=None)), 0, output_field=BigIntegerField()),
    )


@transaction.atomic
def delete(
    records: QuerySet[Record], *, reason: str, shown: dict[str, int] | None = None, by: Account
) -> Deletion | None:
    """刪除時數: take live records out of every list and sum; restorable for some days.

    Raises Differs when they are not those that were `shown`.  None where there are none.
    """
    agencies = _locked_agencies_of(records)
    agency = agencies[0] if len(agencies) == 1 else None
    records = records.filter(agency__in=agencies, deletion=None)
    if shown is not None and shown != delete_effects(records):
        raise Differs
    if not records.exists():
        return None
    deletion = soft_delete(records, agency=agency, reason=national_id.hide(reason), by=by)
    for each in agencies:
        duplicates.settle(each, None, None)
    trail.record(
        verbs.DELETE_HOURS,
        deletion,
        actor=by.username,
        count=deletion.count,
        people=deletion.people,
    )
    return deletion


def _locked_agencies_of(records: QuerySet[Record]) -> list[Agency]:
    """So that nobody imports into them until the action is done."""
    mine = Agency.objects.filter(pk__in=records.order_by().values("agency").distinct())
    return list(mine.select_for_update(no_key=True).order_by("pk"))


NOT_TO_RESTORE = "這些時數已經還原過，或超過可還原的期限。"


@transaction.atomic
def restore(deletion: Deletion, *, by: Account) -> int:
    """Bring deleted records back as they were; return how many.

    Those that an import has brought back meanwhile are no longer part of the deletion; where none
    is left, nothing is done and the deletion may still be restored.
    """
    deletion = Deletion.objects.select_for_update(of=("self",)).get(pk=deletion.pk)
    if not deletion.restorable:
        raise ActionRefused(NOT_TO_RESTORE)
    deleted = Record.objects.filter(deletion=deletion)
    agencies = _locked_agencies_of(deleted)
    if not agencies:
        return 0
    ended = deleted.aggregate(first=Min("ended_on"), last=Max("ended_on"))
    change = totals.Change()
    change.add(deleted)
    deletion.restored_edition = change.take_effect()
    now = timezone.now()
    bulk_write.end_deletion(deletion, now)
    count = deleted.update(deletion=None)
    for agency in agencies:
        duplicates.settle(agency, **ended)
    deletion.restored_at, deletion.restored_by = now, by.username
    deletion.save(update_fields=["restored_at", "restored_by", "restored_edition"])
    trail.record(verbs.RESTORE_HOURS, deletion, actor=by.username, count=count)
    return count


def people_of(records: QuerySet[Record], most: int) -> Iterable[Any]:
    """Whom a deletion concerns: the first `most` people with their number of records."""
    return (
        records.order_by("account__username")
        .values("account__username", "account__name")
        .annotate(count=Count("pk"))[:most]
    )
