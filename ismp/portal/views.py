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


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    account: Any = request.user
    today = timezone.localdate()
    records = Record.objects.live().filter(account=account, ended_on__year=today.year)
    sums = dict(records.order_by().values_list("category").annotate(Sum("hours")))
    totals = [
        {"title": title, "code": code, "hours": sums.get(code, 0)}
        for code, title in CATEGORIES.items()
    ]
    newest = records.newest_first()[:50]
    context = {"year": roc.roc_year(today), "totals": totals, "records": newest}
    return render(request, "portal/home.html", context)
