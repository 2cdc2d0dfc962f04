"""Is this process alive, and is it ready for work?  For load balancers and people on call.

Answers hold no personal data and need no sign-in.
"""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from ismp.imports.models import ImportRun


@login_not_required
@require_safe
def alive(request: HttpRequest) -> JsonResponse:
    """`/healthz`: the process answers.  Asks nothing of the database, so that one that is away
    does not get every web server restarted."""
    return JsonResponse({"alive": True})


@login_not_required
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """`/readyz`: 200 when pages can be served, else 503 with the reason.

    `queue_age_seconds` is how long the oldest file has waited for a worker; a long queue is no
    reason to take this web server away.
    """
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return _not_ready("資料庫還沒有更新到這個版本；請執行 ismp migrate。")
        age = ImportRun.objects.queue_age()
    except Error:
        connection.close()
        return _not_ready("資料庫連不上；請確認它已啟動。")
    return JsonResponse({"ready": True, "queue_age_seconds": round(age.total_seconds())})


@login_not_required
@require_safe
def security_contact(request: HttpRequest) -> HttpResponse:
    """`/.well-known/security.txt` (RFC 9116): where to report a weakness of this site.

    Its end is always 30 days ahead, for the setting is read anew with every start.
    Raises Http404 without `ISMP_SECURITY_CONTACT`.
    """
    if not settings.SECURITY_CONTACT:
        raise Http404
    expires = timezone.now() + timedelta(days=30)
    lines = (
        f"Contact: {settings.SECURITY_CONTACT}",
        f"Expires: {expires:%Y-%m-%dT00:00:00Z}",
        "Preferred-Languages: zh-TW, en",
        f"Canonical: {request.build_absolute_uri()}",
    )
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


def _not_ready(reason: str) -> JsonResponse:
    answer = {"ready": False, "reason": reason}
    return JsonResponse(answer, status=503, json_dumps_params={"ensure_ascii": False})
