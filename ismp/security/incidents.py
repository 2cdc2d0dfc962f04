"""資通安全通報: the deeds that move an incident on, each by whom the regulation names.

draft → reported → (returned → reported) → handling → recovered → final → closed.  Every deed
locks the incident, checks that it stands where the deed begins, adds a line to its timeline and an
event to the trail.  Nothing is ever deleted.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from ismp.accounts import national_id, separation
from ismp.accounts.models import Account, Agency
from ismp.accounts.roles import Right
from ismp.audit import trail
from ismp.audit.trail import NotPossible
from ismp.notices.actions import notify
from ismp.security import levels
from ismp.security.levels import Answer, Aspect, Level, Step
from ismp.security.models import (
    Incident,
    IncidentEntry,
    IncidentState,
    SecurityOfficer,
    TimeLimit,
)
from ismp.ui import roc
from ismp.ui.templatetags.ismp_ui import roc_moment

Kind = IncidentEntry.Kind


@transaction.atomic
def open_incident(
    *,
    agency: Agency,
    title: str,
    description: str,
    answers: Mapping[Aspect, Answer],
    known_at: datetime,
    is_drill: bool = False,
    by: Account,
) -> Incident:
    """Write down what somebody noticed; whoever handles incidents in the agency is told.

    Raises NotPossible when it is said to be known later than now.
    """
    if known_at > timezone.now():
        raise NotPossible("知悉時間不能晚於現在，請更正。")
    Agency.objects.select_for_update(no_key=True).get(pk=agency.pk)  # its numbers have no gaps
    year = roc.roc_year(timezone.localdate(known_at))
    used = Incident.objects.filter(agency=agency, year=year).aggregate(last=Max("serial"))["last"]
    incident = Incident.objects.create(
        agency=agency,
        year=year,
        serial=(used or 0) + 1,
        title=national_id.hide(title),
        description=national_id.hide(description),
        answers=_as_json(answers),
        level=levels.level(answers),
        known_at=known_at,
        is_drill=is_drill,
        reporter=by,
    )
    _note(incident, Kind.CREATED, "", by)
    notify(
        handlers(agency).exclude(pk=by.pk),
        kind="incident",
        subject=f"{_word(incident)}待通報：{incident.number}",
        link=incident.get_absolute_url(),
    )
    return incident


@transaction.atomic
def report(incident: Incident, *, by: Account) -> Incident:
    """通報 (within an hour of knowing it); also again after it was returned."""
    incident = _locked(incident, IncidentState.DRAFT, IncidentState.RETURNED)
    if incident.level is None:
        raise NotPossible("三個面向都未受影響，沒有等級可以通報；請先更正影響評估。")
    first = incident.reported_at or timezone.now()
    _move(incident, IncidentState.REPORTED, reported_at=first)
    _note(incident, Kind.REPORTED, f"{incident.level} 級", by)
    notify(
        reviewers(),
        kind="incident",
        subject=f"{_word(incident)}待審核：{incident.number}（{incident.level} 級）",
        link=incident.get_absolute_url(),
    )
    _escalate_if_major(incident, by)
    return incident


@transaction.atomic
def change_level(incident: Incident, answers: Mapping[Aspect, Answer], *, by: Account) -> Incident:
    """Answer the level questions anew.  Once reported, another level is reported again at once."""
    open_states = [state for state in IncidentState if state is not IncidentState.CLOSED]
    incident = _locked(incident, *open_states)
    former, new = incident.level, levels.level(answers)
    if new is None and incident.state != IncidentState.DRAFT:
        raise NotPossible("已通報的事件至少有一個面向受影響；若為誤報，請在結報中說明。")
    incident.answers, incident.level = _as_json(answers), new
    incident.save(update_fields=["answers", "level"])
    if new != former and incident.state != IncidentState.DRAFT:
        incident.level_changed_at = timezone.now()
        incident.save(update_fields=["level_changed_at"])
        _note(incident, Kind.LEVEL, f"{former} 級改為 {new} 級", by)
        notify(
            reviewers(),
            kind="incident",
            subject=f"{_word(incident)}等級變更：{incident.number}（{former} 級改為 {new} 級）",
            link=incident.get_absolute_url(),
        )
        _escalate_if_major(incident, by)
    return incident


@transaction.atomic
def review(incident: Incident, *, accept: bool, comment: str, by: Account) -> Incident:
    """審核: accept the report, or give it back with what is missing."""
    incident = _locked(incident, IncidentState.REPORTED)
    _refuse_own(incident, by)
    if accept:
        _move(incident, IncidentState.HANDLING, reviewed_at=timezone.now())
    elif not comment.strip():
        raise NotPossible("退回補正時，請寫明要補正什麼。")
    else:
        _move(incident, IncidentState.RETURNED)
    _note(incident, Kind.ACCEPTED if accept else Kind.RETURNED, comment, by)
    notify(
        handlers(incident.agency),
        kind="incident",
        subject=f"{_word(incident)}{'審核通過' if accept else '退回補正'}：{incident.number}",
        link=incident.get_absolute_url(),
    )
    return incident


@transaction.atomic
def forward(incident: Incident, *, by: Account) -> Incident:
    """Note that the result of the review went to the authority (within an hour of it)."""
    incident = _locked(incident, *_REVIEWED)
    if incident.forwarded_at:
        raise NotPossible("審核結果已經送達，不必再送一次。")
    incident.forwarded_at = timezone.now()
    incident.save(update_fields=["forwarded_at"])
    _note(incident, Kind.FORWARDED, "", by)
    return incident


@transaction.atomic
def add_note(incident: Incident, text: str, *, by: Account) -> IncidentEntry:
    """處置紀錄: what was done, while it is open."""
    incident = _locked(incident, *[s for s in IncidentState if s is not IncidentState.CLOSED])
    if not text.strip():
        raise NotPossible("請填寫處置內容。")
    return _note(incident, Kind.NOTE, text, by)


@transaction.atomic
def recover(incident: Incident, *, at: datetime, text: str, by: Account) -> Incident:
    """Damage under control or systems restored, at a moment that lies behind us."""
    incident = _locked(incident, IncidentState.HANDLING)
    if not incident.known_at <= at <= timezone.now():
        raise NotPossible("復原時間要在知悉之後、現在以前，請更正。")
    _move(incident, IncidentState.RECOVERED, recovered_at=at)
    _note(incident, Kind.RECOVERED, text, by)
    return incident


@transaction.atomic
def extend(incident: Incident, *, to: datetime, reason: str, by: Account) -> Incident:
    """Consent to a later final report: later than its limit, and not without end.

    Raises NotPossible.
    """
    incident = _locked(incident, IncidentState.RECOVERED)
    _refuse_own(incident, by)
    by_law, limit = _final_report_due(incident)
    if to <= timezone.now() or not reason.strip():
        raise NotPossible("展延日期要在今天以後，並請填寫理由。")
    if limit and to <= limit:
        raise NotPossible(f"展延日期要比目前的期限 {roc_moment(limit)} 晚。")
    last = (by_law or timezone.now()) + timedelta(days=settings.REPORT_EXTENSION_DAYS)
    if to > last:
        raise NotPossible(f"最晚只能展延到 {roc_moment(last)}，請更正。")
    incident.extended_to = to
    incident.save(update_fields=["extended_to"])
    _note(incident, Kind.EXTENDED, reason, by)
    return incident


@transaction.atomic
def finish(incident: Incident, text: str, *, cause: str = "", by: Account) -> Incident:
    """結報: the report of cause, handling and improvement, within a month of recovery."""
    incident = _locked(incident, IncidentState.RECOVERED)
    if not text.strip():
        raise NotPossible("請填寫調查、處理及改善情形。")
    incident.cause = cause
    incident.save(update_fields=["cause"])
    _move(incident, IncidentState.FINAL, final_at=timezone.now())
    _note(incident, Kind.FINAL, text, by)
    notify(
        reviewers(),
        kind="incident",
        subject=f"{_word(incident)}待結案審查：{incident.number}",
        link=incident.get_absolute_url(),
    )
    return incident


@transaction.atomic
def close(incident: Incident, *, accept: bool, comment: str, by: Account) -> Incident:
    """The closing review: close it, or ask for a better final report."""
    incident = _locked(incident, IncidentState.FINAL)
    _refuse_own(incident, by)
    if not comment.strip():
        raise NotPossible("請填寫審查意見。")
    if accept:
        _move(incident, IncidentState.CLOSED, closed_at=timezone.now())
    else:
        _move(incident, IncidentState.RECOVERED, final_at=None)
    _note(incident, Kind.CLOSED if accept else Kind.RETURNED, comment, by)
    notify(
        handlers(incident.agency),
        kind="incident",
        subject=f"{_word(incident)}{'結案' if accept else '結報退回補正'}：{incident.number}",
        link=incident.get_absolute_url(),
    )
    return incident


@transaction.atomic
def note_training(incident: Incident, text: str, *, by: Account) -> IncidentEntry:
    """What people were given to learn from it, also after it was closed."""
    incident = hold(incident)
    if not incident.calls_for_training:
        raise NotPossible("這個事件的原因與人員無關，不必指派教育訓練。")
    return _note(incident, Kind.TRAINING, text, by)


@transaction.atomic
def name_officer(account: Account, *, by: Account) -> SecurityOfficer:
    """登錄資安長: an active account of the agency; takes the place of the one before."""
    officer, _ = SecurityOfficer.objects.update_or_create(
        agency=account.agency, defaults={"account": account}
    )
    trail.record(
        "name_officer",
        actor=by.username,
        agency=account.agency.code,
        subject=f"account:{account.username}",
    )
    return officer


_REVIEWED = (
    IncidentState.HANDLING,
    IncidentState.RECOVERED,
    IncidentState.FINAL,
    IncidentState.CLOSED,
)


def hold(incident: Incident) -> Incident:
    held = Incident.objects.select_for_update(of=("self",)).select_related("agency")
    return held.get(pk=incident.pk)


def _locked(incident: Incident, *begins: IncidentState) -> Incident:
    incident = hold(incident)
    if incident.state not in begins:
        raise NotPossible(f"這個事件目前是「{incident.get_state_display()}」，不能這樣處理。")
    return incident


_HANDLING = (Kind.CREATED, Kind.REPORTED, Kind.LEVEL, Kind.NOTE, Kind.RECOVERED, Kind.FINAL)
"""What is the agency's to do, and who did it is not to judge."""


def handlers_of(found: Iterable[Incident]) -> dict[int, frozenset[int]]:
    """Return the accounts that noticed, reported or handled each incident, by its id: they neither
    review nor close it.  Takes two queries."""
    chosen = list(found)
    entries = IncidentEntry.objects.filter(incident__in=chosen, kind__in=_HANDLING)
    named = list(entries.values_list("incident", "by"))
    names = {name for _, name in named}
    ids = dict(Account.objects.filter(username__in=names).values_list("username", "pk"))
    who = {one.pk: {one.reporter_id} for one in chosen}
    for incident_id, name in named:
        who[incident_id] |= {ids[name]} if name in ids else set()
    return {pk: frozenset(people) for pk, people in who.items()}


def _refuse_own(incident: Incident, by: Account) -> None:
    people = Account.objects.filter(pk__in=handlers_of([incident])[incident.pk])
    separation.refuse_own(by, people, right=Right.REVIEW_SECURITY)


def _move(incident: Incident, state: IncidentState, **moments: datetime | None) -> None:
    incident.state = state
    for name, moment in moments.items():
        setattr(incident, name, moment)
    incident.save(update_fields=["state", *moments])


def _final_report_due(incident: Incident) -> tuple[datetime | None, datetime | None]:
    """Until when the final report is due: by the law alone, and with what was consented to."""
    clocks = [line.clock for line in TimeLimit.objects.all()]
    found = {limit.step: limit.at for limit in incident.limits(clocks)}
    extended, incident.extended_to = incident.extended_to, None
    by_law = {limit.step: limit.at for limit in incident.limits(clocks)}
    incident.extended_to = extended
    return by_law.get(Step.FINAL_REPORT), found.get(Step.FINAL_REPORT)


def _note(incident: Incident, kind: IncidentEntry.Kind, text: str, by: Account) -> IncidentEntry:
    """A line of the timeline and an event of the trail: every deed ends with one."""
    entry = IncidentEntry.objects.create(
        incident=incident,
        kind=kind,
        text=national_id.hide(text),
        by=by.username,
        by_name=by.name,
    )
    trail.record(
        "incident",
        actor=by.username,
        agency=incident.agency.code,
        subject=f"incident:{incident.pk}",
        step=Kind(kind).label,
        drill=incident.is_drill,
    )
    return entry


def _escalate_if_major(incident: Incident, by: Account) -> None:
    """Levels 3 and 4: the agency's 資安長 is told at once (and convenes a meeting)."""
    if not Level(incident.level or Level.ONE).is_major or incident.escalated_at:
        return
    officers = SecurityOfficer.objects.filter(agency=incident.agency).select_related("account")
    officer = officers.first()
    told = [officer.account] if officer else list(handlers(incident.agency))
    notify(
        told,
        kind="incident",
        subject=f"重大{_word(incident)}：{incident.number}（{incident.level} 級），請召開會議",
        link=incident.get_absolute_url(),
    )
    incident.escalated_at = timezone.now()
    incident.save(update_fields=["escalated_at"])
    text = "" if officer else "本機關尚未登錄資安長，已通知機關管理者，請盡速登錄。"
    _note(incident, Kind.ESCALATED, text, by)


def _word(incident: Incident) -> str:
    return "資安事件（演練）" if incident.is_drill else "資安事件"


def _as_json(answers: Mapping[Aspect, Answer]) -> dict[str, list[str]]:
    return {aspect.value: [a.subject.value, a.harm.value] for aspect, a in answers.items()}


def handlers(agency: Agency) -> QuerySet[Account]:
    return Account.objects.who_may(Right.EDIT_SECURITY).filter(agency=agency)


def reviewers() -> QuerySet[Account]:
    return Account.objects.who_may(Right.REVIEW_SECURITY)
