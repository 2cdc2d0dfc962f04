"""機關審核作業: the queue as a page."""

from collections import Counter
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from ismp.accounts.access import needs
from ismp.accounts.roles import Right
from ismp.reviews.queue import waiting_for

_PER_PAGE = 50


@require_safe
@needs(Right.MANAGE)
def queue(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    now, everything = timezone.localtime(), waiting_for(user)
    kind = request.GET.get("kind", "")
    chosen = [one for one in everything if not kind or one.kind == kind]
    page = Paginator(chosen, _PER_PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "page": page,
        "rows": [(one, one.is_late(now)) for one in page],
        "kinds": sorted(Counter(one.kind for one in everything).items()),
        "kind": kind,
        "total": len(everything),
        "late": sum(one.is_late(now) for one in everything),
        "now": now,
        "query": query.urlencode(),
        "hidden": list(query.items()),
    }
    return render(request, "reviews/queue.html", context)
