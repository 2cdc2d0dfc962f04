"""首頁: what the signed-in person has learned this year; and 課程搜尋."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from ismp.courses import catalogue
from ismp.courses.models import Category
from ismp.hours.models import Record
from ismp.hours.profile import CATEGORIES
from ismp.portal.forms import CourseSearch
from ismp.ui import roc

_SHOWN = 50
_PER_PAGE = 20
_TABS = [("", "全部"), *Category.choices]


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


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """課程搜尋: courses offered to this person whose title contains some words."""
    user: Any = request.user
    form = CourseSearch(request.GET)
    if not form.is_valid():
        for faults in form.errors.values():
            messages.error(request, str(faults[0]))
        return redirect("portal:search")  # without the words: they may be a national ID
    q, category = form.cleaned_data["q"].strip(), form.cleaned_data["category"]
    found = catalogue.search(q, user).select_related("agency")
    found = found.filter(category=category) if category else found
    query = {"q": q, "category": category}
    context = {
        "form": form,
        "q": q,
        "category": category,
        "tabs": [(one, words, urlencode({"q": q, "category": one})) for one, words in _TABS],
        "page": Paginator(found, _PER_PAGE).get_page(request.GET.get("page")),
        "query": urlencode(query),
        "hidden": list(query.items()),
    }
    return render(request, "portal/search.html", context)
