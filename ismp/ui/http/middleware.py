"""Middleware of every response: reference code, no caching, compression."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django.db import OperationalError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import add_never_cache_headers

from ismp.audit import origin, trail
from ismp.ui import verbs
from ismp.ui.http import log_context
from ismp.ui.http.error_pages import bad_request, is_deadlock, not_allowed
from ismp.ui.text.numbers import MOST_DIGITS

_REFUSED_AGAIN = timedelta(minutes=1)
"""A page that is refused to a person leaves one event in so long: a page may ask by itself."""

_TRIES = 3


class ReferenceMiddleware:
    """Give each request a code that stands on its error page and in its lines of the log."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.reference = secrets.token_hex(4).upper()  # type: ignore[attr-defined]
        with (
            origin.of_request(request),
            log_context.marked(reference=request.reference),  # type: ignore[attr-defined]
        ):
            response = bad_request(request) if _holds_nul(request) else self.get_response(request)
            if response.status_code == HTTPStatus.FORBIDDEN:
                _note_refusal(request)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # Django's own answer is blank; who signs in again may be led to the address of an
            # action.
            allowed, response = response["Allow"], not_allowed(request)
            response["Allow"] = allowed
        # Pages carry personal data: neither a proxy nor the back button after 登出 may show them.
        add_never_cache_headers(response)
        response["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        return response

    def process_view(
        self, request: HttpRequest, view: object, args: object, kwargs: dict[str, Any]
    ) -> None:
        """A number that no row can have is nobody's: `<int:…>` takes any digits, a database does
        not."""
        if any(isinstance(one, int) and one >= 10**MOST_DIGITS for one in kwargs.values()):
            raise Http404


def _holds_nul(request: HttpRequest) -> bool:
    """Whether the address holds a character that PostgreSQL stores in no text and finds in none."""
    return "\0" in request.path or "%00" in request.META.get("QUERY_STRING", "")


def _note_refusal(request: HttpRequest) -> None:
    """Leave an event that a person was refused a page, by the pattern of its address: what stands
    in an address itself may be personal data."""
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated or request.resolver_match is None:
        return
    page = {"actor": user.username, "subject": f"page:{request.resolver_match.view_name}"[:100]}
    with transaction.atomic():
        if trail.is_new(verbs.REFUSE_PAGE, within=_REFUSED_AGAIN, **page):
            place = f"/{request.resolver_match.route}"
            trail.record(verbs.REFUSE_PAGE, **page, agency=user.agency.code, page=place)


class DeadlockRetry:
    """Do an action again when PostgreSQL ended it because two waited for each other's rows.

    Locks are taken in one order where we know of it (`versions.hold`); this is for what nobody
    thought of.  Nothing of the action stands when it left no event.  The innermost middleware.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        reads_itself = getattr(view, "takes_files", None) == ""
        if request.method != "POST" or reads_itself:
            return None
        for _ in range(_TRIES - 1):
            try:
                response: HttpResponseBase = view(request, *args, **kwargs)
            except OperationalError as error:
                if not is_deadlock(error) or trail.has_recorded(request):
                    raise
                for files in request.FILES.lists():
                    for file in files[1]:
                        file.seek(0)
            else:
                return response
        return None


class PageCompression(GZipMiddleware):
    """Compress pages, whose length then tells no secret (ADR 9): random padding, a new mask on the
    token of each form, and no session on what another site makes a browser ask for.

    Exports are left alone: workbooks are packed already, and streams keep flowing.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if response.streaming or not response.get("Content-Type", "").startswith("text/html"):
            return response
        return super().process_response(request, response)
