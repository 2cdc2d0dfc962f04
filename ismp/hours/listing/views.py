"""The list of learning hours, of one agency and of all, and the help beside it."""

from itertools import groupby
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from ismp.accounts import demo_data
from ismp.accounts.models import Agency
from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.hours import portal_export
from ismp.hours.listing import search as listing_search
from ismp.hours.listing.forms import SearchForm
from ismp.hours.models import ColumnChoice
from ismp.hours.portal_import.checks import BY_CODE
from ismp.hours.portal_import.layout import COLUMNS
from ismp.imports.models import ImportRun, State
from ismp.ui.http.requests import HttpRequest
from ismp.ui.resources.resource import PER_PAGE, without_keyword

_ALWAYS_SHOWN = ("national_id", "name")
"""公務帳號 and 姓名 stand still while the rest scrolls; they cannot be hidden."""


@require_safe
@needs(Right.VIEW_HOURS)
def agency_hours(request: HttpRequest) -> HttpResponse:
    """單一機關終身學習時數管理 (manual, step 2)."""
    user = request.user
    return _list(request, user.agency)


@require_safe
@needs(Right.ALL_AGENCIES)
def all_hours(request: HttpRequest) -> HttpResponse:
    """終身學習時數管理: the same over all agencies."""
    user = request.user
    return _list(request, listing_search.scope(request.GET, user))


def _list(request: HttpRequest, agency: Agency | None) -> HttpResponse:
    user = request.user
    search = SearchForm.asked(request.GET)
    if faults := search.errors.get("q"):
        return without_keyword(request, faults)
    using = listing_search.reader(request, agency)
    records: Any = listing_search.newest(search, agency, user, using) or []
    per_page = request.GET.get("per_page", "")
    size = int(per_page) if per_page in map(str, PER_PAGE) else 50
    page = Paginator(records, size).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    runs = (
        ImportRun.objects.visible_to(user).of_files().filter(state=State.COMPLETED, dry_run=False)
    )
    hidden = ColumnChoice.objects.filter(account=user).values_list("hidden", flat=True).first()
    columns = [column for column in COLUMNS if column.name not in (hidden or [])]
    context = {
        "title": _title(request, agency),
        "agency": agency,
        "all_agencies_shown": agency is None,
        "agencies": Agency.objects.all() if user.may(Right.ALL_AGENCIES) else [],
        "open_agencies": Agency.objects.open() if user.may(Right.ALL_AGENCIES) else [],
        "search": search,
        "page": page,
        "in_the_way": ""
        if page.object_list
        else listing_search.in_the_way(search, agency, user, using),
        "columns": columns,
        "groups": [(name, len(list(cells))) for name, cells in groupby(columns, _group)],
        "choices": [
            (column, column not in columns)
            for column in COLUMNS
            if column.name not in _ALWAYS_SHOWN
        ],
        "latest": (runs.filter(agency=agency) if agency else runs).first(),
        "sizes": PER_PAGE,
        "size": size,
        "query": query.urlencode(),
        "hidden": [item for item in query.items() if item[0] != "per_page"],
    }
    return render(request, "hours/list.html", context)


def _title(request: HttpRequest, agency: Agency | None) -> str:
    own = agency is not None and not request.GET.get("agency")
    return "單一機關終身學習時數管理" if own else "終身學習時數管理"


def _group(column: Any) -> str:
    return str(column.group)


@require_POST
@needs(Right.VIEW_HOURS)
def columns(request: HttpRequest) -> HttpResponse:
    """Remember which columns of the wide table this person wants to see."""
    shown = request.POST.getlist("columns")
    hidden = [column.name for column in COLUMNS if column.name not in (*shown, *_ALWAYS_SHOWN)]
    user = request.user
    ColumnChoice.objects.update_or_create(account=user, defaults={"hidden": hidden})
    back = request.POST.get("back", "")
    is_ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure())
    return redirect(back if is_ours else "hours:agency")


@require_safe
@needs(Right.VIEW_HOURS)
def help_page(request: HttpRequest) -> HttpResponse:
    """CSV說明: where in the portal to get the file and which boxes to tick (manual, step 3)."""
    context = {"checks": BY_CODE.values(), "columns": COLUMNS}
    return render(request, "hours/help.html", context)


@require_safe
@needs(Right.VIEW_HOURS)
def sample(request: HttpRequest) -> HttpResponse:
    """A small file as the portal makes it, of invented people, to look at."""
    today = timezone.localdate()
    choices = portal_export.ExportChoices(today.replace(month=1, day=1), today)
    data = portal_export.export(demo_data.city()[:5], 10, choices)
    headers = {"Content-Disposition": 'attachment; filename="sample.csv"'}
    return HttpResponse(data, content_type="text/csv", headers=headers)
