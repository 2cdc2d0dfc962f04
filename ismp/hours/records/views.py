"""Records taken away and brought back: export, deletion, undo of an import; who is waited for."""

import json

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ismp.accounts import national_id
from ismp.accounts.models import Account
from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.audit import trail
from ismp.errors import ActionRefused
from ismp.hours import verbs
from ismp.hours.listing import search as listing_search
from ismp.hours.listing.forms import SearchForm
from ismp.hours.models import Deletion, Waiting
from ismp.hours.records import undoing
from ismp.hours.records.actions import jobs
from ismp.hours.records.actions import records as record_actions
from ismp.imports import kinds
from ismp.imports.models import ImportRun
from ismp.imports.views import find_run
from ismp.ui.exports import xlsx
from ismp.ui.exports.csv import csv_lines
from ismp.ui.exports.responses import csv_answer, workbook_answer
from ismp.ui.http import once
from ismp.ui.http.refusals import refusal_shown
from ismp.ui.http.requests import HttpRequest

_PER_PAGE = 50
_SHOWN_PEOPLE = 20


@require_safe
@needs(Right.VIEW_HOURS)
def export(request: HttpRequest) -> StreamingHttpResponse:
    """下載查詢結果: the whole query, .xlsx or .csv, sent while it is read."""
    user = request.user
    agency = listing_search.scope(request.GET, user)
    search, using = SearchForm.asked(request.GET), listing_search.reader(request, agency)
    frames = listing_search.frames(
        listing_search.newest(search, agency, user, using), with_agency=not agency
    )
    kind = "csv" if request.GET.get("format") == "csv" else "xlsx"
    with transaction.atomic():
        code = agency.code if agency else ""
        trail.record(verbs.EXPORT_HOURS, actor=user.username, agency=code, format=kind)
    if kind == "csv":
        rows = (list(row) for frame in frames for row in frame.iter_rows())
        lines = csv_lines(listing_search.head(agency), rows)
        return csv_answer(lines, "learning-hours.csv")
    pieces = xlsx.workbook("學習時數", listing_search.head(agency), frames, listing_search.ADDED_UP)
    return workbook_answer(pieces, "learning-hours.xlsx")


@require_POST
@needs(Right.DELETE_HOURS)
def delete(request: HttpRequest) -> HttpResponse:
    """刪除時數: first a page that says how many and of whom, then the action with its reason."""
    user = request.user
    records = listing_search.chosen(request.POST, user)
    reason = national_id.hide(request.POST.get("reason", "").strip())
    if not records.exists():
        return _offer_everything(request, user)
    if reason and request.POST.get("confirmed"):
        shown, reason = shown_in(request), reason[:200]
        if jobs.is_large(count := records.count()):
            job = jobs.delete(request.POST, reason=reason, shown=shown, count=count, by=user)
            return redirect(job)
        try:
            deletion = record_actions.delete(records, reason=reason, shown=shown, by=user)
            if deletion:
                words = f"已刪除 {deletion.count:,} 筆時數，30 天內可在已刪除清單還原。"
                messages.success(request, words)
            return redirect("hours:deleted")
        except record_actions.Differs as difference:
            if not records.exists():  # it was pressed twice: the first time has done it
                return redirect("hours:deleted")
            messages.error(request, str(difference))
    effects = record_actions.delete_effects(records)
    people = list(record_actions.people_of(records, _SHOWN_PEOPLE))
    context = {
        "count": effects["count"],
        "people": people,
        "more_people": effects["people"] - len(people),
        "shown": json.dumps(effects),
        "reason": reason,
        "posted": _posted(request),
        "missing_reason": bool(request.POST.get("confirmed")) and not reason,
    }
    return render(request, "hours/delete.html", context)


def shown_in(request: HttpRequest) -> dict[str, int] | None:
    """The effects that the page before had shown; None for a request that does not come from it."""
    try:
        shown = json.loads(request.POST["shown"])
    except (KeyError, ValueError, RecursionError):
        return None
    is_count = isinstance(shown, dict) and all(type(one) is int for one in shown.values())
    return shown if is_count else {}


def _offer_everything(request: HttpRequest, user: Account) -> HttpResponse:
    """Nothing was ticked: say so, and offer the whole query as a choice of its own."""
    posted = QueryDict(mutable=True)
    posted.update({**request.POST.dict(), "everything": "1"})
    count = listing_search.chosen(posted, user).count()
    if not count:
        messages.error(request, "沒有可以刪除的時數；請先查詢，再勾選要刪除的時數。")
        return redirect("hours:agency")
    context = {"everything": count, "posted": _posted(request)}
    return render(request, "hours/delete_none.html", context)


def _posted(request: HttpRequest) -> list[tuple[str, str]]:
    """Values that one page of the action hands on to the next."""
    return once.handed_on(request.POST, "reason", "confirmed", "shown")


@require_safe
@needs(Right.DELETE_HOURS)
def deleted(request: HttpRequest) -> HttpResponse:
    """已刪除 list."""
    user = request.user
    page = Paginator(Deletion.objects.visible_to(user), _PER_PAGE).get_page(request.GET.get("page"))
    recent = list(jobs.recent(user))
    context = {"page": page, "jobs": recent, "jobs_under_way": not all(j.finished for j in recent)}
    return render(request, "hours/deleted.html", context)


@require_POST
@needs(Right.DELETE_HOURS)
def restore(request: HttpRequest, deletion_id: int) -> HttpResponse:
    user = request.user
    deletion = get_object_or_404(Deletion.objects.visible_to(user), pk=deletion_id)
    with refusal_shown(request):
        if jobs.is_large(deletion.count):
            return redirect(jobs.restore(deletion, by=user))
        if count := record_actions.restore(deletion, by=user):
            messages.success(request, f"已還原 {count:,} 筆時數。")
        else:
            words = "這些時數都已經由其他匯入帶回或移除，沒有可以還原的。"
            messages.info(request, words)
    return redirect("hours:deleted")


# --- The imports of hours -------------------------------------------------------------------------


@require_safe
@needs(Right.VIEW_HOURS)
def runs(request: HttpRequest) -> HttpResponse:
    """匯入紀錄."""
    user = request.user
    found = ImportRun.objects.visible_to(user).of_files().select_related("agency")
    page = Paginator(found, _PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "hours/runs.html", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Right.UNDO_IMPORT)
def undo(request: HttpRequest, run_id: int) -> HttpResponse:
    """復原這次匯入: first what will happen, then the action, if that is what was shown."""
    user = request.user
    run = find_run(request, run_id)
    if not run.can_be_undone:
        if run.undone_by != user.username:  # who presses twice reads the answer to the first time
            messages.error(request, kinds.kind_of(run).no_undo or record_actions.NOT_TO_UNDO)
        return redirect(run)
    if request.method == "POST":
        shown = shown_in(request)
        try:
            if jobs.is_large(jobs.rows_of_undo(run, shown)):
                return redirect(jobs.undo(run, shown=shown, by=user))
            effects = record_actions.undo(run, shown=shown, by=user)
            if not undoing.changes_something(effects):
                messages.info(request, "沒有改變任何時數：其他匯入也有這些時數，或已經更正過。")
            return redirect(run)
        except record_actions.Differs as reason:
            messages.error(request, str(reason))
        except ActionRefused as reason:
            messages.error(request, str(reason))
            return redirect(run)
    planned = undoing.plan(run)
    context = {
        "run": run,
        "effects": planned.effects,
        "shown": json.dumps(planned.effects),
        "held_by": planned.held_by(),
        "changes_something": undoing.changes_something(planned.effects),
    }
    return render(request, "hours/run_undo.html", context)


@require_safe
@needs(Right.VIEW_HOURS)
def waiting(request: HttpRequest) -> HttpResponse:
    """待認領時數, by number only: by run, how many people and rows wait."""
    user = request.user
    unclaimed = Waiting.objects.visible_to(user)
    page = Paginator(unclaimed.by_run(), _PER_PAGE).get_page(request.GET.get("page"))
    people = unclaimed.filter(claimed_at=None).values("agency", "id_hash").distinct().count()
    context = {"page": page, "people": people, "days": settings.WAITING_KEPT_DAYS}
    return render(request, "hours/waiting.html", context)
