"""首頁: what the signed-in person has learned this year."""

from typing import Any

from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from ismp.hours.models import Record
from ismp.hours.profile import CATEGORIES
from ismp.ui import roc

_SHOWN = 50


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    account: Any = request.user
    today = timezone.localdate()
    records = Record.objects.live().filter(account=account, ended_on__year=today.year)
    sums = records.order_by().values("category")
    sums = sums.annotate(Sum("hours"), Sum("digital_hours"), Sum("classroom_hours"))
    by_category = {one["category"]: one for one in sums}
    context = {
        "year": roc.roc_year(today),
        "totals": [
            {"code": code, "title": title, **by_category.get(code, {})}
            for code, title in CATEGORIES.items()
        ],
        "records": records.newest_first()[:_SHOWN],
        "more": max(0, records.count() - _SHOWN),
    }
    return render(request, "portal/home.html", context)
