"""Every request, seen from outside: how long it took, for monitoring and for one line of the log.

A page is told by its name, never by its address: that may hold what somebody has typed.
"""

import logging
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from ismp.operations.monitoring import metrics

logger = logging.getLogger("ismp.access")


_FOR_MACHINES = ("/healthz", "/readyz", "/metrics")


class Requests:
    """The outermost middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info in _FOR_MACHINES:
            # Load balancers and monitoring ask by IP; their answers name no host.
            request.get_host = lambda: "localhost"  # type: ignore[method-assign]
        begun = time.perf_counter()
        response = self.get_response(request)
        seconds = time.perf_counter() - begun
        match = request.resolver_match
        page = (match.view_name if match else "") or "other"
        method = request.method if request.method in {"GET", "POST"} else "other"
        metrics.answered(page, method, response.status_code, seconds)
        asked = getattr(request, "_cached_user", None)  # who was not asked for costs no query
        logger.info(
            "request",
            extra={
                "reference": getattr(request, "reference", None),
                "method": method,
                "page": page,
                "status": response.status_code,
                "milliseconds": round(seconds * 1000, 1),
                "account": getattr(asked, "pk", None),
            },
        )
        return response
