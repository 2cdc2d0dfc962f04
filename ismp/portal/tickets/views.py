"""報修: reporting what one cannot get done, the talk about it, and the list of the help desk."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_safe

from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.audit import trail
from ismp.imports.models import ImportRun
from ismp.portal import actions, verbs
from ismp.portal.forms import AnswerForm, TicketForm
from ismp.portal.models import Ticket
from ismp.portal.tickets import run_bundle as tickets_run_bundle
from ismp.ui.http.refusals import refusal_shown
from ismp.ui.http.requests import HttpRequest
from ismp.ui.text.numbers import whole_number

_PER_PAGE = 50


@require_safe
def my_tickets(request: HttpRequest) -> HttpResponse:
    """List one's own tickets with their state."""
    tickets = Ticket.objects.filter(account=request.user.pk)
    page = Paginator(tickets, _PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "portal/tickets.html", {"page": page})


@require_safe
@needs(Right.VIEW_TICKETS)
def managed(request: HttpRequest) -> HttpResponse:
    """報修案件 of the agency, or of all: the waiting ones first asked for."""
    user = request.user
    state = request.GET.get("state", Ticket.State.OPEN)
    if state not in Ticket.State.values:
        state = ""
    tickets = Ticket.objects.visible_to(user).in_state(state).select_related("account", "agency")
    context = {
        "page": Paginator(tickets, _PER_PAGE).get_page(request.GET.get("page")),
        "state": state,
        "states": [*Ticket.State.choices, ("all", "全部")],
        "query": f"state={state or 'all'}",
        "hidden": [("state", state or "all")],
    }
    return render(request, "portal/tickets_managed.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """The form, prefilled when one comes from an import or from an error page."""
    user = request.user
    form = TicketForm(user, request.POST or None, initial=_known(request))
    if form.is_valid():
        ticket = actions.open_ticket(**form.cleaned_data, by=user)
        messages.success(request, f"已收到，報修編號 {ticket.pk}；有回覆時會通知您。")
        return redirect(ticket)
    return render(request, "portal/ticket_new.html", {"form": form})


def _known(request: HttpRequest) -> dict[str, Any]:
    """Initial values from the link: the import, or the reference code of an error page."""
    user = request.user
    known: dict[str, Any] = {"contact": user.email}
    asked, reference = whole_number(request.GET.get("run")), request.GET.get("reference", "")
    run = ImportRun.objects.visible_to(user).filter(pk=asked or 0).first()
    if run:
        known |= {"run": run.pk, "subject": f"匯入編號 {run.pk}（{run.get_state_display()}）"}
        known["place"] = f"匯入紀錄 {run.get_absolute_url()}"
    elif reference:
        known["place"] = f"參考代碼 {reference[:20]}"
    return known


@require_http_methods(["GET", "HEAD", "POST"])
def ticket(request: HttpRequest, ticket_id: int) -> HttpResponse:
    """Show the entries of one ticket; add to it, or close it."""
    user = request.user
    visible = Ticket.objects.visible_to(user).select_related("account", "agency", "run")
    found = get_object_or_404(visible, pk=ticket_id)
    is_own = found.account_id == user.pk
    may_answer = is_own or user.may(Right.ANSWER_TICKETS)
    form = AnswerForm(request.POST if request.POST.get("mode") == "answer" else None)
    if request.method == "POST" and may_answer and _done(request, found, form):
        return redirect(found)
    context = {"ticket": found, "form": form, "is_own": is_own, "may_answer": may_answer}
    return render(request, "portal/ticket.html", context)


def _done(request: HttpRequest, found: Ticket, form: AnswerForm) -> bool:
    """Do what the button says; False when what was typed is not in order."""
    user = request.user
    if request.POST.get("mode") == "close":
        with refusal_shown(request):
            actions.close_ticket(found, by=user)
        return True
    if form.is_valid():
        actions.answer(found, body=form.cleaned_data["body"], by=user)
        return True
    return False


@require_safe
@needs(Right.VIEW_HOURS)
def run_bundle(request: HttpRequest, run_id: int) -> HttpResponse:
    """支援資料: what the help desk needs of a run, without anybody's data."""
    user = request.user
    run = get_object_or_404(ImportRun.objects.visible_to(user).select_related("agency"), pk=run_id)
    with transaction.atomic():
        trail.record(verbs.EXPORT_BUNDLE, run, actor=user.username)
    headers = {"Content-Disposition": f'attachment; filename="support-{run.pk}.json"'}
    options = {"ensure_ascii": False, "indent": 1}
    return JsonResponse(tickets_run_bundle.of_run(run), json_dumps_params=options, headers=headers)


urlpatterns = [
    path("support/", my_tickets, name="list"),
    path("support/new/", new, name="new"),
    path("support/<int:ticket_id>/", ticket, name="ticket"),
    path("support/imports/<int:run_id>/", run_bundle, name="bundle"),
    path("manage/support/", managed, name="manage"),
]
