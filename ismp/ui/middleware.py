"""What every answer carries: a reference code, no copy in any cache, and few bytes."""

import secrets
from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import add_never_cache_headers

from ismp.ui import marks
from ismp.ui.errors import not_allowed


class ReferenceMiddleware:
    """Give each request a code that stands on its error page and in its lines of the log."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.reference = secrets.token_hex(4).upper()  # type: ignore[attr-defined]
        with marks.marked(reference=request.reference):  # type: ignore[attr-defined]
            response = self.get_response(request)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # Django's own answer is blank; who signs in again may be led to the address of a deed.
            allowed, response = response["Allow"], not_allowed(request)
            response["Allow"] = allowed
        # Pages carry personal data: neither a proxy nor the back button after 登出 may show them.
        add_never_cache_headers(response)
        response["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        return response


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
