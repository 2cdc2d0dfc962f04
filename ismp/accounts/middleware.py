"""The idle time-out: an unattended desk is signed out, even while a page polls."""

import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django_htmx.http import HttpResponseClientRedirect

from ismp.accounts.models import Account

View = TypeVar("View", bound=Callable[..., HttpResponseBase])

_KEY = "last_active"
_TOUCH_SECONDS = 60


def polls(view: View) -> View:
    """Mark a view that the page itself calls: it does not count as the person being there."""
    view.polls = True  # type: ignore[attr-defined]
    return view


class IdleMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if not request.user.is_authenticated:
            return self._ask_to_sign_in(request)
        now = time.time()
        last = request.session.get(_KEY, 0.0)
        if last and now - last > settings.IDLE_SECONDS:
            return self._sign_out(request)
        if not getattr(view, "polls", False) and now - last > min(
            _TOUCH_SECONDS, settings.IDLE_SECONDS / 10
        ):
            request.session[_KEY] = now
            Account.objects.filter(pk=request.user.pk).update(last_seen_at=timezone.now())
        return None

    def _ask_to_sign_in(self, request: HttpRequest) -> HttpResponse | None:
        """A part of a page that renews itself takes the whole page to the sign-in."""
        if "HX-Request" not in request.headers:
            return None
        there = urlsplit(request.headers.get("HX-Current-URL", "/")).path
        return HttpResponseClientRedirect(redirect_to_login(there).url)

    def _sign_out(self, request: HttpRequest) -> HttpResponse:
        logout(request)
        messages.info(
            request,
            f"您已超過 {settings.IDLE_SECONDS // 60} 分鐘沒有動作，系統已自動登出，請重新登入。",
        )
        there = request.get_full_path() if request.method == "GET" else "/"
        login = redirect_to_login(there)
        return HttpResponseClientRedirect(login.url) if request.headers.get("HX-Request") else login
