"""我的時數: everything that was recorded for oneself, where it came from, and its certificate."""

from collections import defaultdict
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from ismp.hours.models import Record
from ismp.hours.portal_import.layout import CATEGORIES
from ismp.portal import actions
from ismp.portal.forms import PeriodForm
from ismp.portal.models import Certificate
from ismp.portal.my_hours import certificate
from ismp.ui.http.requests import HttpRequest
from ismp.ui.text import roc_dates
from ismp.ui.text.numbers import whole_number

_PER_PAGE = 50
_SUMMED = ("ended_on", "category", "hours")


@require_safe
def own_hours(request: HttpRequest) -> HttpResponse:
    """All records of the person by year and category; each tells its agency, import and line."""
    user = request.user
    own = certificate.own_records(user)
    every = list(own.only("event_key", "run", *_SUMMED))
    counted = certificate.counted_once(every)
    year, category = _number(request, "year"), _number(request, "category")
    asked = own.filter(ended_on__year=year + roc_dates.OFFSET) if year else own
    asked = asked.filter(category=category) if category else asked
    page = Paginator(asked.select_related("agency", "run"), _PER_PAGE)
    query = {name: value for name, value in (("year", year), ("category", category)) if value}
    context = {
        "page": page.get_page(request.GET.get("page")),
        "years": _by_year(counted),
        "repeated": {record.pk for record in every} - {record.pk for record in counted},
        "year": year,
        "category": category,
        "heading": _heading(year, category),
        "categories": CATEGORIES.items(),
        "period": PeriodForm(initial=PeriodForm.this_year()),
        "query": "&".join(f"{name}={value}" for name, value in query.items()),
        "hidden": list(query.items()),
    }
    return render(request, "portal/own_hours.html", context)


def _heading(year: int, category: int) -> str:
    period = f"{year} 年度" if year else "所有年度"
    return "・".join(filter(None, (period, CATEGORIES.get(category)))) + "的紀錄"


def _number(request: HttpRequest, name: str) -> int:
    """A number of the address, 0 when there is none that could be meant."""
    number = whole_number(request.GET.get(name)) or 0
    return number if number < 1000 else 0


def _by_year(records: list[Record]) -> list[tuple[int, list[int], int]]:
    """(ROC year, hours in thousandths of each category, their sum), the newest year first."""
    sums: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for record in records:
        sums[roc_dates.roc_year(record.ended_on)][record.category] += record.hours
    return [
        (year, [sums[year][code] for code in CATEGORIES], sum(sums[year].values()))
        for year in sorted(sums, reverse=True)
    ]


@require_POST
def issue(request: HttpRequest) -> HttpResponse:
    """時數證明 as PDF."""
    user = request.user
    period = PeriodForm(request.POST)
    if not period.is_valid():
        for faults in period.errors.values():
            messages.error(request, str(faults[0]))
        return redirect("portal:hours")
    issued = actions.issue_certificate(**period.cleaned_data, by=user)
    name = f"hours-{roc_dates.roc_date(issued.start)}-{roc_dates.roc_date(issued.end)}.pdf"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    body = certificate.as_pdf(issued, certificate.listed(user, issued.start, issued.end))
    return HttpResponse(body, content_type="application/pdf", headers=headers)


@require_safe
def verify(request: HttpRequest, code: str = "") -> HttpResponse:
    """驗證時數證明: whether we issued it, what it says, and whether the records still say so."""
    asked = certificate.tidy(code or request.GET.get("code", ""))
    found = Certificate.objects.select_related("account").filter(code=asked).first()
    if found and certificate.code_of(found) != found.code:
        found = None
    context: dict[str, Any] = {"asked": asked, "certificate": found}
    if found:
        records = certificate.listed(found.account, found.start, found.end)
        context["still_true"] = certificate.digest(records) == found.records_digest
        context["sums"] = certificate.in_words(found.sums)
    return render(request, "portal/verify.html", context)
