"""資通安全通報: an incident from the first word to its closing review, with a frozen clock."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from ismp.accounts.models import Account, Agency
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.audit.trail import NotPossible
from ismp.notices.models import Notice
from ismp.security import incidents
from ismp.security.levels import CLOCKS, Answer, Aspect, Harm, Step, Subject
from ismp.security.models import Incident, IncidentEntry, IncidentState, SecurityOfficer

pytestmark = pytest.mark.django_db
NINE = datetime(2026, 11, 25, 9, tzinfo=ZoneInfo("Asia/Taipei"))
SMALL = {Aspect.AVAILABILITY: Answer(Subject.NON_CORE, Harm.SLIGHT)}
BIG = {Aspect.CONFIDENTIALITY: Answer(Subject.CORE, Harm.SERIOUS)}


class Clock:
    """Stands still until it is moved."""

    def __init__(self, monkeypatch):
        self.now = NINE
        monkeypatch.setattr(timezone, "now", lambda: self.now)

    def later(self, **how):
        self.now += timedelta(**how)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def people(account):
    """Who notices, who handles, who reviews."""
    return (
        account("EP1003"),
        account("EP1001", "agency_admin"),
        account("IC1001", "platform_admin"),
    )


def noticed(people, answers=SMALL, **more):
    given = {
        "title": "首頁無法開啟",
        "description": "民眾反映",
        "answers": answers,
        "known_at": NINE,
    }
    return incidents.open_incident(agency=people[0].agency, by=people[0], **{**given, **more})


def limits(incident):
    return {limit.step: limit.at for limit in incident.limits(CLOCKS)}


def steps(incident):
    return list(incident.timeline.values_list("kind", flat=True))


def test_the_life_of_an_incident(people, clock):
    _, handler, reviewer = people
    incident = noticed(people)
    assert (incident.number, incident.level) == ("382990002Z-115-0001", 1)
    assert limits(incident)[Step.REPORT] == NINE + timedelta(hours=1)
    assert Notice.objects.filter(account=handler).exists()
    clock.later(minutes=40)
    incident = incidents.report(incident, by=handler)
    assert limits(incident)[Step.REVIEW] == clock.now + timedelta(hours=8)
    clock.later(hours=1)
    with pytest.raises(NotPossible, match="補正什麼"):
        incidents.review(incident, accept=False, comment=" ", by=reviewer)
    incident = incidents.review(incident, accept=False, comment="請補影響範圍", by=reviewer)
    first = incident.reported_at
    incident = incidents.report(incident, by=handler)
    assert incident.reported_at == first
    incident = incidents.review(incident, accept=True, comment="", by=reviewer)
    assert limits(incident)[Step.FORWARD] == clock.now + timedelta(hours=1)
    incident = incidents.forward(incident, by=reviewer)
    incidents.add_note(incident, "已隔離主機，A123456789 處理", by=handler)
    clock.later(hours=5)
    incident = incidents.recover(incident, at=clock.now, text="改由備援提供", by=handler)
    assert limits(incident)[Step.FINAL_REPORT].date() == datetime(2026, 12, 25).date()
    later = clock.now + timedelta(days=45)
    incident = incidents.extend(incident, to=later, reason="等候鑑識報告", by=reviewer)
    assert limits(incident)[Step.FINAL_REPORT] == later
    clock.later(days=10)
    incident = incidents.finish(incident, "原因、處理、改善", by=handler)
    incident = incidents.close(incident, accept=False, comment="請補改善期程", by=reviewer)
    incident = incidents.finish(incident, "原因、處理、改善與期程", by=handler)
    incident = incidents.close(incident, accept=True, comment="同意", by=reviewer)
    assert incident.state == IncidentState.CLOSED
    assert steps(incident) == (
        "created reported returned reported accepted forwarded note recovered extended"
        " final returned final closed".split()
    )
    assert "A123456789" not in "".join(incident.timeline.values_list("text", flat=True))
    assert Event.objects.filter(verb="incident").count() == len(steps(incident))
    assert list(trail.faults()) == []


def test_each_step_begins_where_the_one_before_ended(people, clock):
    _, handler, reviewer = people
    incident = noticed(people)
    moves = [
        lambda: incidents.review(incident, accept=True, comment="", by=reviewer),
        lambda: incidents.forward(incident, by=reviewer),
        lambda: incidents.recover(incident, at=clock.now, text="", by=handler),
        lambda: incidents.finish(incident, "x", by=handler),
        lambda: incidents.close(incident, accept=True, comment="x", by=reviewer),
    ]
    for move in moves:
        with pytest.raises(NotPossible, match="草稿"):
            move()
    assert steps(incident) == ["created"]


def test_a_major_incident_goes_to_the_security_officer_once(people, clock, account):
    _, handler, _ = people
    officer = account("EP1005")
    SecurityOfficer.objects.create(agency=officer.agency, account=officer)
    incident = incidents.report(noticed(people, BIG), by=handler)
    assert incident.level == 3
    assert Notice.objects.filter(account=officer).get().subject.startswith("重大資安事件")
    worse = {Aspect.CONFIDENTIALITY: Answer(Subject.STATE_SECRET)}
    incident = incidents.change_level(incident, worse, by=handler)
    assert incident.level == 4
    assert steps(incident).count("escalated") == 1


def test_without_an_officer_the_handlers_are_told_to_name_one(people, clock):
    _, handler, _ = people
    incident = incidents.report(noticed(people, BIG), by=handler)
    assert "尚未登錄資安長" in incident.timeline.get(kind="escalated").text


def test_another_level_after_the_report_is_told_to_the_reviewers(people, clock):
    _, handler, reviewer = people
    incident = incidents.change_level(noticed(people), BIG, by=handler)
    assert steps(incident) == ["created"]  # not reported yet: nothing to report again
    incident = incidents.report(incident, by=handler)
    told = Notice.objects.filter(account=reviewer).count()
    incident = incidents.change_level(incident, SMALL, by=handler)
    assert (incident.level, incident.level_changed_at) == (1, clock.now)
    assert Notice.objects.filter(account=reviewer).count() == told + 1
    with pytest.raises(NotPossible, match="至少有一個面向"):
        incidents.change_level(incident, {}, by=handler)


def test_where_nothing_was_hit_nothing_is_reported(people, clock):
    incident = noticed(people, {Aspect.INTEGRITY: Answer(Subject.NONE)})
    assert incident.level is None and incident.limits(CLOCKS) == []
    with pytest.raises(NotPossible, match="沒有等級"):
        incidents.report(incident, by=people[1])


def test_times_that_cannot_be_are_refused(people, clock):
    with pytest.raises(NotPossible, match="不能晚於現在"):
        noticed(people, known_at=NINE + timedelta(minutes=1))
    _, handler, reviewer = people
    incident = incidents.report(noticed(people), by=handler)
    incident = incidents.review(incident, accept=True, comment="", by=reviewer)
    for moment in (NINE - timedelta(minutes=1), NINE + timedelta(minutes=1)):
        with pytest.raises(NotPossible, match="復原時間"):
            incidents.recover(incident, at=moment, text="", by=handler)


def test_numbers_have_no_gaps_and_begin_anew_each_year(people, clock):
    first, second = noticed(people), noticed(people, is_drill=True)
    last_year = noticed(people, known_at=NINE.replace(year=2025))
    assert [one.number[-8:] for one in (first, second, last_year)] == [
        "115-0001",
        "115-0002",
        "114-0001",
    ]
    assert "演練" in Notice.objects.filter(subject__contains="115-0002").first().subject


def test_who_sees_an_incident(people, clock, account):
    incident = noticed(people)
    stranger, colleague = account("CU1001", "agency_admin"), account("EP1004")
    auditor = account("CU1002", "auditor")
    seen = [Incident.objects.visible_to(person).count() for person in (*people, auditor)]
    assert seen == [1, 1, 1, 1]
    assert not Incident.objects.visible_to(stranger).exists()
    assert not Incident.objects.visible_to(colleague).exists()
    assert incident.reporter == people[0]


def test_the_database_itself_refuses_a_report_without_a_level(people, clock):
    incident = noticed(people, {})
    with pytest.raises(IntegrityError), transaction.atomic():
        Incident.objects.filter(pk=incident.pk).update(state=IncidentState.REPORTED)
    assert IncidentEntry.objects.count() == 1
    assert Agency.objects.count() == 3 and Account.objects.exists()


def recovered(people, clock, **more):
    _, handler, reviewer = people
    incident = incidents.report(noticed(people, **more), by=handler)
    incident = incidents.review(incident, accept=True, comment="", by=reviewer)
    return incidents.recover(incident, at=clock.now, text="", by=handler)


@pytest.mark.parametrize(
    ("days", "sentence"), [(-1, "今天以後"), (5, "比目前的期限"), (400, "最晚只能展延到")]
)
def test_an_extension_goes_forward_and_not_without_end(people, clock, days, sentence):
    incident = recovered(people, clock)
    with pytest.raises(NotPossible, match=sentence):
        to = clock.now + timedelta(days=days)
        incidents.extend(incident, to=to, reason="等候鑑識報告", by=people[2])
    limit = limits(incident)[Step.FINAL_REPORT]
    for more in (10, 20):
        incident = incidents.extend(
            incident, to=limit + timedelta(days=more), reason="等候", by=people[2]
        )
    with pytest.raises(NotPossible, match="比目前的期限"):  # nor back to the first extension
        incidents.extend(incident, to=limit + timedelta(days=15), reason="等候", by=people[2])
