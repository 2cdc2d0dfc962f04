"""達標狀況 by person: who is behind and by how much, why, and a reminder to those who are."""

from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from ismp.accounts import timeline
from ismp.accounts.models import Account, Agency, Status
from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.audit import trail
from ismp.compliance import verbs
from ismp.compliance.dashboards.forms import DayForm, PeopleForm
from ismp.compliance.dashboards.views import agencies_of, agency_asked, title_of
from ismp.compliance.people import listing, reminders
from ismp.compliance.standing import explanation
from ismp.notifications.actions import digest_hours
from ismp.ui.exports import xlsx
from ismp.ui.exports.responses import workbook_answer
from ismp.ui.http import once
from ismp.ui.http.refusals import refusal_shown
from ismp.ui.http.requests import HttpRequest
from ismp.ui.resources.resource import without_keyword
from ismp.ui.text import roc_dates
from ismp.ui.text.numbers import whole_number, whole_numbers

_PER_PAGE = 50
_HEADS = (
    ("username", "公務帳號", ""),
    ("name", "姓名", ""),
    ("department", "部門", ""),
    ("identities", "資安列管身分", ""),
    ("-missing", "還缺時數", "number"),
)


def _form(query: QueryDict, agency: Agency) -> PeopleForm:
    return PeopleForm(query, agency.departments.values_list("pk", "name"))


def _asks_for_those_behind_only(search: dict[str, Any]) -> bool:
    """Whether an empty answer means that everybody has the hours."""
    others = ("q", "department", "identities")
    return search["light"] == "behind" and not any(search[name] for name in others)


@require_safe
@needs(Right.VIEW_HOURS)
def people_list(request: HttpRequest) -> HttpResponse:
    """同仁達標名單 of one agency: those who are behind, unless others are asked for."""
    user = request.user
    agency = agency_asked(request)
    form = _form(request.GET, agency)
    if "q" in form.errors:
        return without_keyword(request, form.errors["q"])
    found = listing.chosen(listing.people_table(agency, form.on_day, form.known_at), **form.search)
    page = Paginator(found, _PER_PAGE).get_page(request.GET.get("page"))
    reminded = reminders.last_reminded([person.account for person in page])
    days = {"agency": agency.code, **form.asked}
    incident = request.GET.get("incident", "")
    if whole_number(incident):  # what it is about is known above; here it is handed on
        days["incident"] = incident
    asked = {**days, **form.search}
    context = {
        "agency": agency.as_of(form.on_day),
        "form": form,
        "on": form.on_day,
        "page": page,
        "people": [(person, reminded.get(person.account)) for person in page],
        "duty": title_of(form.search["duty"]) if form.search["duty"] else "",
        "heads": _HEADS,
        "base": urlencode(days),
        "unsorted": urlencode({name: asked[name] for name in asked if name != "sort"}),
        "query": urlencode(asked),
        "hidden": list(asked.items()),
        "may_remind": not form.asked and user.may(Right.REMIND),
        "may_assign": not form.asked and user.may(Right.MANAGE_COURSES),
        "incident": days.get("incident"),
        "everybody_done": _asks_for_those_behind_only(form.search),
    }
    return render(request, "compliance/people.html", context)


@require_safe
@needs(Right.VIEW_HOURS)
def download(request: HttpRequest) -> StreamingHttpResponse:
    """The whole list, one row per person and duty, as Excel."""
    user = request.user
    agency = agency_asked(request)
    form = _form(request.GET, agency)
    found = listing.chosen(listing.people_table(agency, form.on_day, form.known_at), **form.search)
    with transaction.atomic():
        trail.record(
            verbs.EXPORT_STANDING, actor=user.username, agency=agency.code, people=len(found)
        )
    frames = xlsx.frames_of(listing.cells(found))
    return workbook_answer(xlsx.workbook("達標名單", listing.HEAD, frames), "達標名單.xlsx")


@require_safe
@needs(Right.VIEW_HOURS)
def person(request: HttpRequest, account_id: int) -> HttpResponse:
    """Show one person on a day: posting and identities, each duty with its arithmetic, and the
    records behind it.

    An agency sees a person who has left it on the days of the posting there, and nothing later.
    """
    user = request.user
    form, agencies = DayForm(request.GET), agencies_of(user)
    known = Account.objects.select_related("agency")
    account = get_object_or_404(known, pk=account_id)
    held = timeline.held_on(account, form.on_day, form.known_at)
    served = held if held and held.status == Status.ACTIVE else None
    present = agencies.filter(pk=account.agency_id).exists()
    agency = served.agency if served else account.agency
    if not present and not (served and agencies.filter(pk=agency.pk).exists()):
        raise Http404
    former = None if present else agency.pk
    context = {
        "account": account,
        "form": form,
        "on": form.on_day,
        "served_as": _served_as(served, agency.as_of(form.on_day).name, form.on_day),
        "duties": explanation.of_person(account, form.on_day, form.known_at, former_agency=former),
        "former": former,
        "reminded_at": None if former else reminders.last_reminded([account.pk]).get(account.pk),
        "agency": agency.as_of(form.on_day),
        "may_see_agency": agencies.filter(pk=agency.pk).exists(),
        "base": urlencode({"agency": agency.code, **form.asked}),
    }
    return render(request, "compliance/person.html", context)


def _served_as(served: Any, agency: str, day: date) -> str:
    """Say where and as what somebody serves on a day, or that the person does not serve then."""
    if served is None:
        return f"{roc_dates.roc_date(day)} 不在職"
    department = served.department.name if served.department else ""
    return "・".join(filter(None, (agency, department, served.get_identities_display())))


def search_asked(asked: QueryDict, agency: Agency) -> dict[str, Any]:
    """Whom an action on the list means: those who are ticked in it, or all that it found."""
    if asked.get("whom") == "ticked":
        ids = whole_numbers(asked.getlist("ids"))
        return {"light": "", "accounts": ids}
    return _form(asked, agency).search


# --- 提醒 ----------------------------------------------------------------------------------------


@require_POST
@needs(Right.REMIND)
def remind(request: HttpRequest) -> HttpResponse:
    """提醒: first a page that says who is told what, then the action."""
    user = request.user
    agency = agency_asked(request)
    search = search_asked(request.POST, agency)
    if seen := request.POST.get("seen"):
        with refusal_shown(request):
            reminded = reminders.remind(agency, search, seen=seen, by=user)
            messages.success(request, f"已提醒 {len(reminded.letters)} 人。")
            return redirect(f"{reverse('boards:people')}?agency={agency.code}")
    plan = reminders.plan(agency, search)
    mailed, today = plan.mailed_on, timezone.localdate()
    context = {
        "agency": agency,
        "plan": plan,
        "by_mail": bool(settings.EMAIL_HOST),
        "mailed_today": mailed[today],
        "mailed_tomorrow": mailed.total() - mailed[today],
        "digest_hours": digest_hours(),
        "posted": once.handed_on(request.POST, "seen"),
    }
    return render(request, "compliance/remind.html", context)
