"""The pages of the learning hours: the list, the runs, what became of a file."""

import io
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ismp.accounts.access import needs
from ismp.accounts.middleware import polls
from ismp.accounts.models import Agency
from ismp.accounts.roles import Right
from ismp.hours import actions, listing, report
from ismp.hours.checks import BY_CODE
from ismp.hours.forms import PER_PAGE, SearchForm
from ismp.hours.models import ImportRun, State
from ismp.hours.profile import COLUMNS
from ismp.hours.pulse import progress


@require_safe
@needs(Right.VIEW_HOURS)
def agency_hours(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    return _list(request, user.agency)


@require_safe
@needs(Right.ALL_AGENCIES)
def all_hours(request: HttpRequest) -> HttpResponse:
    code = request.GET.get("agency")
    return _list(request, get_object_or_404(Agency, code=code) if code else None)


def _list(request: HttpRequest, agency: Agency | None) -> HttpResponse:
    user: Any = request.user
    search = SearchForm.asked(request.GET)
    records = listing.asked(search, agency, user)
    per_page = request.GET.get("per_page", "")
    size = int(per_page) if per_page in map(str, PER_PAGE) else 50
    page = Paginator(records, size).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    runs = ImportRun.objects.visible_to(user).filter(state=State.COMPLETED, dry_run=False)
    context = {
        "agency": agency,
        "agencies": Agency.objects.all() if user.may(Right.ALL_AGENCIES) else [],
        "search": search,
        "page": page,
        "columns": COLUMNS,
        "latest": (runs.filter(agency=agency) if agency else runs).first(),
        "sizes": PER_PAGE,
        "size": size,
        "query": query.urlencode(),
        "hidden": list(query.items()),
    }
    return render(request, "hours/list.html", context)


@require_safe
@needs(Right.VIEW_HOURS)
def runs(request: HttpRequest) -> HttpResponse:
    """匯入紀錄."""
    user: Any = request.user
    found = ImportRun.objects.visible_to(user).select_related("agency")
    page = Paginator(found, 50).get_page(request.GET.get("page"))
    return render(request, "hours/runs.html", {"page": page})


@require_safe
@needs(Right.VIEW_HOURS)
def run_page(request: HttpRequest, run_id: int) -> HttpResponse:
    response = render(request, "hours/run.html", _run_context(_run(request, run_id)))
    return response


@polls
@require_safe
@needs(Right.VIEW_HOURS)
def run_progress(request: HttpRequest, run_id: int) -> HttpResponse:
    """The part of the run's page that renews itself; 286 tells htmx to stop asking."""
    run = _run(request, run_id)
    status = 286 if run.finished or run.state == State.PASSWORD else 200
    return render(request, "hours/run_window.html", _run_context(run), status=status)


def _run(request: HttpRequest, run_id: int) -> ImportRun:
    user: Any = request.user
    visible = ImportRun.objects.visible_to(user).select_related("agency")
    return get_object_or_404(visible, pk=run_id)


def _run_context(run: ImportRun) -> dict[str, Any]:
    reasons = [{"check": BY_CODE[code], "count": count} for code, count in run.reasons.items()]
    return {"run": run, "progress": progress(run.pk), "reasons": reasons}


@require_safe
@needs(Right.VIEW_HOURS)
def run_report(request: HttpRequest, run_id: int) -> HttpResponse:
    """下載無法匯入資料."""
    buffer = io.BytesIO()
    report.write_rejected(_run(request, run_id), buffer)
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    headers = {"Content-Disposition": f'attachment; filename="rejected-{run_id}.xlsx"'}
    return HttpResponse(buffer.getvalue(), content_type=kind, headers=headers)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Right.UNDO_IMPORT)
def run_undo(request: HttpRequest, run_id: int) -> HttpResponse:
    user: Any = request.user
    run = _run(request, run_id)
    if request.method == "POST":
        try:
            actions.undo(run, by=user)
        except actions.NotPossible as reason:
            messages.error(request, str(reason))
        return redirect(run)
    return render(
        request, "hours/run_undo.html", {"run": run, "effects": actions.undo_effects(run)}
    )


@require_POST
@needs(Right.IMPORT_HOURS)
def run_commit(request: HttpRequest, run_id: int) -> HttpResponse:
    """正式匯入這個檔案, after a trial, without uploading it again."""
    user: Any = request.user
    run = _run(request, run_id)
    try:
        return redirect(actions.import_for_real(run, by=user))
    except actions.NotPossible as reason:
        messages.error(request, str(reason))
        return redirect(run)
