"""刪除, 還原 and 復原 of many records, done by the worker: a run without a file (`Source.JOB`).

The page that asks decides by what it showed whether an action is `is_large`, and goes to the
window of its job; the worker calls the very action (`actions`), which checks again what was shown,
within the run's one transaction.  So a killed worker leaves nothing half-done, and an action is
done once.  `ImportRun.notes` of a job: job (a key of `_ACTIONS`), what it is about, shown, count,
and when it is completed, done.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, QueryDict
from django.urls import reverse
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Account, Agency
from ismp.accounts.roles import Right
from ismp.errors import ActionRefused
from ismp.hours.listing import search as listing_search
from ismp.hours.models import Deletion
from ismp.hours.records.actions import records as record_actions
from ismp.imports import queue
from ismp.imports.kinds import Reached
from ismp.imports.models import ImportRun, Source, State
from ismp.imports.result import Result
from ismp.ui.reading.faults import FileRejected

_UNDER_WAY = (State.QUEUED, State.RUNNING)
_SEARCH = ("field", "q", "start", "end", "agency", "everything", "ids")
"""The fields of a posted search that say which records are meant."""


# --- Sending an action to the worker --------------------------------------------------------------


def is_large(count: int) -> bool:
    return count > settings.DIRECT_ROWS


def rows_of_undo(run: ImportRun, shown: dict[str, int] | None) -> int:
    """How many records an undo changes by what was shown; without that, how many it may."""
    if not shown:
        return run.created + run.updated
    return sum(count for name, count in shown.items() if name != "kept")


def undo(run: ImportRun, *, shown: dict[str, int] | None, by: Account) -> ImportRun:
    """Have an import undone.  Raises ActionRefused when it cannot be."""
    what: dict[str, Any] = {"job": "undo", "run": run.pk}
    if job := waiting(**what):
        return job
    with transaction.atomic():
        run = ImportRun.objects.select_for_update(of=("self",), no_key=True).get(pk=run.pk)
        if not run.can_be_undone:
            raise ActionRefused(record_actions.NOT_TO_UNDO)
        more = {"shown": shown, "count": rows_of_undo(run, shown)}
        name = f"復原 {run.filename}"
        return waiting(**what) or _enqueue(run.agency, name, what | more, by)


def delete(
    posted: QueryDict, *, reason: str, shown: dict[str, int] | None, count: int, by: Account
) -> ImportRun:
    """Have the records of a search deleted, as `listing.search.chosen` finds them."""
    fields = [(name, one) for name in _SEARCH for one in posted.getlist(name)]
    about = {"search": urlencode(fields), "reason": national_id.hide(reason)}
    what: dict[str, Any] = {"job": "delete", **about, "shown": shown, "count": count}
    agency = listing_search.scope(posted, by) or by.agency
    with transaction.atomic():  # a double click sends it twice, and neither leaves an event yet
        Account.objects.select_for_update(no_key=True, of=("self",)).get(pk=by.pk)
        agencies_waiting = waiting(**what, by=by)
        return agencies_waiting or _enqueue(agency, "刪除時數", what, by)


def restore(deletion: Deletion, *, by: Account) -> ImportRun:
    """Have a deletion taken back.  Raises ActionRefused when it cannot be."""
    what: dict[str, Any] = {"job": "restore", "deletion": deletion.pk}
    if job := waiting(**what):
        return job
    with transaction.atomic():
        deletion = Deletion.objects.select_for_update(of=("self",), no_key=True).get(pk=deletion.pk)
        if not deletion.restorable:
            raise ActionRefused(record_actions.NOT_TO_RESTORE)
        agency, count = deletion.agency or by.agency, {"count": deletion.count}
        return waiting(**what) or _enqueue(agency, "還原時數", what | count, by)


def waiting(*, by: Account | None = None, **what: Any) -> ImportRun | None:
    """The job about this that is not finished, whoever or one person asked for it."""
    about = {f"notes__{name}": value for name, value in what.items()}
    jobs = ImportRun.objects.filter(source=Source.JOB, state__in=_UNDER_WAY, **about)
    return (jobs.filter(started_by=by.username) if by else jobs).first()


def _enqueue(agency: Agency, name: str, what: dict[str, Any], by: Account) -> ImportRun:
    with transaction.atomic():
        job = ImportRun.objects.create(
            agency=agency,
            source=Source.JOB,
            filename=name[:255],
            started_by=by.username,
            started_by_name=by.name,
            state=State.QUEUED,
            received_at=timezone.now(),
            notes=what,
        )
        queue.enqueue_agency(agency.pk)
    return job


def recent(user: Account, most: int = 10) -> QuerySet[ImportRun]:
    return ImportRun.objects.visible_to(user).filter(source=Source.JOB)[:most]


# --- Doing it, in the worker ---------------------------------------------------------------------


class _Done(Result):
    """Result of an action; it has no rows of a file."""

    def __init__(self, notes: dict[str, Any]) -> None:
        super().__init__()
        self._notes = notes

    def notes(self) -> dict[str, object]:
        return self._notes

    def store(self, run: ImportRun) -> None:
        """Nothing but the notes, which the run has."""


def perform(run: ImportRun, reached: Reached) -> Result:
    """Raises Refused when it cannot be done, or is not what was shown any more."""
    right, action = _ACTIONS[run.notes["job"]]
    by = Account.objects.select_related("agency").get(username=run.started_by)
    if not by.is_active or not by.may(right):
        raise FileRejected("您已經沒有這項作業的權限，沒有變動任何時數。")
    reached("checked", 0, run.notes["count"])
    try:
        done = action(run.notes, by)
    except ActionRefused as reason:
        raise FileRejected(str(reason)) from reason
    except Http404 as gone:
        raise FileRejected("這項作業要變動的資料已經不在了，沒有變動任何時數。") from gone
    return _Done(run.notes | {"done": done})


def _undo(notes: dict[str, Any], by: Account) -> dict[str, int]:
    run = ImportRun.objects.visible_to(by).filter(pk=notes["run"]).first()
    if run is None:
        raise Http404
    return record_actions.undo(run, shown=notes["shown"], by=by)


def _delete(notes: dict[str, Any], by: Account) -> dict[str, int]:
    records = listing_search.chosen(QueryDict(notes["search"]), by)
    deletion = record_actions.delete(records, reason=notes["reason"], shown=notes["shown"], by=by)
    return {"count": deletion.count if deletion else 0}


def _restore(notes: dict[str, Any], by: Account) -> dict[str, int]:
    deletion = Deletion.objects.visible_to(by).filter(pk=notes["deletion"]).first()
    if deletion is None:
        raise Http404
    return {"count": record_actions.restore(deletion, by=by)}


_Action = Callable[[dict[str, Any], Account], dict[str, int]]
_ACTIONS: dict[str, tuple[Right, _Action]] = {
    "undo": (Right.UNDO_IMPORT, _undo),
    "delete": (Right.DELETE_HOURS, _delete),
    "restore": (Right.DELETE_HOURS, _restore),
}


# --- What its window says ------------------------------------------------------------------------


def announcement(run: ImportRun) -> str:
    """Say for screen readers how far a job is."""
    if run.state == State.COMPLETED:
        return "已完成"
    if run.finished:
        return f"沒有執行：{run.reason}"
    return "處理中" if run.state == State.RUNNING else "排隊中，可安心關閉視窗"


def described(run: ImportRun) -> dict[str, Any]:
    """Values of a job's window: kind, count, done, about (the import that is undone),
    again (the address at which it is asked anew) and posted (what is sent there, of a search)."""
    kind = run.notes["job"]
    again = {
        "undo": lambda: reverse("hours:run_undo", args=[run.notes["run"]]),
        "delete": lambda: reverse("hours:delete"),
        "restore": lambda: reverse("hours:deleted"),
    }
    return {
        "kind": kind,
        "count": run.notes["count"],
        "done": run.notes.get("done"),
        "about": reverse("imports:run", args=[run.notes["run"]]) if kind == "undo" else "",
        "changed": any((run.notes.get("done") or {}).get(name) for name in _CHANGES),
        "again": again[kind](),
        "posted": [
            (name, one)
            for name, values in QueryDict(run.notes.get("search", "")).lists()
            for one in values
        ],
    }


_CHANGES = ("count", "removed", "restored", "deleted", "revived", "forgotten")
