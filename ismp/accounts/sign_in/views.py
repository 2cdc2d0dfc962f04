"""The door: sign in, sign out, change one's password."""

import math
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from ismp.accounts import verbs
from ismp.accounts.actions import accounts as account_actions
from ismp.accounts.sign_in import lockout, middleware
from ismp.accounts.sign_in.forms import OldPasswordForm, ResetForm, SignInForm
from ismp.audit import trail
from ismp.errors import ActionRefused
from ismp.ui.http import requests
from ismp.ui.http.once import each_time

_WRONG_CODE = "公務帳號或代碼不對，或代碼已經過期；請檢查後再試，或重新索取。"


@each_time
@login_not_required
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    there = request.POST.get("next") or request.GET.get("next", "")
    if not there.startswith("/") or not url_has_allowed_host_and_scheme(
        there, {request.get_host()}, request.is_secure()
    ):
        there = resolve_url("portal:home")
    if request.user.is_authenticated:
        return redirect(there)
    form = SignInForm(request, request.POST or None)
    if form.is_valid():
        account = form.get_user()
        with transaction.atomic():
            login(request, account)
            middleware.begin(request.session, account)
            trail.record(verbs.SIGN_IN, actor=account.username, agency=account.agency.code)
        return redirect(there)
    if "username" in form.masked:
        lockout.refuse_name(form.data["username"])
    return render(request, "accounts/login.html", {"form": form, "next": there})


@each_time
@require_POST
def sign_out(request: requests.HttpRequest) -> HttpResponse:
    user = request.user
    with transaction.atomic():
        trail.record(verbs.SIGN_OUT, actor=user.username, agency=user.agency.code)
        logout(request)
    return redirect("accounts:login")


@each_time
@login_not_required
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def reset_password(request: HttpRequest) -> HttpResponse:
    """Set a new password by the one-time code that an administrator has handed over."""
    form = ResetForm(request.POST if request.method == "POST" else None)
    wait = None
    if form.is_valid():
        typed = form.cleaned_data
        guess = lockout.Guess.from_request(typed["username"], request)
        with transaction.atomic():
            if wait := lockout.wait_for_code(guess):
                message = f"代碼錯誤次數太多，請 {_in_words(wait)}後再試；代碼仍然有效。"
                form.add_error(None, message)
            elif account := account_actions.check_reset_code(typed["username"], typed["code"]):
                lockout.forget_codes(guess)
                if form.check_password(account):
                    account_actions.set_password(account, typed["password"])
                    messages.success(request, "新密碼已設定，請用它登入。")
                    return redirect("accounts:login")
            else:
                lockout.fail_code(guess)
                form.add_error(None, _WRONG_CODE)
    return render(request, "accounts/reset.html", {"form": form}, status=429 if wait else 200)


@each_time
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def change_password(request: requests.HttpRequest) -> HttpResponse:
    user = request.user
    form = OldPasswordForm(request, request.POST or None)
    if form.is_valid():
        old, new = form.cleaned_data["old_password"], form.cleaned_data["new_password1"]
        try:
            account_actions.change_password(user, old=old, new=new)
        except ActionRefused as reason:
            form.add_error("old_password", str(reason))
        else:
            update_session_auth_hash(request, user)
            messages.success(request, "密碼已變更；您在其他裝置上的登入都已失效。")
            return redirect("portal:home")
    return render(request, "accounts/password_change.html", {"form": form})


def locked(request: HttpRequest, response: Any = None, credentials: Any = None) -> HttpResponse:
    """Answer to the fifth failure and to what follows it (附表十 control 40)."""
    wait = getattr(request, "sign_in_wait", None) or settings.AXES_COOLOFF_TIME
    return render(request, "accounts/locked.html", {"wait": _in_words(wait)}, status=429)


def _in_words(wait: timedelta) -> str:
    return f"{math.ceil(wait.total_seconds() / 60)} 分鐘"
