"""The pages on which people ask: at the door, about oneself, and between two agencies."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from ismp.accounts import codes
from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.applications.actions import asking
from ismp.applications.forms import (
    ApplicationForm,
    ComingForm,
    GoingForm,
    IdentitiesForm,
    RequestForm,
    StateForm,
)
from ismp.applications.models import AccountApplication, IdentityChange, Transfer
from ismp.audit.origin import client_address
from ismp.errors import ActionRefused
from ismp.ui.http.refusals import refusal_shown
from ismp.ui.http.requests import HttpRequest

_asks_or_does = require_http_methods(["GET", "HEAD", "POST"])
_RECEIPT = "receipt"


def _done(form: RequestForm, action: Callable[..., Any], **more: Any) -> Any:
    """Do what a valid form asks; what stands against it is said by the form, and None returned."""
    try:
        return action(**form.cleaned_data, **more)
    except ActionRefused as reason:
        form.add_error(None, str(reason))
        return None


# --- 帳號申請: without signing in ----------------------------------------------------------------


@login_not_required
@sensitive_post_parameters()
@_asks_or_does
def apply(request: HttpRequest) -> HttpResponse:
    """The answer is the same whether or not we know the person: a receipt."""
    form = ApplicationForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        application = _done(form, asking.apply_for_account, source=client_address(request))
        if application:
            request.session[_RECEIPT] = application.receipt
            return redirect("application_forms:state")
    refused = form.is_bound and form.non_field_errors()
    context = {"form": form}
    return render(request, "applications/apply.html", context, status=429 if refused else 200)


@login_not_required
@sensitive_post_parameters()
@_asks_or_does
def state(request: HttpRequest) -> HttpResponse:
    """How an application stands, for whoever has its receipt and its 公務帳號."""
    form = StateForm(request.POST if request.method == "POST" else None)
    application = None
    if form.is_valid():
        asked = form.cleaned_data
        found = AccountApplication.objects.filter(
            receipt=codes.tidy(asked["receipt"]), username__iexact=asked["username"]
        )
        application = found.select_related("agency").first()
        if application is None:
            days = settings.APPLICATIONS_KEPT_DAYS
            message = f"查不到這件申請；請檢查收件編號與公務帳號，結案 {days} 天後會刪除。"
            form.add_error(None, message)
    context = {
        "form": form,
        "application": application,
        "receipt": codes.grouped(request.session.get(_RECEIPT, "")),
        "wait_days": settings.APPLICATIONS_WAIT_DAYS,
    }
    return render(request, "applications/state.html", context)


# --- 資安列管身分變更: about oneself -------------------------------------------------------------


@_asks_or_does
def identities(request: HttpRequest) -> HttpResponse:
    """Show one's identities, the form to ask for others, and former applications."""
    user = request.user
    typed = request.POST if request.method == "POST" else None
    form = IdentitiesForm(typed, initial={"identities": user.identities})
    if form.is_valid() and _done(form, asking.ask_for_identities, by=user):
        messages.success(request, "已送出申請，機關管理者決定後會通知您。")
        return redirect("application_forms:identities")
    own_changes = IdentityChange.objects.filter(account=user)
    context = {
        "form": form,
        "changes": own_changes.select_related("decided_by", "in_place_of")[:20],
        "waiting": own_changes.waiting().first(),
    }
    return render(request, "applications/identities.html", context)


@require_POST
def withdraw_identities(request: HttpRequest) -> HttpResponse:
    """Take the waiting one back."""
    user = request.user
    if change := IdentityChange.objects.filter(account=user).waiting().first():
        with refusal_shown(request):
            asking.withdraw(change, by=user)
            messages.success(request, "已撤回申請。")
    return redirect("application_forms:identities")


# --- 機關異動: between two agencies --------------------------------------------------------------


@_asks_or_does
@needs(Right.EDIT_PEOPLE)
def coming(request: HttpRequest) -> HttpResponse:
    """調入: ask for a person who comes to one's own agency."""
    return _transfer(request, ComingForm, asking.ask_for, "申請調入")


@_asks_or_does
@needs(Right.EDIT_PEOPLE)
def going(request: HttpRequest) -> HttpResponse:
    """調出: offer a person of one's own agency to another one."""
    return _transfer(request, GoingForm, asking.give_away, "申請調出")


def _transfer(
    request: HttpRequest, make: Any, action: Callable[..., Transfer], title: str
) -> HttpResponse:
    user = request.user
    known = {"username": request.GET.get("username", "")}  # from the page of an account
    form = make(request.POST if request.method == "POST" else None, user=user, initial=known)
    if form.is_valid():
        transfer = _done(form, action, by=user)
        if transfer:
            messages.success(request, f"已送出，等候{transfer.agency}的管理者決定。")
            return redirect("transfers:page", transfer.pk)
    return render(request, "applications/transfer.html", {"form": form, "title": title})


@require_POST
@needs(Right.EDIT_PEOPLE)
def withdraw_transfer(request: HttpRequest, transfers_id: int) -> HttpResponse:
    """Take back what one's own agency asked for."""
    user = request.user
    seen = Transfer.objects.visible_to(user).filter(asked_by__agency=user.agency_id)
    transfer = get_object_or_404(seen, pk=transfers_id)
    with refusal_shown(request):
        asking.withdraw(transfer, by=user)
        messages.success(request, "已撤回這件機關異動申請。")
    return redirect("transfers:page", transfer.pk)
