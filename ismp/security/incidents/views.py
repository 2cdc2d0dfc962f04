"""資通安全通報: report, see how it stands and until when what is due, do the next step."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ismp.accounts import separation
from ismp.accounts.forms.accounts import OnBehalfForm
from ismp.accounts.roles import Right
from ismp.errors import ActionRefused
from ismp.security.devices.actions import decisions as decision_actions
from ismp.security.forms import (
    EditIncidentForm,
    ExceptionForm,
    IncidentForm,
    LevelForm,
    StepForm,
)
from ismp.security.incidents import actions as incident_actions
from ismp.security.incidents.levels import ASPECTS, STEPS, SUBJECTS
from ismp.security.models import (
    Cause,
    Decision,
    Incident,
    IncidentState,
    SecurityOfficer,
    TimeLimit,
)
from ismp.ui.http.refusals import refusal_shown
from ismp.ui.http.requests import HttpRequest
from ismp.ui.resources import versions


@require_http_methods(["GET", "POST"])
def report(request: HttpRequest) -> HttpResponse:
    """Anybody may report an observation; whoever handles incidents may report it at once."""
    user = request.user
    now = timezone.localtime()
    form = IncidentForm(request.POST or None, initial={"day": now.date(), "clock": now.time()})
    if form.is_valid():
        values = {name: form.cleaned_data[name] for name in ("title", "description", "is_drill")}
        known_at = form.cleaned_data["moment"]
        try:
            incident = incident_actions.open_incident(
                agency=user.agency, answers=form.answers(), known_at=known_at, by=user, **values
            )
        except ActionRefused as reason:
            form.add_error("day", str(reason))
        else:
            messages.success(request, "已記下這個事件，機關的處理人員已收到通知。")
            return redirect(incident)
    return render(request, "security/report.html", {"form": form, "aspects": _aspects(form)})


@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, incident_id: int) -> HttpResponse:
    """Correct what one wrote or handles: all of a draft, its words and moment once reported."""
    with versions.held(request, Incident.objects.all(), incident_id):
        return _edit(request, incident_id)


def _edit(request: HttpRequest, incident_id: int) -> HttpResponse:
    user = request.user
    found = get_object_or_404(Incident.objects.visible_to(user), pk=incident_id)
    if not incident_actions.may_correct(found, user):
        messages.error(
            request, "只有草稿與退回補正的事件可以更正，由寫下的人或機關的處理人員更正。"
        )
        return redirect(found)
    known = timezone.localtime(found.known_at)
    facts = {"title": found.title, "description": found.description, "is_drill": found.is_drill}
    initial = {**facts, "day": known.date(), "clock": known.time()}
    draft = found.state == IncidentState.DRAFT
    kind = IncidentForm if draft else EditIncidentForm

    def make(sent: Any = None, *_: Any, instance: Incident) -> Any:
        return kind(sent, initial=initial | LevelForm.given(instance.given))

    form, more = versions.returned(request, make, found, found.audit_subject)
    stead = OnBehalfForm(request.POST or None)
    if "stale" not in more and form.is_valid() and stead.is_valid():
        typed = {name: form.cleaned_data[name] for name in facts if name in form.fields}
        typed |= stead.cleaned_data
        moment = form.cleaned_data["moment"]
        at = found.known_at if moment == known.replace(second=0, microsecond=0) else moment
        answers = form.answers() if isinstance(form, IncidentForm) else None
        try:
            incident_actions.edit(found, known_at=at, answers=answers, by=user, **typed)
        except ActionRefused as reason:
            form.add_error("day", str(reason))
        else:
            messages.success(request, "已更正，原來的內容留在歷程。")
            return redirect(found)
    context = {
        "form": form,
        "incident": found,
        "aspects": _aspects(form) if draft else (),
        "stead": stead if found.agency_id not in user.agency_ids() else None,
        **more,
    }
    return render(request, "security/report.html", context)


def _aspects(form: Any) -> list[tuple[str, str, Any, Any]]:
    """Each aspect's name and question with its two fields, for the page."""
    return [
        (name, question, form[f"{aspect}_subject"], form[f"{aspect}_harm"])
        for aspect, (name, question, _) in ASPECTS.items()
    ]


@require_safe
def my_incidents(request: HttpRequest) -> HttpResponse:
    """List the person's own reports; for a 資安長 also those they were called to."""
    user = request.user
    found = Incident.objects.filter(reporter=user).select_related("agency")
    agencies = SecurityOfficer.objects.agencies_of(user)
    called = Incident.objects.filter(agency__in=agencies, escalated_at__isnull=False)
    waiting = Decision.objects.filter(state=Decision.State.PENDING, device__agency__in=agencies)
    context = {
        "incidents": found[:100],
        "called": called.select_related("agency")[:100],
        "exceptions": waiting.select_related("device")[:100],
    }
    return render(request, "security/my_incidents.html", context)


@require_http_methods(["GET", "POST"])
def exception(request: HttpRequest, decision_id: int) -> HttpResponse:
    """例外留用 for the 資安長, whatever their role; who proposed or decided it may look."""
    user = request.user
    called = Q(device__agency__in=SecurityOfficer.objects.agencies_of(user))
    own = Q(made_by=user) | Q(decided_by=user)
    seen = Decision.objects.filter(own | called, kind=Decision.Kind.KEEP)
    found = get_object_or_404(seen.select_related("device__agency", "made_by"), pk=decision_id)
    decides = seen.filter(called, pk=found.pk, state=Decision.State.PENDING).exists()
    form = ExceptionForm(request.POST or None)
    if request.method == "POST" and not decides:
        raise PermissionDenied
    if form.is_valid():
        accept, comment = form.cleaned_data["accept"] == "1", form.cleaned_data["comment"]
        with refusal_shown(request):
            decision_actions.approve(found, accept=accept, comment=comment, by=user)
            messages.success(
                request, "已核可。" if accept else "已登錄不同意，提出的人會收到通知。"
            )
        return redirect("security:exception", found.pk)
    return render(request, "security/exception.html", {"decision": found, "decides": decides})


@require_safe
def incident(request: HttpRequest, incident_id: int) -> HttpResponse:
    """How it stands: the clocks running visibly, what was answered, the timeline, the next step."""
    user = request.user
    found = get_object_or_404(
        Incident.objects.visible_to(user).select_related("agency", "reporter"), pk=incident_id
    )
    levels = LevelForm(initial=LevelForm.given(found.given))
    barred = bool(separation.conflicts(user) & incident_actions.handlers_of([found])[found.pk])
    context = {
        "incident": found,
        "limits": _limits(found),
        "answers": [
            (ASPECTS[aspect][0], SUBJECTS[given.subject], ASPECTS[aspect][2][given.harm])
            for aspect, given in found.given.items()
            if given.subject != "none"
        ],
        "timeline": found.timeline.all(),
        "actions": [
            (name, action)
            for name, action in ACTIONS.items()
            if (found.stage if action.staged else found.state) in action.begins
            and _may(user, found, name)
            and not (barred and name in incident_actions.JUDGING)
        ],
        "barred": barred and user.may(Right.REVIEW_SECURITY),
        "may_edit": incident_actions.may_correct(found, user),
        "earlier": _earlier_reports(found),
        "aspects": _aspects(levels),
        "level_version": versions.version(levels, found.audit_subject),
        "own_steps": [
            name for name, action in ACTIONS.items() if action.right is Right.EDIT_SECURITY
        ]
        if found.agency_id not in user.agency_ids()
        else [],
        "causes": [("", "尚未查明"), *Cause.choices],
        "training": _training(found),
        "may_assign": found.calls_for_training and user.may(Right.MANAGE_COURSES),
        "now": timezone.localtime(),
    }
    return render(request, "security/incident.html", context)


def _training(incident: Incident) -> str:
    """Address of those of the agency to whom courses are assigned after the incident."""
    asked = {"agency": incident.agency.code, "light": "", "incident": incident.pk}
    return f"{reverse('boards:people')}?{urlencode(asked)}"


def _limits(found: Incident) -> list[dict[str, Any]]:
    """Each step with its limit, what was done of it, and the light that follows."""
    now, done = timezone.now(), found.done
    clocks = [line.clock for line in TimeLimit.objects.all()]
    return [
        {
            "name": STEPS[limit.step],
            "at": limit.at,
            "citation": limit.citation,
            "done": done[limit.step],
            "late": bool(limit.at and (done[limit.step] or now) > limit.at),
        }
        for limit in found.limits(clocks)
    ]


def _earlier_reports(found: Incident) -> list[dict[str, Any]]:
    """The reports of former levels with their moments."""
    return [
        {
            name: datetime.fromisoformat(value) if isinstance(value, str) else value
            for name, value in one.items()
        }
        for one in found.earlier_reports
    ]


@dataclass(frozen=True)
class IncidentAction:
    """One step on the incident's page: its words, whom it is for, where it begins, what it asks."""

    title: str
    right: Right
    begins: frozenset[str]
    do: Callable[[Incident, dict[str, Any], Any], object]
    text: str = ""
    moment: str = ""
    cause: str = ""
    choices: tuple[str, str] | None = None
    levels: bool = False
    staged: bool = False
    """Whether it begins where the handling is, even while another level is under review."""


_OPEN = frozenset({"draft", "reported", "returned", "handling", "recovered", "final"})
_EDIT, _REVIEW = Right.EDIT_SECURITY, Right.REVIEW_SECURITY
ACTIONS = {
    "report": IncidentAction(
        "通報",
        _EDIT,
        frozenset({"draft", "returned"}),
        lambda found, given, by: incident_actions.report(
            found, on_behalf=given["on_behalf"], by=by
        ),
    ),
    "review": IncidentAction(
        "審核",
        _REVIEW,
        frozenset({"reported"}),
        lambda found, given, by: incident_actions.review(
            found, accept=given["accept"] == "1", comment=given["text"], by=by
        ),
        text="審核意見（退回時必填）",
        choices=("通過", "退回補正"),
    ),
    "forward": IncidentAction(
        "登錄已送主管機關",
        _REVIEW,
        frozenset({"handling", "recovered", "final"}),
        lambda found, _, by: incident_actions.forward(found, by=by),
    ),
    "recover": IncidentAction(
        "登錄損害控制或復原",
        _EDIT,
        frozenset({"handling"}),
        lambda found, given, by: incident_actions.recover(
            found,
            at=given.get("moment") or timezone.now(),
            text=given["text"],
            on_behalf=given["on_behalf"],
            by=by,
        ),
        text="控制或復原情形",
        staged=True,
        moment="完成時間（空白為現在）",
    ),
    "finish": IncidentAction(
        "結報",
        _EDIT,
        frozenset({"recovered"}),
        lambda found, given, by: incident_actions.finish(
            found, given["text"], cause=given["cause"], on_behalf=given["on_behalf"], by=by
        ),
        text="調查、處理及改善情形",
        staged=True,
        cause="事件原因",
    ),
    "extend": IncidentAction(
        "同意展延結報",
        _REVIEW,
        frozenset({"recovered"}),
        lambda found, given, by: incident_actions.extend(
            found, to=given.get("moment") or timezone.now(), reason=given["text"], by=by
        ),
        text="理由",
        moment="展延至",
        staged=True,
    ),
    "close": IncidentAction(
        "結案審查",
        _REVIEW,
        frozenset({"final"}),
        lambda found, given, by: incident_actions.close(
            found, accept=given["accept"] == "1", comment=given["text"], by=by
        ),
        text="審查意見",
        choices=("同意結案", "退回補正"),
    ),
    "note": IncidentAction(
        "新增處置紀錄",
        _EDIT,
        _OPEN,
        lambda found, given, by: incident_actions.add_note(
            found, given["text"], on_behalf=given["on_behalf"], by=by
        ),
        text="處置內容",
    ),
    "level": IncidentAction("變更等級", _EDIT, _OPEN, lambda *_: None, levels=True),
    "withdraw": IncidentAction(
        "撤回",
        _EDIT,
        frozenset({"draft", "reported", "returned"}),
        lambda found, given, by: incident_actions.withdraw(
            found, reason=given["text"], on_behalf=given["on_behalf"], by=by
        ),
        text="撤回的理由（例如誤報、重複通報）；撤回後不列入件數",
    ),
    "reinstate": IncidentAction(
        "不同意撤回",
        _REVIEW,
        frozenset({"withdrawn"}),
        lambda found, given, by: incident_actions.reinstate(found, reason=given["text"], by=by),
        text="不同意的理由；事件回到「退回補正」",
    ),
}


def _may(user: Any, found: Incident, step: str) -> bool:
    """By the right of the step; who wrote it down may withdraw it, and a 資安長 who was called may
    write down what was decided."""
    if user.may(ACTIONS[step].right):
        return not (step == "withdraw" and found.was_reviewed)
    if step == "withdraw":
        return found.reporter_id == user.pk and not found.was_reviewed
    if step == "note":
        return incident_actions.is_called(user, found)
    return False


@require_POST
def action(request: HttpRequest, incident_id: int, step: str) -> HttpResponse:
    """Do one step; what cannot be done is said in one sentence on the incident's page."""
    with versions.held(request, Incident.objects.all(), incident_id):
        return _action(request, incident_id, step)


def _action(request: HttpRequest, incident_id: int, step: str) -> HttpResponse:
    user = request.user
    found = get_object_or_404(Incident.objects.visible_to(user), pk=incident_id)
    wanted = ACTIONS.get(step)
    if wanted is None:
        raise Http404
    if not (user.may(wanted.right) or _may(user, found, step)):
        raise PermissionDenied
    form: Any = LevelForm(request.POST) if wanted.levels else StepForm(request.POST)
    stead = OnBehalfForm(request.POST)
    for faults in [*form.errors.values(), *stead.errors.values()]:
        messages.error(request, str(faults[0]))
    if form.errors or stead.errors:
        return redirect(found)
    given = {**form.cleaned_data, **stead.cleaned_data}
    with refusal_shown(request):
        if wanted.levels:
            _refuse_overtaken(request, found, form)
            incident_actions.change_level(
                found, form.answers(), on_behalf=given["on_behalf"], by=user
            )
        else:
            wanted.do(found, given, user)
        messages.success(request, f"已完成：{wanted.title}。")
    return redirect(found)


def _refuse_overtaken(request: HttpRequest, found: Incident, form: LevelForm) -> None:
    """Raise ActionRefused if somebody else answered a question of the level since it was shown."""
    carried, user = request.POST.get(versions.FIELD, ""), request.user.get_username()
    now, subject = LevelForm(initial=LevelForm.given(found.given)), found.audit_subject
    stale = versions.stale(carried, now=now, typed=form, subject=subject, by=user)
    if stale is None:
        return
    differing = "；".join(f"{one.title}：現在是「{one.now}」" for one in stale.differences)
    raise ActionRefused(
        f"您開啟這一頁之後，有人改過影響評估，您填的還沒有存檔。{differing}。請核對後再變更一次。"
    )
