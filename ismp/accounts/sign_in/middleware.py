"""The idle time-out: an unattended desk is signed out, even while a page polls."""

import contextlib
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django_htmx.http import HttpResponseClientRedirect

from ismp.accounts.models import Account
from ismp.storage.waiting import unless_busy

View = TypeVar("View", bound=Callable[..., HttpResponseBase])

_KEY = "last_active"
_BEGUN = "signed_in_at"
_TOUCH_SECONDS = 60


def polls(view: View) -> View:
    """Mark a view that the page itself calls: it does not count as the person being there."""
    view.polls = True  # type: ignore[attr-defined]
    return view


def begin(session: SessionBase, account: Account) -> None:
    """Somebody has just signed in: from now on the session lasts `settings.SESSION_SECONDS`.

    Call it in the transaction of the sign-in.  All that the first page would write is written in
    it: where others write, such as a roster on SQLite, one waits once.
    """
    session[_BEGUN] = time.time()
    if _note_seen(account.pk):
        session[_KEY] = session[_BEGUN]
    session.save()


class IdleMiddleware:
    """Signs out idle people, and everybody some hours after signing in, active or not."""

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
        if now - request.session.get(_BEGUN, now) > settings.SESSION_SECONDS:
            hours = f"{settings.SESSION_SECONDS / 3600:g}"
            return self._sign_out(request, f"登入已滿 {hours} 小時，為了安全請重新登入。")
        if last and now - last > settings.IDLE_SECONDS:
            minutes = settings.IDLE_SECONDS // 60
            message = f"您已超過 {minutes} 分鐘沒有動作，系統已自動登出，請重新登入。"
            return self._sign_out(request, message)
        if not getattr(view, "polls", False) and now - last > min(
            _TOUCH_SECONDS, settings.IDLE_SECONDS / 10
        ):
            _touch(request.session, request.user.pk, now)
        return None

    def _ask_to_sign_in(self, request: HttpRequest) -> HttpResponse | None:
        """A part of a page that renews itself takes the whole page to the sign-in."""
        return _to_sign_in(request) if "HX-Request" in request.headers else None

    def _sign_out(self, request: HttpRequest, reason: str) -> HttpResponse:
        logout(request)
        messages.info(request, reason)
        return _to_sign_in(request)


def _touch(session: SessionBase, pk: int, now: float) -> None:
    """Note that the person was there; where others write (SQLite), a later page notes it."""
    former, was_modified = {name: session.get(name) for name in (_KEY, _BEGUN)}, session.modified

    def write() -> None:
        _note_seen(pk)
        session.save()

    session[_KEY] = now
    session.setdefault(_BEGUN, now)
    # UpdateError: it has ended meanwhile, as SessionMiddleware finds out too, and says so.
    with contextlib.suppress(UpdateError):
        if not unless_busy(write):
            for name, value in former.items():
                session[name] = value
                if value is None:
                    del session[name]
            session.modified = was_modified


@transaction.atomic
def _note_seen(pk: int) -> bool:
    """Note when an account was used last; not while somebody else holds its row, such as a roster:
    a later page notes it.  Returns whether it is noted."""
    free = Account.objects.select_for_update(skip_locked=True, no_key=True).filter(pk=pk)
    found = free.values_list("pk", flat=True).first()
    return bool(Account.objects.filter(pk=found).update(last_seen_at=timezone.now()))


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    """Answer with the way to the sign-in, and from there back to the page that was open."""
    there = request.get_full_path() if request.method == "GET" else "/"
    if "HX-Request" not in request.headers:
        return redirect_to_login(there)
    there = "/"
    with contextlib.suppress(ValueError):  # a browser tells no such address, others may
        there = urlsplit(request.headers.get("HX-Current-URL", "/")).path
    return HttpResponseClientRedirect(redirect_to_login(there).url)
