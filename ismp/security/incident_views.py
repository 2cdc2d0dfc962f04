"""資通安全通報: report, see how it stands and until when what is due, do the next step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ismp.accounts.roles import Right
from ismp.audit.trail import NotPossible
from ismp.security import incidents
from ismp.security.forms import IncidentForm, LevelForm, StepForm
from ismp.security.levels import ASPECTS, STEPS, SUBJECTS
from ismp.security.models import Cause, Incident, TimeLimit


@require_http_methods(["GET", "POST"])
def report(request: HttpRequest) -> HttpResponse:
    """Anybody may say what she noticed; who handles incidents may report it at once."""
    user: Any = request.user
    now = timezone.localtime()
    form = IncidentForm(request.POST or None, initial={"day": now.date(), "clock": now.time()})
    if form.is_valid():
        told = {name: form.cleaned_data[name] for name in ("title", "description", "is_drill")}
        known_at = form.cleaned_data["moment"]
        try:
            incident = incidents.open_incident(
                agency=user.agency, answers=form.answers(), known_at=known_at, by=user, **told
            )
        except NotPossible as reason:
            form.add_error("day", str(reason))
        else:
            messages.success(request, "已記下這個事件，機關的處理人員已收到通知。")
            return redirect(incident)
    return render(request, "security/report.html", {"form": form, "aspects": _aspects(form)})


def _aspects(form: Any) -> list[tuple[str, str, Any, Any]]:
    """Each aspect's name and question with its two fields, for the page."""
    return [
        (name, question, form[f"{aspect}_subject"], form[f"{aspect}_harm"])
        for aspect, (name, question, _) in ASPECTS.items()
    ]


@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    """What the person reported herself."""
    user: Any = request.user
    found = Incident.objects.filter(reporter=user).select_related("agency")
    return render(request, "security/mine.html", {"incidents": found[:100]})


@require_safe
def incident(request: HttpRequest, incident_id: int) -> HttpResponse:
    """How it stands: the clocks running visibly, what was answered, the timeline, the next step."""
    user: Any = request.user
    found = get_object_or_404(
        Incident.objects.visible_to(user).select_related("agency", "reporter"), pk=incident_id
    )
    levels = LevelForm(initial=LevelForm.given(found.given))
    context = {
        "incident": found,
        "limits": _limits(found),
        "answers": [
            (ASPECTS[aspect][0], SUBJECTS[given.subject], ASPECTS[aspect][2][given.harm])
            for aspect, given in found.given.items()
            if given.subject != "none"
        ],
        "timeline": found.timeline.all(),
        "deeds": [
            (name, deed)
            for name, deed in DEEDS.items()
            if found.state in deed.begins and user.may(deed.right)
        ],
        "aspects": _aspects(levels),
        "causes": [("", "尚未查明"), *Cause.choices],
        "may_assign": found.calls_for_training and user.may(Right.MANAGE_COURSES),
        "now": timezone.localtime(),
    }
    return render(request, "security/incident.html", context)


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


@dataclass(frozen=True)
class Deed:
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


_OPEN = frozenset({"draft", "reported", "returned", "handling", "recovered", "final"})
_EDIT, _REVIEW = Right.EDIT_SECURITY, Right.REVIEW_SECURITY
DEEDS = {
    "report": Deed(
        "通報",
        _EDIT,
        frozenset({"draft", "returned"}),
        lambda found, _, by: incidents.report(found, by=by),
    ),
    "review": Deed(
        "審核",
        _REVIEW,
        frozenset({"reported"}),
        lambda found, given, by: incidents.review(
            found, accept=given["accept"] == "1", comment=given["text"], by=by
        ),
        text="審核意見（退回時必填）",
        choices=("通過", "退回補正"),
    ),
    "forward": Deed(
        "登錄已送主管機關",
        _REVIEW,
        frozenset({"handling", "recovered", "final"}),
        lambda found, _, by: incidents.forward(found, by=by),
    ),
    "recover": Deed(
        "登錄損害控制或復原",
        _EDIT,
        frozenset({"handling"}),
        lambda found, given, by: incidents.recover(
            found, at=given.get("moment") or timezone.now(), text=given["text"], by=by
        ),
        text="控制或復原情形",
        moment="完成時間（空白為現在）",
    ),
    "finish": Deed(
        "結報",
        _EDIT,
        frozenset({"recovered"}),
        lambda found, given, by: incidents.finish(
            found, given["text"], cause=given["cause"], by=by
        ),
        text="調查、處理及改善情形",
        cause="事件原因",
    ),
    "extend": Deed(
        "同意展延結報",
        _REVIEW,
        frozenset({"recovered"}),
        lambda found, given, by: incidents.extend(
            found, to=given.get("moment") or timezone.now(), reason=given["text"], by=by
        ),
        text="理由",
        moment="展延至",
    ),
    "close": Deed(
        "結案審查",
        _REVIEW,
        frozenset({"final"}),
        lambda found, given, by: incidents.close(
            found, accept=given["accept"] == "1", comment=given["text"], by=by
        ),
        text="審查意見",
        choices=("同意結案", "退回補正"),
    ),
    "note": Deed(
        "新增處置紀錄",
        _EDIT,
        _OPEN,
        lambda found, given, by: incidents.add_note(found, given["text"], by=by),
        text="處置內容",
    ),
    "level": Deed("變更等級", _EDIT, _OPEN, lambda *_: None, levels=True),
}


@require_POST
def deed(request: HttpRequest, incident_id: int, step: str) -> HttpResponse:
    """Do one step; what cannot be done is said in one sentence on the incident's page."""
    user: Any = request.user
    found = get_object_or_404(Incident.objects.visible_to(user), pk=incident_id)
    wanted = DEEDS.get(step)
    if wanted is None:
        raise Http404
    if not user.may(wanted.right):
        raise PermissionDenied
    form: Any = LevelForm(request.POST) if wanted.levels else StepForm(request.POST)
    if not form.is_valid():
        for faults in form.errors.values():
            messages.error(request, str(faults[0]))
        return redirect(found)
    try:
        if wanted.levels:
            incidents.change_level(found, form.answers(), by=user)
        else:
            wanted.do(found, form.cleaned_data, user)
        messages.success(request, f"已完成：{wanted.title}。")
    except NotPossible as reason:
        messages.error(request, str(reason))
    return redirect(found)
