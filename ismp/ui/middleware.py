"""What every answer carries: a reference code for the help desk, and no copy in any cache."""

import secrets
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import add_never_cache_headers


class ReferenceMiddleware:
    """Give each request a code that stands on its error page and in its log line."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.reference = secrets.token_hex(4).upper()  # type: ignore[attr-defined]
        response = self.get_response(request)
        # Pages carry personal data: neither a proxy nor the back button after 登出 may show them.
        add_never_cache_headers(response)
        response["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        return response
