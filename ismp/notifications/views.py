"""通知: what the signed-in person was told; opening the page marks it as read."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ismp.notifications import actions
from ismp.notifications.models import Notice
from ismp.ui.http.requests import HttpRequest

_PER_PAGE = 30


@require_safe
def notices(request: HttpRequest) -> HttpResponse:
    user = request.user
    page = Paginator(Notice.objects.visible_to(user), _PER_PAGE).get_page(request.GET.get("page"))
    shown = list(page)
    fresh = {notice.pk for notice in shown if notice.read_at is None}
    actions.mark_read(shown)
    return render(request, "notifications/list.html", {"page": page, "fresh": fresh})
