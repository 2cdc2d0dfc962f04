"""The pages of files that come in: sending one, what became of it, its rows, its report."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from ismp.accounts.agencies import fold_code
from ismp.accounts.models import Agency
from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.accounts.sign_in.middleware import polls
from ismp.errors import ActionRefused
from ismp.imports import actions, kinds, report
from ismp.imports.heartbeat import STEPS, progress
from ismp.imports.models import ImportRun, Source, State
from ismp.imports.upload import RunUploadHandler, discard
from ismp.ui.exports.responses import workbook_answer
from ismp.ui.http.requests import HttpRequest
from ismp.ui.http.uploads import takes_files_by_itself
from ismp.ui.resources.columns import cells_of

_RUNS_PER_PAGE = 20
_PER_PAGE = 50
_SUMS = (
    ("", "總筆數", "total"),
    ("created", "＝ 新增", "created"),
    ("updated", "＋ 更新", "updated"),
    ("unchanged", "＋ 無變動", "unchanged"),
    ("rejected", "＋ 無法匯入", "rejected"),
)
"""The closing arithmetic: which rows (report.WHICH), the words, the field of the run."""


# --- Sending a file -------------------------------------------------------------------------------


def import_page(request: HttpRequest, source: str, template: str) -> HttpResponse:
    """Where files of one kind are chosen and tried, and what became of the earlier ones."""
    user = request.user
    kind: Any = kinds.find_kind(source)
    kind.stand(request)
    runs = ImportRun.objects.visible_to(user).filter(source=source).select_related("agency")
    page = Paginator(runs, _RUNS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, template, {"kind": kind, "page": page})


@takes_files_by_itself
@require_POST
@needs(Right.MANAGE)
def upload(request: HttpRequest) -> HttpResponse:
    user = request.user
    if not kinds.may_start_any(user):
        raise PermissionDenied
    # The handler must be in place before anything, the CSRF check too, reads the body.
    handler = RunUploadHandler(request)
    request.upload_handlers = [handler]
    try:
        answer = _upload(request)
    except (PermissionDenied, Http404):
        discard(handler.run, "您不能匯入這種檔案或這個機關的檔案，檔案沒有收下。")
        raise
    discard(handler.run, "頁面已經過期，檔案沒有收下；請重新整理頁面後再上傳。")
    return answer


upload.csrf_exempt = True  # type: ignore[attr-defined]


@sensitive_post_parameters("password")
@csrf_protect
def _upload(request: HttpRequest) -> HttpResponse:
    """The run's page, or for a script that shows the bytes going: where the window's parts are."""
    posted = request.POST
    handler: Any = request.upload_handlers[0]
    run: ImportRun | None = handler.run
    by_script = request.headers.get("Accept") == "application/json"
    if run is None:
        sentence = "請先選擇要上傳的檔案。"
        if by_script:
            return JsonResponse({"error": sentence}, status=400)
        messages.error(request, sentence)
        return redirect("hours:agency")
    user = request.user
    if run.state == State.RECEIVING:
        kind = kinds.find_kind(posted.get("source") or run.source)
        if kind is None or not kind.may_start(user):
            raise PermissionDenied
        agency = run.agency
        if posted.get("agency") and user.may(Right.ALL_AGENCIES):
            agency = get_object_or_404(Agency, code=fold_code(posted["agency"]))
        actions.receive(
            handler.upload,
            kind=kind,
            agency=agency,
            dry_run=posted.get("mode") == "dry_run",
            password=posted.get("password") or None,
        )
    if by_script:
        window = reverse("imports:run_progress", args=[run.pk])
        return JsonResponse({"page": run.get_absolute_url(), "window": window})
    return redirect(run)


@require_safe
@needs(Right.EDIT_PEOPLE)
def roster(request: HttpRequest) -> HttpResponse:
    """匯入名冊: choose a file, try it, import it; and what was sent before."""
    return import_page(request, Source.ROSTER, "imports/roster.html")


# --- What became of it ---------------------------------------------------------------------------


@require_safe
@needs(Right.MANAGE)
def run_page(request: HttpRequest, run_id: int) -> HttpResponse:
    """The import window at its own address."""
    return render(request, "imports/run.html", _window(request, find_run(request, run_id)))


@polls
@require_safe
@needs(Right.MANAGE)
def run_progress(request: HttpRequest, run_id: int) -> HttpResponse:
    """The part of the run's page that renews itself; 286 tells htmx to stop asking."""
    run = find_run(request, run_id)
    status = 286 if run.finished or run.state == State.PASSWORD else 200
    context = _window(request, run)
    return render(request, context["window"], context, status=status)


def find_run(request: HttpRequest, run_id: int) -> ImportRun:
    user = request.user
    visible = ImportRun.objects.visible_to(user).select_related("agency")
    run = get_object_or_404(visible, pk=run_id)
    kinds.kind_of(run).stand(request)
    return run


def _run_to_start(request: HttpRequest, run_id: int) -> ImportRun:
    """A run that this person may send on its way."""
    user = request.user
    run = find_run(request, run_id)
    if not kinds.kind_of(run).may_start(user):
        raise PermissionDenied
    return run


def _window(request: HttpRequest, run: ImportRun) -> dict[str, Any]:
    """Context of the import window for a run, running or finished."""
    user = request.user
    now, kind = progress(run.pk), kinds.kind_of(run)
    step = STEPS.index(now["step"]) if run.state == State.RUNNING else -1
    return {
        "run": run,
        "announcement": _announcement(run, step),
        "is_job": run.source == Source.JOB,
        "window": kind.window,
        "way": kind.way(user),
        "may_start": kind.may_start(user),
        "progress": now,
        "checked": step >= STEPS.index("checked"),
        "stored": step >= STEPS.index("stored"),
        "no_undo": kind.no_undo if _has_changed_something(run) else "",
        "sums": [(which, words, getattr(run, field)) for which, words, field in _SUMS],
        "reasons": _reasons(run, kind),
        "parts": [reverse(part, args=[run.pk]) for part in kind.parts],
        **kind.window_context(run),
    }


def _announcement(run: ImportRun, step: int) -> str:
    """Say for screen readers how far a run is; `step` counts in STEPS, -1 when not running."""
    if run.state == State.COMPLETED:
        return f"匯入完成，總筆數 {run.total}，無法匯入 {run.rejected}"
    if run.finished:
        return run.get_state_display()
    if step >= STEPS.index("stored"):
        return "快要完成"
    if step >= STEPS.index("checked"):
        return "檢核與寫入中"
    return "檢核中" if run.state == State.RUNNING else "檔案已安全收到，可安心關閉視窗"


def _reasons(run: ImportRun, kind: kinds.ImportKind) -> list[dict[str, Any]]:
    """The commonest first, and equally common ones as in the rule book: the database forgets
    the order in which they were kept."""
    by_book = [
        (check, run.reasons[code]) for code, check in kind.reasons.items() if code in run.reasons
    ]
    by_book.sort(key=lambda one: -one[1])
    return [{"check": check, "count": count} for check, count in by_book]


def _has_changed_something(run: ImportRun) -> bool:
    return run.state == State.COMPLETED and not run.dry_run and bool(run.created or run.updated)


@require_safe
@needs(Right.MANAGE)
def run_rows(request: HttpRequest, run_id: int) -> HttpResponse:
    """Every row of the file behind a number of the result: created, rejected, other name …"""
    user = request.user
    run = find_run(request, run_id)
    kind = kinds.kind_of(run)
    which, code = request.GET.get("which", ""), request.GET.get("code", "")
    which = which if which in kind.which else ""
    found = report.rows(run, which, code)
    count = 0 if found is None else len(found)
    page: Any = Paginator(range(count), _PER_PAGE).get_page(request.GET.get("page"))
    lines: Any = [] if found is None else found[page.object_list].to_dicts()
    kind.dress(lines)
    context = {
        "run": run,
        "kind": kind,
        "way": kind.way(user),
        "page": page,
        "rows": [_row(line, kind) for line in lines],
        "purged": found is None,
        "which": which,
        "choices": [(one, report.WHICH[one][0]) for one in kind.which],
        "chosen": report.WHICH[which][0] if which in kind.which else "",
        "check": kind.reasons.get(code),
        "query": urlencode({"which": which, "code": code}),
        "hidden": [("which", which), ("code", code)],
    }
    return render(request, "imports/run_rows.html", context)


def _row(line: dict[str, Any], kind: kinds.ImportKind) -> dict[str, Any]:
    """A row of the file as its page shows it."""
    reason = kind.reasons.get(line.get("code") or "")
    return {
        "line": line["line"],
        "outcome": report.OUTCOMES[line["outcome"]],
        "why": report.in_words(reason, line) if reason else "",
        "remedy": reason.remedy if reason else "",
        "cells": cells_of(line, kind.columns),
    }


@require_safe
@needs(Right.MANAGE)
def run_report(request: HttpRequest, run_id: int) -> StreamingHttpResponse:
    """下載無法匯入資料."""
    pieces = report.rejected_workbook(find_run(request, run_id))
    return workbook_answer(pieces, f"rejected-{run_id}.xlsx")


@require_POST
@needs(Right.MANAGE)
def run_commit(request: HttpRequest, run_id: int) -> HttpResponse:
    """正式匯入這個檔案, after a trial, without uploading it again."""
    user = request.user
    run = _run_to_start(request, run_id)
    try:
        return redirect(actions.import_for_real(run, by=user))
    except ActionRefused as reason:
        messages.error(request, str(reason))
        return redirect(run)


@sensitive_post_parameters("password")
@require_POST
@needs(Right.MANAGE)
def run_password(request: HttpRequest, run_id: int) -> HttpResponse:
    """The archive's password, asked for when it came without one; used now, never stored."""
    run = _run_to_start(request, run_id)
    if run.state == State.PASSWORD:
        actions.give_password(run, request.POST.get("password") or None)
        run.refresh_from_db()
    if "HX-Request" in request.headers:
        context = _window(request, run)
        return render(request, context["window"], context)
    return redirect(run)
