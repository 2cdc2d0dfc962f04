"""The pages of the runs: what became of a file, its rows, its report, its way back."""

import json
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.accounts.sign_in.middleware import polls
from ismp.errors import ActionRefused
from ismp.hours.records import actions, jobs, undoing
from ismp.imports import kinds, report
from ismp.hours.models import ImportRun, Source, State, Waiting
from ismp.imports.heartbeat import STEPS, progress
from ismp.hours.records import unclaimed
from ismp.hours.records.views import shown_in
from ismp.ui.exports.responses import workbook_answer
from ismp.ui.http.requests import HttpRequest
from ismp.ui.resources.columns import cells_of

_PER_PAGE = 50
_SUMS = (
    ("", "總筆數", "total"),
    ("created", "＝ 新增", "created"),
    ("updated", "＋ 更新", "updated"),
    ("unchanged", "＋ 無變動", "unchanged"),
    ("rejected", "＋ 無法匯入", "rejected"),
)
"""The closing arithmetic: which rows (report.WHICH), the words, the field of the run."""


@require_safe
@needs(Right.VIEW_HOURS)
def runs(request: HttpRequest) -> HttpResponse:
    """匯入紀錄."""
    user = request.user
    found = ImportRun.objects.visible_to(user).of_files().select_related("agency")
    page = Paginator(found, _PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "hours/runs.html", {"page": page})


@require_safe
@needs(Right.MANAGE)
def run_page(request: HttpRequest, run_id: int) -> HttpResponse:
    """The import window at its own address."""
    return render(request, "hours/run.html", _window(request, find_run(request, run_id)))


@require_safe
@needs(Right.VIEW_HOURS)
def waiting(request: HttpRequest) -> HttpResponse:
    """待認領時數, by number only: by run, how many people and rows wait."""
    user = request.user
    mine = Waiting.objects.visible_to(user)
    page = Paginator(mine.by_run(), _PER_PAGE).get_page(request.GET.get("page"))
    people = mine.filter(claimed_at=None).values("agency", "id_hash").distinct().count()
    context = {"page": page, "people": people, "days": settings.WAITING_KEPT_DAYS}
    return render(request, "hours/waiting.html", context)


@polls
@require_safe
@needs(Right.MANAGE)
def run_progress(request: HttpRequest, run_id: int) -> HttpResponse:
    """The part of the run's page that renews itself; 286 tells htmx to stop asking."""
    run = find_run(request, run_id)
    status = 286 if run.finished or run.state == State.PASSWORD else 200
    return render(request, "hours/run_window.html", _window(request, run), status=status)


def find_run(request: HttpRequest, run_id: int) -> ImportRun:
    user = request.user
    visible = ImportRun.objects.visible_to(user).select_related("agency")
    run = get_object_or_404(visible, pk=run_id)
    kinds.of(run).stand(request)
    return run


def _run_to_start(request: HttpRequest, run_id: int) -> ImportRun:
    """A run that this person may send on its way."""
    user = request.user
    run = find_run(request, run_id)
    if not kinds.of(run).may_start(user):
        raise PermissionDenied
    return run


def _window(request: HttpRequest, run: ImportRun) -> dict[str, Any]:
    """What the import window shows of a run, under way or finished."""
    user = request.user
    now, profile = progress(run.pk), kinds.of(run)
    step = STEPS.index(now["step"]) if run.state == State.RUNNING else -1
    return {
        "run": run,
        "job": jobs.described(run) if run.source == Source.JOB else None,
        "undoing": jobs.waiting(job="undo", run=run.pk) if run.can_be_undone else None,
        "way": profile.way(user),
        "may_start": profile.may_start(user),
        "progress": now,
        "checked": step >= STEPS.index("checked"),
        "stored": step >= STEPS.index("stored"),
        "waits": unclaimed.UNKNOWN in run.reasons and not (run.dry_run or run.released_at),
        "no_undo": profile.no_undo if _has_changed_something(run) else "",
        "sums": [(which, words, getattr(run, field)) for which, words, field in _SUMS],
        "reasons": _reasons(run, profile),
        "parts": [reverse(part, args=[run.pk]) for part in profile.parts],
    }


def _reasons(run: ImportRun, profile: kinds.ImportKind) -> list[dict[str, Any]]:
    """The commonest first, and equally common ones as in the rule book: the database forgets
    the order in which they were kept."""
    by_book = [
        (check, run.reasons[code]) for code, check in profile.reasons.items() if code in run.reasons
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
    profile = kinds.of(run)
    which, code = request.GET.get("which", ""), request.GET.get("code", "")
    which = which if which in profile.which else ""
    found = report.rows(run, which, code)
    count = 0 if found is None else len(found)
    page: Any = Paginator(range(count), _PER_PAGE).get_page(request.GET.get("page"))
    lines: Any = [] if found is None else found[page.object_list].to_dicts()
    profile.dress(lines)
    context = {
        "run": run,
        "profile": profile,
        "way": profile.way(user),
        "page": page,
        "rows": [_row(line, profile) for line in lines],
        "purged": found is None,
        "which": which,
        "choices": [(one, report.WHICH[one][0]) for one in profile.which],
        "chosen": report.WHICH[which][0] if which in profile.which else "",
        "check": profile.reasons.get(code),
        "query": urlencode({"which": which, "code": code}),
        "hidden": [("which", which), ("code", code)],
    }
    return render(request, "hours/run_rows.html", context)


def _row(line: dict[str, Any], profile: kinds.ImportKind) -> dict[str, Any]:
    """A row of the file as its page shows it."""
    reason = profile.reasons.get(line.get("code") or "")
    return {
        "line": line["line"],
        "outcome": report.OUTCOMES[line["outcome"]],
        "why": report.in_words(reason, line) if reason else "",
        "remedy": reason.remedy if reason else "",
        "cells": cells_of(line, profile.columns),
    }


@require_safe
@needs(Right.MANAGE)
def run_report(request: HttpRequest, run_id: int) -> StreamingHttpResponse:
    """下載無法匯入資料."""
    pieces = report.rejected_workbook(find_run(request, run_id))
    return workbook_answer(pieces, f"rejected-{run_id}.xlsx")


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Right.UNDO_IMPORT)
def run_undo(request: HttpRequest, run_id: int) -> HttpResponse:
    """復原這次匯入: first what will happen, then the action, if that is what was shown."""
    user = request.user
    run = find_run(request, run_id)
    if not run.can_be_undone:
        if run.undone_by != user.username:  # who presses twice reads the answer to the first time
            messages.error(request, kinds.of(run).no_undo or actions.NOT_TO_UNDO)
        return redirect(run)
    if request.method == "POST":
        shown = shown_in(request)
        try:
            if jobs.is_large(jobs.rows_of_undo(run, shown)):
                return redirect(jobs.undo(run, shown=shown, by=user))
            effects = actions.undo(run, shown=shown, by=user)
            if not undoing.changes_something(effects):
                messages.info(request, "沒有改變任何時數：其他匯入也有這些時數，或已經更正過。")
            return redirect(run)
        except actions.Differs as reason:
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
        actions.accept(run, password=request.POST.get("password") or None)
    if "HX-Request" in request.headers:
        return render(request, "hours/run_window.html", _window(request, run))
    return redirect(run)
