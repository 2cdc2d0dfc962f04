"""首頁: what the signed-in person owes, and why; and 課程搜尋."""

from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from ismp.compliance.standing import explanation
from ismp.courses import catalogue
from ismp.courses.models import Category
from ismp.portal.forms import CourseSearch
from ismp.portal.home import dashboard
from ismp.portal.my_hours import certificate
from ismp.ui.http.requests import HttpRequest

_SHOWN = 6
_PER_PAGE = 20
_TABS = [("", "全部"), *Category.choices]
_OF_A_RECORD = (
    *("title", "organizer_name", "ended_on", "category", "digital_hours", "classroom_hours"),
    *("hours", "line", "agency__name", "run__source", "run__finished_at", "run__filename"),
)
"""What `portal/_records.html` shows of a record."""


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """資安管制儀表板, what closes the gaps, and the newest hours."""
    account = request.user
    whys = explanation.of_person(account)
    category = request.GET.get("category", "")
    courses = catalogue.with_open_sessions(dashboard.unfinished(account, whys))
    courses = courses.select_related("agency")
    records = certificate.own_records(account)
    context = {
        "reports": dashboard.reports(account),
        "gauges": dashboard.gauges(whys) if whys else [],
        "tabs": _TABS,
        "category": category if category in Category.values else "",
        "courses": (courses.filter(category=category) if category else courses)[:_SHOWN],
        "records": records.select_related("agency", "run").only(*_OF_A_RECORD)[:_SHOWN],
    }
    return render(request, "portal/home.html", context)


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """課程搜尋: courses offered to this person whose title contains some words."""
    user = request.user
    form = CourseSearch(request.GET)
    if not form.is_valid():
        for faults in form.errors.values():
            messages.error(request, str(faults[0]))
        return redirect("portal:search")  # without the words: they may be a national ID
    q, category = form.cleaned_data["q"].strip(), form.cleaned_data["category"]
    found = catalogue.with_open_sessions(catalogue.search(q, user)).select_related("agency")
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
