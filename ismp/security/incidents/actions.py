"""資通安全通報: the actions that move an incident on, each by whom the regulation names.

draft → reported → (returned → reported) → handling → recovered → final → closed; a draft, or what
waits for its first review, can be withdrawn.  Another level after the report is reported and
reviewed anew, while the handling goes on where it was.  Every action locks the incident, checks
that it stands where the action begins, adds a line to its timeline and an event to the trail.
Nothing is ever deleted.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Min, QuerySet
from django.utils import timezone

from ismp.accounts import national_id, separation
from ismp.accounts.agencies import actions as agencies
from ismp.accounts.models import Account, Agency
from ismp.accounts.roles import Right
from ismp.audit import changes, trail
from ismp.errors import ActionRefused
from ismp.notifications.actions import notify
from ismp.security import verbs
from ismp.security.incidents import levels
from ismp.security.incidents.levels import Answer, Aspect, Harm, Level, Step, Subject
from ismp.security.models import (
    OVER,
    Incident,
    IncidentEntry,
    IncidentState,
    SecurityOfficer,
    TimeLimit,
)
from ismp.ui.templatetags.ismp_ui import roc_moment
from ismp.ui.text import roc_dates

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

    Raises ActionRefused when it is said to be known later than now, or before there was a law.
    """
    _refuse_moment(known_at)
    Agency.objects.select_for_update(no_key=True).get(pk=agency.pk)  # its numbers have no gaps
    year = roc_dates.roc_year(timezone.localdate(known_at))
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
def report(incident: Incident, *, on_behalf: str = "", by: Account) -> Incident:
    """通報 (within an hour of knowing it); also again after it was returned."""
    incident = _locked(incident, IncidentState.DRAFT, IncidentState.RETURNED)
    if incident.level is None:
        raise ActionRefused("三個面向都未受影響，沒有等級可以通報；請先更正影響評估。")
    now = timezone.now()
    moments = {
        "reported_at": incident.reported_at or now,
        "first_reported_at": incident.first_reported_at or now,
    }
    _move(incident, IncidentState.REPORTED, **moments)
    _note(incident, Kind.REPORTED, f"{incident.level} 級", by, on_behalf)
    notify(
        reviewers(),
        kind="incident",
        subject=f"{_word(incident)}待審核：{incident.number}（{incident.level} 級）",
        link=incident.get_absolute_url(),
    )
    if not incident.escalated_at:
        _escalate_if_major(incident, by)
    return incident


@transaction.atomic
def edit(
    incident: Incident,
    *,
    title: str,
    description: str,
    known_at: datetime,
    is_drill: bool = False,
    answers: Mapping[Aspect, Answer] | None = None,
    on_behalf: str = "",
    by: Account,
) -> Incident:
    """Correct a draft, or what was given back, by whoever wrote it or handles it.

    The timeline shows what was there before.  Whether it is a drill, and without a review the
    level, is settled by the report.  Raises ActionRefused.
    """
    incident = _locked(incident, IncidentState.DRAFT, IncidentState.RETURNED)
    _refuse_strangers(incident, by)
    before = changes.stored(incident)
    _refuse_moment(known_at)
    if incident.first_reported_at and known_at > incident.first_reported_at:
        raise ActionRefused("知悉時間不能晚於通報時間，請更正。")
    incident.title, incident.description = national_id.hide(title), national_id.hide(description)
    incident.known_at = known_at
    found = changes.between(before, incident)
    own = ["title", "description", "known_at", "is_drill", "answers", "level"]
    if incident.state == IncidentState.DRAFT:
        incident.is_drill = is_drill
        found = changes.between(before, incident)
        if answers is not None and incident.answers != (given := _as_json(answers)):
            found.append(("影響評估", _in_words(incident.answers), _in_words(given)))
            incident.answers, incident.level = given, levels.level(answers)
    if not found:
        return incident
    incident.save(update_fields=own)
    words = "\n".join(f"{name}原為「{old}」，改為「{new}」" for name, old, new in found)
    _note(incident, Kind.EDITED, words, by, on_behalf, changes=found)
    return incident


@transaction.atomic
def withdraw(incident: Incident, *, reason: str, on_behalf: str = "", by: Account) -> Incident:
    """撤回 a mistaken report or a false alarm, as long as nobody has accepted it.

    It counts nowhere; the reviewers see it, and may disagree (`reinstate`).  Raises ActionRefused.
    """
    incident = _locked(
        incident, IncidentState.DRAFT, IncidentState.RETURNED, IncidentState.REPORTED
    )
    _refuse_strangers(incident, by)
    if incident.was_reviewed:
        raise ActionRefused("已審核通過的事件不能撤回；若為誤報，請在結報中說明。")
    if not reason.strip():
        raise ActionRefused("請填寫撤回的理由。")
    _move(incident, IncidentState.WITHDRAWN)
    _note(incident, Kind.WITHDRAWN, reason, by, on_behalf)
    recipients = handlers(incident.agency)
    if incident.first_reported_at:
        recipients = (recipients | reviewers()).distinct()
    notify(
        recipients.exclude(pk=by.pk),
        kind="incident",
        subject=f"{_word(incident)}已撤回：{incident.number}",
        link=incident.get_absolute_url(),
    )
    return incident


@transaction.atomic
def reinstate(incident: Incident, *, reason: str, by: Account) -> Incident:
    """不同意撤回: the reviewers want a report that was withdrawn to be completed and sent again.

    Raises ActionRefused.
    """
    incident = _locked(incident, IncidentState.WITHDRAWN)
    _refuse_own(incident, by)
    if not incident.first_reported_at:
        raise ActionRefused("這個事件沒有通報過，撤回後不必再處理。")
    if not reason.strip():
        raise ActionRefused("請填寫不同意撤回的理由。")
    _move(incident, IncidentState.RETURNED)
    _note(incident, Kind.REINSTATED, reason, by)
    notify(
        handlers(incident.agency),
        kind="incident",
        subject=f"{_word(incident)}不同意撤回，請補正後再通報：{incident.number}",
        link=incident.get_absolute_url(),
    )
    return incident


_LEVEL = ("answers", "level", "asked_answers", "asked_level")
_REPORT = (
    *("state", "resumes", "earlier_reports", "level_changed_at"),
    *("reported_at", "reviewed_at", "forwarded_at"),
)
"""What a report anew writes (`_report_anew`)."""


@transaction.atomic
def change_level(
    incident: Incident, answers: Mapping[Aspect, Answer], *, on_behalf: str = "", by: Account
) -> Incident:
    """Answer the level questions anew.

    Once reported, another level is reported and reviewed anew, each by its own clock, and the
    資安長 is called when it is a major one.  A level lower than one that was accepted holds when
    the reviewer agrees.  Raises ActionRefused.
    """
    incident = _locked(incident, *[one for one in IncidentState if one not in OVER])
    stead = separation.on_behalf_of(by, incident.agency, on_behalf)
    former, new = incident.level, levels.level(answers)
    if new is None and incident.state != IncidentState.DRAFT:
        raise ActionRefused("已通報的事件至少有一個面向受影響；若為誤報，請在結報中說明。")
    before = (incident.answers, former)
    if incident.state == IncidentState.DRAFT or new == former:
        _set_level(incident, answers, by, before, stead)
        return incident
    waits = incident.was_reviewed and new is not None and former is not None and new < former
    _report_anew(incident)
    if waits:
        incident.asked_answers, incident.asked_level = _as_json(answers), new
    else:
        incident.answers, incident.level = _as_json(answers), new
        incident.asked_answers, incident.asked_level = {}, None
    incident.save(update_fields=[*_LEVEL, *_REPORT])
    words = f"{former} 級改為 {new} 級"
    _note(incident, Kind.LEVEL, f"{words}{'，待審核同意後生效' if waits else ''}", by, on_behalf)
    notify(
        reviewers(),
        kind="incident",
        subject=f"{_word(incident)}等級變更待審核：{incident.number}（{words}）",
        link=incident.get_absolute_url(),
    )
    if not waits:
        _escalate_if_major(incident, by)
    return incident


def _set_level(
    incident: Incident,
    answers: Mapping[Aspect, Answer],
    by: Account,
    before: tuple[dict[str, list[str]], int | None],
    stead: dict[str, str],
) -> None:
    """Answers that ask for no new report: of a draft, or of the same level."""
    incident.answers, incident.level = _as_json(answers), levels.level(answers)
    incident.asked_answers, incident.asked_level = {}, None
    if before == (incident.answers, incident.level):
        return
    incident.save(update_fields=_LEVEL)
    found: list[changes.Change] = [("影響評估", _in_words(before[0]), _in_words(incident.answers))]
    is_draft = incident.state == IncidentState.DRAFT
    words = "影響評估更正" if is_draft else "影響評估更正，等級不變"
    _note(incident, Kind.EDITED, words, by, stead.get("because", ""), changes=found)


def _in_words(answers: Mapping[str, list[str]]) -> str:
    """機密性：非核心業務，輕微洩漏；… of answers as an incident keeps them."""
    return "；".join(
        f"{levels.ASPECTS[Aspect(aspect)][0]}：{levels.SUBJECTS[Subject(subject)]}"
        f"，{levels.ASPECTS[Aspect(aspect)][2][Harm(harm)]}"
        for aspect, (subject, harm) in answers.items()
        if subject != Subject.NONE
    )


def _report_anew(incident: Incident) -> None:
    """Put the report that there was aside, and begin one of another level with its own clocks.

    What was given back stays so: its handler still has to report.
    """
    now = timezone.now()
    if incident.reported_at:
        moments = {
            "since": incident.level_changed_at or incident.known_at,
            "reported_at": incident.reported_at,
            "reviewed_at": incident.reviewed_at,
            "forwarded_at": incident.forwarded_at,
        }
        former = {name: at.isoformat() if at else None for name, at in moments.items()}
        incident.earlier_reports.append({"level": incident.level, **former})
    returned = incident.state == IncidentState.RETURNED
    if incident.state not in (IncidentState.REPORTED, IncidentState.RETURNED):
        incident.resumes, incident.state = incident.state, IncidentState.REPORTED
    incident.level_changed_at, incident.reported_at = now, None if returned else now
    incident.reviewed_at = incident.forwarded_at = None


@transaction.atomic
def review(incident: Incident, *, accept: bool, comment: str, by: Account) -> Incident:
    """審核: accept the report, or give it back with what is missing.

    A lower level that was asked for holds when it is accepted; if not, the level stays and its
    report is reviewed.  Raises ActionRefused.
    """
    incident = _locked(incident, IncidentState.REPORTED)
    _refuse_own(incident, by)
    if not accept and not comment.strip():
        raise ActionRefused("退回補正時，請寫明要補正什麼。")
    asked, former = incident.asked_level, incident.level
    if accept and asked is not None:
        incident.answers, incident.level = incident.asked_answers, asked
    if accept or asked is not None:
        incident.state = incident.resumes or IncidentState.HANDLING
        incident.resumes, incident.reviewed_at = "", timezone.now()
        incident.asked_answers, incident.asked_level = {}, None
    else:
        incident.state = IncidentState.RETURNED
    incident.save(update_fields=[*_LEVEL, "state", "resumes", "reviewed_at"])
    outcome = "審核通過" if accept else "退回補正"
    if asked is not None:
        words = f"{former} 級改為 {asked} 級"
        outcome = f"同意{words}" if accept else f"不同意{words}，維持 {former} 級"
        comment = f"{outcome}。{comment}"
    _note(incident, Kind.ACCEPTED if accept else Kind.RETURNED, comment, by)
    notify(
        handlers(incident.agency),
        kind="incident",
        subject=f"{_word(incident)}{outcome}：{incident.number}",
        link=incident.get_absolute_url(),
    )
    if accept and asked is not None:
        _escalate_if_major(incident, by)
    return incident


@transaction.atomic
def forward(incident: Incident, *, by: Account) -> Incident:
    """Note that the result of the review went to the authority (within an hour of it)."""
    incident = _locked(incident, *_REVIEWED)
    if incident.forwarded_at:
        raise ActionRefused("審核結果已經送達，不必再送一次。")
    incident.forwarded_at = timezone.now()
    incident.save(update_fields=["forwarded_at"])
    _note(incident, Kind.FORWARDED, "", by)
    return incident


@transaction.atomic
def add_note(incident: Incident, text: str, *, on_behalf: str = "", by: Account) -> IncidentEntry:
    """處置紀錄: what was done, while it is open."""
    incident = _locked(incident, *[one for one in IncidentState if one not in OVER])
    if not text.strip():
        raise ActionRefused("請填寫處置內容。")
    return _note(incident, Kind.NOTE, text, by, on_behalf)


@transaction.atomic
def recover(
    incident: Incident, *, at: datetime, text: str, on_behalf: str = "", by: Account
) -> Incident:
    """Damage under control or systems restored, at a moment that lies behind us."""
    incident = _at_stage(incident, IncidentState.HANDLING)
    if not incident.known_at <= at <= timezone.now():
        raise ActionRefused("復原時間要在知悉之後、現在以前，請更正。")
    _move_on(incident, IncidentState.RECOVERED, recovered_at=at)
    _note(incident, Kind.RECOVERED, text, by, on_behalf)
    return incident


@transaction.atomic
def extend(incident: Incident, *, to: datetime, reason: str, by: Account) -> Incident:
    """Consent to a later final report: later than its limit, and not without end.

    Raises ActionRefused.
    """
    incident = _at_stage(incident, IncidentState.RECOVERED)
    _refuse_own(incident, by)
    by_law, limit = _final_report_due(incident)
    if to <= timezone.now() or not reason.strip():
        raise ActionRefused("展延日期要在今天以後，並請填寫理由。")
    if limit and to <= limit:
        raise ActionRefused(f"展延日期要比目前的期限 {roc_moment(limit)} 晚。")
    last = (by_law or timezone.now()) + timedelta(days=settings.REPORT_EXTENSION_DAYS)
    if to > last:
        raise ActionRefused(f"最晚只能展延到 {roc_moment(last)}，請更正。")
    before = changes.stored(incident)
    incident.extended_to = to
    incident.save(update_fields=["extended_to"])
    found = changes.between(before, incident)
    _note(incident, Kind.EXTENDED, reason, by, changes=found)
    return incident


@transaction.atomic
def finish(
    incident: Incident, text: str, *, cause: str = "", on_behalf: str = "", by: Account
) -> Incident:
    """結報: the report of cause, handling and improvement, within a month of recovery."""
    incident = _at_stage(incident, IncidentState.RECOVERED)
    if not text.strip():
        raise ActionRefused("請填寫調查、處理及改善情形。")
    incident.cause = cause
    incident.save(update_fields=["cause"])
    _move_on(incident, IncidentState.FINAL, final_at=timezone.now())
    _note(incident, Kind.FINAL, text, by, on_behalf)
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
        raise ActionRefused("請填寫審查意見。")
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
    """Courses assigned because of the incident, also after it was closed."""
    incident = hold(incident)
    if not incident.calls_for_training:
        raise ActionRefused("這個事件的原因與人員無關，不必指派教育訓練。")
    return _note(incident, Kind.TRAINING, text, by)


def name_officer(
    account: Account, *, deputy: Account | None = None, by: Account
) -> SecurityOfficer:
    """登錄資安長, and who stands in: active accounts of the agency; from today on."""
    today = timezone.localdate()
    return agencies.name_officer(
        account.agency, account=account, deputy=deputy, since=today, replace=True, by=by
    )


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
        raise ActionRefused(f"這個事件目前是「{incident.get_state_display()}」，不能這樣處理。")
    return incident


_HANDLING = (
    Kind.CREATED,
    Kind.EDITED,
    Kind.WITHDRAWN,
    Kind.REPORTED,
    Kind.LEVEL,
    Kind.NOTE,
    Kind.RECOVERED,
    Kind.FINAL,
)
"""What is the agency's to do, and who did it is not to judge."""


JUDGING = frozenset({"review", "extend", "close", "reinstate"})
"""Steps that nobody takes of an incident that he noticed, reported or handled."""


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


def _at_stage(incident: Incident, stage: IncidentState) -> Incident:
    """Locked, and its handling is so far, even while another level is under review."""
    incident = hold(incident)
    if incident.stage != stage:
        raise ActionRefused(f"這個事件目前是「{incident.get_state_display()}」，不能這樣處理。")
    return incident


def _move_on(incident: Incident, stage: IncidentState, **moments: datetime | None) -> None:
    """Move its handling on; a review of another level that waits goes on waiting."""
    if not incident.resumes:
        _move(incident, stage, **moments)
        return
    incident.resumes = stage
    incident.save(update_fields=["resumes"])
    _move(incident, IncidentState(incident.state), **moments)


def _refuse_moment(known_at: datetime) -> None:
    """Nobody knows of it later than now; and before the first law there is no clock for it."""
    if known_at > timezone.now():
        raise ActionRefused("知悉時間不能晚於現在，請更正。")
    first = TimeLimit.objects.aggregate(first=Min("effective_from"))["first"]
    if first and timezone.localdate(known_at) < first:
        raise ActionRefused(
            f"知悉時間不能早於 {roc_dates.roc_date(first)}（通報辦法施行），請更正。"
        )


def _refuse_strangers(incident: Incident, by: Account) -> None:
    """Only who wrote it down, and who handles incidents, corrects or withdraws it."""
    if incident.reporter_id != by.pk and not by.may(Right.EDIT_SECURITY):
        raise ActionRefused("只有寫下這個事件的人與機關的處理人員可以更正或撤回。")


def is_called(user: Account, incident: Incident) -> bool:
    """Whether somebody is the 資安長 who was called to an incident."""
    agencies = SecurityOfficer.objects.agencies_of(user)
    return bool(incident.escalated_at) and agencies.filter(pk=incident.agency_id).exists()


def may_correct(incident: Incident, user: Account) -> bool:
    """Whether the page offers somebody to correct it (`edit` decides)."""
    begins = (IncidentState.DRAFT, IncidentState.RETURNED)
    return incident.state in begins and (
        incident.reporter_id == user.pk or user.may(Right.EDIT_SECURITY)
    )


def _final_report_due(incident: Incident) -> tuple[datetime | None, datetime | None]:
    """Until when the final report is due: by the law alone, and with what was consented to."""
    clocks = [line.clock for line in TimeLimit.objects.all()]
    found = {limit.step: limit.at for limit in incident.limits(clocks)}
    extended, incident.extended_to = incident.extended_to, None
    by_law = {limit.step: limit.at for limit in incident.limits(clocks)}
    incident.extended_to = extended
    return by_law.get(Step.FINAL_REPORT), found.get(Step.FINAL_REPORT)


def _note(
    incident: Incident,
    kind: IncidentEntry.Kind,
    text: str,
    by: Account,
    on_behalf: str = "",
    **detail: Any,
) -> IncidentEntry:
    """A line of the timeline and an event of the trail: every action ends with one.

    What is the agency's own to do somebody else does with a reason (`on_behalf`).
    """
    own = kind in _HANDLING
    stead = separation.on_behalf_of(by, incident.agency, on_behalf) if own else {}
    entry = IncidentEntry.objects.create(
        incident=incident,
        kind=kind,
        text=national_id.hide(text),
        by=by.username,
        by_name=by.name,
        on_behalf=stead.get("because", ""),
    )
    trail.record(
        verbs.INCIDENT, incident, actor=by.username, step=Kind(kind).label, **detail, **stead
    )
    return entry


def _escalate_if_major(incident: Incident, by: Account) -> None:
    """Levels 3 and 4: the agency's 資安長 is told at once (and convenes a meeting)."""
    if not Level(incident.level or Level.ONE).is_major:
        return
    named = SecurityOfficer.objects.on(timezone.localdate())
    officer = named.filter(agency=incident.agency.successor_id).first()
    officers = officer.on_duty() if officer else []
    notify(
        officers or list(handlers(incident.agency)),
        kind="incident",
        subject=f"重大{_word(incident)}：{incident.number}（{incident.level} 級），請召開會議",
        link=incident.get_absolute_url(),
    )
    incident.escalated_at = timezone.now()
    incident.save(update_fields=["escalated_at"])
    lacking = "的資安長與代理人都不在職" if officer else "尚未登錄資安長"
    text = "" if officers else f"本機關{lacking}，已通知機關管理者，請盡速登錄。"
    _note(incident, Kind.ESCALATED, text, by)


def _word(incident: Incident) -> str:
    return "資安事件（演練）" if incident.is_drill else "資安事件"


def _as_json(answers: Mapping[Aspect, Answer]) -> dict[str, list[str]]:
    return {aspect.value: [a.subject.value, a.harm.value] for aspect, a in answers.items()}


def handlers(agency: Agency) -> QuerySet[Account]:
    """Who sees to incidents, devices and advisories of an agency today."""
    return Account.objects.who_may(Right.EDIT_SECURITY).filter(agency=agency.successor_id)


def reviewers() -> QuerySet[Account]:
    return Account.objects.who_may(Right.REVIEW_SECURITY)
