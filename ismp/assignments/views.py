"""指派課程: choose the course, see exactly who gets it, then do it."""

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from ismp.accounts.models import Account
from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.assignments import actions
from ismp.compliance.dashboards.views import agency_asked
from ismp.compliance.people.views import search_asked
from ismp.courses.models import Course
from ismp.security.models import Incident
from ismp.ui.http import once
from ismp.ui.http.refusals import refusal_shown
from ismp.ui.http.requests import HttpRequest
from ismp.ui.text.numbers import whole_number


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Right.MANAGE_COURSES)
def assign(request: HttpRequest) -> HttpResponse:
    """From the list of people with those who were chosen there; from a course with all behind."""
    user = request.user
    asked = request.POST if request.method == "POST" else request.GET
    incident = _incident(user, asked.get("incident", ""))
    agency = incident.agency if incident else agency_asked(request)
    search = search_asked(asked, agency)
    offered = actions.offered_in(agency)
    course = _course(offered, asked.get("course", ""))
    plan = None
    if course:
        if request.method == "POST" and (seen := asked.get("seen")):
            with refusal_shown(request):
                made = actions.assign(agency, search, course, seen=seen, incident=incident, by=user)
                messages.success(request, f"已指派「{course}」給 {len(made)} 人，並通知他們。")
                people = f"{reverse('boards:people')}?agency={agency.code}"
                return redirect(incident.get_absolute_url() if incident else people)
        plan = actions.plan(agency, search, course, everybody=incident is not None)
    context = {
        "agency": agency,
        "incident": incident,
        "offered": offered,
        "course": course,
        "plan": plan,
        "posted": once.handed_on(asked, "seen", "course"),
    }
    return render(request, "assignments/assign.html", context)


def _course(offered: QuerySet[Course], pk: str) -> Course | None:
    number = whole_number(pk)
    return None if number is None else get_object_or_404(offered, pk=number)


def _incident(user: Account, pk: str) -> Incident | None:
    """The incident that asks for training, if one does and this person handles it."""
    number = whole_number(pk)
    if number is None:
        return None
    seen = Incident.objects.visible_to(user).select_related("agency")
    return get_object_or_404(seen.calling_for_training(), pk=number)
