"""Is this process alive, and is it ready for work?  For load balancers and people on call.

Answers hold no personal data and need no sign-in.
"""

from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from ismp.hours.models import ImportRun


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


def _not_ready(reason: str) -> JsonResponse:
    answer = {"ready": False, "reason": reason}
    return JsonResponse(answer, status=503, json_dumps_params={"ensure_ascii": False})
