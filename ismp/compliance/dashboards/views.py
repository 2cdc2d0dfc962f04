"""達標狀況 in figures: the board of an agency and that of the city."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from ismp.accounts.agencies import fold_code
from ismp.accounts.identities import in_words
from ismp.accounts.models import Account, Agency
from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.compliance.dashboards import cached
from ismp.compliance.dashboards.charts import Point, Trend
from ismp.compliance.dashboards.counts import PERSON, Counts, Part, duties, grouped, total
from ismp.compliance.dashboards.forms import DayForm
from ismp.compliance.models import Board, duty_title
from ismp.ui.http.requests import HttpRequest


def agencies_of(user: Account) -> QuerySet[Agency]:
    """The agencies whose boards a person may open."""
    everywhere = user.may(Right.ALL_AGENCIES)
    return Agency.objects.all() if everywhere else Agency.objects.filter(pk__in=user.agency_ids())


def agency_asked(request: HttpRequest) -> Agency:
    """The agency that the address names, or one's own."""
    user = request.user
    code = request.POST.get("agency") or request.GET.get("agency")
    return get_object_or_404(agencies_of(user), code=fold_code(code)) if code else user.agency


def title_of(duty: str) -> str:
    """`522/1` in words."""
    category, years = duty.split("/")
    return duty_title(category, int(years))


_AT_ONCE = 500
"""Of more people the year is counted only after the page is there, unless it is at hand."""


# --- An agency -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    """One line of a table of shares; `query` and a light lead to its people."""

    title: str
    counts: Counts
    query: str


@require_safe
@needs(Right.VIEW_HOURS)
def board(request: HttpRequest) -> HttpResponse:
    """達標狀況 of one agency on a day; of today also where the year is going."""
    user = request.user
    agency, form = agency_asked(request), DayForm(request.GET)
    on = form.on_day
    days = [] if form.known_at else year_of(on)
    of_the_day = cached.board_counts([agency], [on], form.known_at)[agency.pk, on]
    everybody = of_the_day.get_totals()[PERSON]
    later = everybody.obliged > _AT_ONCE and "trend" not in request.GET
    later = later and not cached.at_hand(agency, days)
    agency = agency.as_of(on)
    base = {"agency": agency.code, **form.asked}
    context = {
        "agency": agency,
        "agencies": agencies_of(user),
        "form": form,
        "on": on,
        "base": urlencode(base),
        "days": urlencode(form.asked),
        "total": everybody,
        "tables": _tables(of_the_day.get_parts(), agency, base),
        "later": later,
        **({} if later or not days else _year(agency, of_the_day)),
    }
    return render(request, "compliance/board.html", context)


@require_safe
@needs(Right.VIEW_HOURS)
def trend(request: HttpRequest) -> HttpResponse:
    """The part of a board that takes long after an action, when the agency is large."""
    agency, on = agency_asked(request), DayForm(request.GET).on_day
    of_the_day = cached.board_counts([agency], [on])[agency.pk, on]
    return render(request, "compliance/_trend_part.html", {"on": on, **_year(agency, of_the_day)})


def _year(agency: Agency, of_the_day: Board) -> dict[str, Any]:
    """Where the year of a board is going, as `trend_part.html` draws it."""
    on = of_the_day.on
    days = [day for day in year_of(on) if day != on]
    of_day = {day: one for (_, day), one in cached.board_counts([agency], days).items()} | {
        on: of_the_day
    }
    return {
        "total": of_day[on].get_totals()[PERSON],
        "trend": _trend(of_day, on),
        "year_end": of_day[days[-1]].get_totals()[PERSON] if _goes_on(days, on) else None,
    }


def year_of(on: date) -> list[date]:
    """The month ends before the day; seen from today also the last day of the year."""
    ends = [date(on.year, month, 1) - timedelta(1) for month in range(2, on.month + 1)]
    return [*ends, date(on.year, 12, 31)] if on == timezone.localdate() else ends


def _goes_on(days: list[date], on: date) -> bool:
    return bool(days) and days[-1] > on


def _trend(of_day: dict[date, Board], on: date) -> Trend | None:
    """The share compliant at each month end and on the day, and where it leads."""
    totals = {day: board.get_totals()[PERSON] for day, board in of_day.items()}
    shares = {day: counts.percent for day, counts in sorted(totals.items())}
    points = [Point(day, share) for day, share in shares.items() if share is not None]
    ahead = [point for point in points if point.day > on]
    if ahead and (pace := totals[on].pace_percent) is not None:
        ahead.append(Point(ahead[0].day, pace))
    behind = [point for point in points if point.day <= on]
    return Trend(behind, ahead) if behind else None


def _tables(parts: list[Part], agency: Agency, base: dict[str, str]) -> list[tuple[str, list[Bar]]]:
    """The shares by duty, by department and by identity."""
    names: dict[int | None, str] = {
        None: "未分部門",
        **dict(agency.departments.values_list("pk", "name")),
    }
    departments = grouped(parts, "department")
    identities = grouped(parts, "identities")

    def bar(title: str, counts: Counts, **search: Any) -> Bar:
        return Bar(title, counts, urlencode({**base, **search}))

    return [
        (
            "課程類別",
            [bar(title_of(d), total(parts, d), duty=d) for d in duties(parts)],
        ),
        (
            "部門",
            [
                bar(names[pk], departments[pk], department=pk or "none")
                for pk in sorted(departments, key=names.__getitem__)
            ],
        ),
        ("資安列管身分", [bar(in_words(one), c, identities=one) for one, c in identities.items()]),
    ]


# --- The city ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CityRow:
    agency: Agency
    cells: list[Counts]

    @property
    def total(self) -> Counts:
        return self.cells[0]


@require_safe
@needs(Right.ALL_AGENCIES)
def city(request: HttpRequest) -> HttpResponse:
    """所有機關達標狀況: agencies × duties as a heat map with the figure in each cell."""
    form = DayForm(request.GET)
    agencies = list(Agency.objects.open_on(form.on_day, form.known_at))
    for agency, name in _called(agencies, form.on_day):
        agency.name = name
    by_key = cached.board_counts(agencies, [form.on_day], form.known_at, whole=False)
    totals = {agency.pk: by_key[agency.pk, form.on_day].get_totals() for agency in agencies}
    columns = sorted(set().union(*totals.values()))
    rows = [
        CityRow(agency, [totals[agency.pk].get(duty, Counts()) for duty in columns])
        for agency in agencies
    ]
    sort = request.GET.get("sort", "")
    shares = [(duty or "all", title_of(duty) if duty else "全部達標") for duty in columns]
    context = {
        "form": form,
        "on": form.on_day,
        "base": urlencode(form.asked),
        "and_base": "".join(f"&{one}" for one in (urlencode(form.asked),) if one),
        "rows": _sorted(rows, sort or "all", columns),
        "heads": [*shares, ("-people", "列管人數"), ("-behind", "未達標人數")],
        "sort": sort or "all",
        "whole": [
            sum(column, Counts()) for column in zip(*(row.cells for row in rows), strict=True)
        ],
    }
    return render(request, "compliance/city.html", context)


def _called(agencies: list[Agency], day: date) -> Iterator[tuple[Agency, str]]:
    """Each agency with its name of that day."""
    names = Agency.objects.names_on(day)
    for agency in agencies:
        yield agency, names[agency.pk]


def _sorted(rows: list[CityRow], sort: str, columns: list[str]) -> list[CityRow]:
    """By the column asked for; a share nobody has comes last either way."""
    column = sort.lstrip("-")
    if column == "code":
        return sorted(rows, key=lambda row: row.agency.code, reverse=sort.startswith("-"))
    if column in {"people", "behind"}:
        field = {"people": "obliged", "behind": "behind"}[column]
        return sorted(rows, key=lambda r: getattr(r.total, field), reverse=sort.startswith("-"))
    duty = column if column in columns else PERSON
    index, down = columns.index(duty), sort.startswith("-")

    def share(row: CityRow) -> tuple[bool, float]:
        counts = row.cells[index]
        percent = counts.green / counts.obliged if counts.obliged else 0.0
        return not counts.obliged, -percent if down else percent

    return sorted(rows, key=share)
