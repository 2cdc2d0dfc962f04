"""Metrics for monitoring: figures of the imports, read from the database when asked, and request
times of this web server, all its processes together.  No label holds a person, an agency or an
address with an id in it.
"""

import contextlib
import hmac
import os
from collections.abc import Iterator

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from ismp.imports.models import ImportRun, State


class _Version(Collector):
    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("ismp_info", "The version that runs here", labels=["version"])
        info.add_metric([settings.VERSION], 1)
        yield info


class _Imports(Collector):
    def describe(self) -> Iterator[Metric]:
        return iter(())  # what `collect` gives needs the database, which may be away at start

    def collect(self) -> Iterator[Metric]:
        runs = GaugeMetricFamily("ismp_import_runs", "Import runs by state", labels=["state"])
        counts = ImportRun.objects.by_state()
        for state in State.values:
            runs.add_metric([state], counts.get(state, 0))
        yield runs
        age = ImportRun.objects.queue_age().total_seconds()
        yield GaugeMetricFamily(
            "ismp_import_queue_age_seconds", "How long the oldest file has waited", value=age
        )
        yield GaugeMetricFamily(
            "ismp_import_rows_per_second",
            "Rows of the last hundred finished files, by the time from arrival to result",
            value=ImportRun.objects.rows_per_second(),
        )


_registry = CollectorRegistry()
_registry.register(_Version())
_registry.register(_Imports())
_several_processes = "PROMETHEUS_MULTIPROC_DIR" in os.environ
_seconds = Histogram(
    "ismp_request_seconds",
    "Time to answer, by the name of the page",
    ["page", "method", "status"],
    registry=None if _several_processes else _registry,
)
if _several_processes:
    MultiProcessCollector(_registry)  # type: ignore[no-untyped-call]  # registers itself


def answered(page: str, method: str, status: int, seconds: float) -> None:
    """Count one answer.  Nobody is refused a page because it could not be counted."""
    with contextlib.suppress(OSError, ValueError):
        _seconds.labels(page, method, f"{status // 100}xx").observe(seconds)


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """`/metrics` for who sends `ISMP_METRICS_TOKEN` as bearer; to all others it does not exist.

    Not by address: behind a proxy every request comes from the proxy's.
    """
    given = request.headers.get("Authorization", "").encode()
    wanted = f"Bearer {settings.METRICS_TOKEN}".encode()
    if not settings.METRICS_TOKEN or not hmac.compare_digest(given, wanted):
        raise Http404
    return HttpResponse(generate_latest(_registry), content_type=CONTENT_TYPE_LATEST)
