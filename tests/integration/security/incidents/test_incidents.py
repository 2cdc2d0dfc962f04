"""資通安全通報: an incident from the first word to its closing review, with a frozen clock."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, transaction

from ismp.accounts.models import Account, Agency
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.errors import ActionRefused
from ismp.notifications.models import Notice
from ismp.portal.home import dashboard
from ismp.security import overview
from ismp.security.devices.actions import decisions as decision_actions
from ismp.security.devices.actions import devices as device_actions
from ismp.security.devices.actions import products as product_actions
from ismp.security.incidents import actions as incident_actions
from ismp.security.incidents.levels import CLOCKS, Answer, Aspect, Harm, Step, Subject
from ismp.security.models import (
    Device,
    Incident,
    IncidentEntry,
    IncidentState,
    RestrictedProduct,
    SecurityOfficer,
)

pytestmark = pytest.mark.django_db
NINE = datetime(2026, 11, 25, 9, tzinfo=ZoneInfo("Asia/Taipei"))
SMALL = {Aspect.AVAILABILITY: Answer(Subject.NON_CORE, Harm.SLIGHT)}
BIG = {Aspect.CONFIDENTIALITY: Answer(Subject.CORE, Harm.SERIOUS)}


class Clock:
    """Stands still until it is moved."""

    def __init__(self, time_machine):
        self.now, self._travel = NINE, time_machine
        self._travel.move_to(self.now, tick=False)

    def later(self, **how):
        self.now += timedelta(**how)
        self._travel.move_to(self.now)


@pytest.fixture
def clock(time_machine):
    return Clock(time_machine)


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
    return incident_actions.open_incident(
        agency=people[0].agency, by=people[0], **{**given, **more}
    )


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
    incident = incident_actions.report(incident, by=handler)
    assert limits(incident)[Step.REVIEW] == clock.now + timedelta(hours=8)
    clock.later(hours=1)
    with pytest.raises(ActionRefused, match="補正什麼"):
        incident_actions.review(incident, accept=False, comment=" ", by=reviewer)
    incident = incident_actions.review(incident, accept=False, comment="請補影響範圍", by=reviewer)
    first = incident.reported_at
    incident = incident_actions.report(incident, by=handler)
    assert incident.reported_at == first
    incident = incident_actions.review(incident, accept=True, comment="", by=reviewer)
    assert limits(incident)[Step.FORWARD] == clock.now + timedelta(hours=1)
    incident = incident_actions.forward(incident, by=reviewer)
    incident_actions.add_note(incident, "已隔離主機，A123456789 處理", by=handler)
    clock.later(hours=5)
    incident = incident_actions.recover(incident, at=clock.now, text="改由備援提供", by=handler)
    assert limits(incident)[Step.FINAL_REPORT].date() == datetime(2026, 12, 25).date()
    later = clock.now + timedelta(days=45)
    incident = incident_actions.extend(incident, to=later, reason="等候鑑識報告", by=reviewer)
    assert limits(incident)[Step.FINAL_REPORT] == later
    clock.later(days=10)
    incident = incident_actions.finish(incident, "原因、處理、改善", by=handler)
    incident = incident_actions.close(incident, accept=False, comment="請補改善期程", by=reviewer)
    incident = incident_actions.finish(incident, "原因、處理、改善與期程", by=handler)
    incident = incident_actions.close(incident, accept=True, comment="同意", by=reviewer)
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
        lambda: incident_actions.review(incident, accept=True, comment="", by=reviewer),
        lambda: incident_actions.forward(incident, by=reviewer),
        lambda: incident_actions.recover(incident, at=clock.now, text="", by=handler),
        lambda: incident_actions.finish(incident, "x", by=handler),
        lambda: incident_actions.close(incident, accept=True, comment="x", by=reviewer),
    ]
    for move in moves:
        with pytest.raises(ActionRefused, match="草稿"):
            move()
    assert steps(incident) == ["created"]


def test_a_major_incident_goes_to_the_security_officer_at_each_level(people, clock, account):
    _, handler, _ = people
    officer = account("EP1005")
    SecurityOfficer.objects.create(agency=officer.agency, account=officer)
    incident = incident_actions.report(noticed(people, BIG), by=handler)
    assert incident.level == 3
    assert Notice.objects.filter(account=officer).get().subject.startswith("重大資安事件")
    worse = {Aspect.CONFIDENTIALITY: Answer(Subject.STATE_SECRET)}
    incident = incident_actions.change_level(incident, worse, by=handler)
    assert incident.level == 4
    assert steps(incident).count("escalated") == 2
    assert Notice.objects.filter(account=officer).count() == 2


def test_without_an_officer_the_handlers_are_asked_to_name_one(people, clock):
    _, handler, _ = people
    incident = incident_actions.report(noticed(people, BIG), by=handler)
    assert "尚未登錄資安長" in incident.timeline.get(kind="escalated").text


def test_reviewers_are_notified_of_another_level_after_the_report(people, clock):
    _, handler, reviewer = people
    incident = incident_actions.change_level(noticed(people), BIG, by=handler)
    assert steps(incident) == ["created", "edited"]  # not reported yet: nothing to report again
    incident = incident_actions.report(incident, by=handler)
    notices = Notice.objects.filter(account=reviewer).count()
    incident = incident_actions.change_level(incident, SMALL, by=handler)
    assert (incident.level, incident.level_changed_at) == (1, clock.now)
    assert Notice.objects.filter(account=reviewer).count() == notices + 1
    with pytest.raises(ActionRefused, match="至少有一個面向"):
        incident_actions.change_level(incident, {}, by=handler)


def test_where_nothing_was_hit_nothing_is_reported(people, clock):
    incident = noticed(people, {Aspect.INTEGRITY: Answer(Subject.NONE)})
    assert incident.level is None and incident.limits(CLOCKS) == []
    with pytest.raises(ActionRefused, match="沒有等級"):
        incident_actions.report(incident, by=people[1])


def test_times_that_cannot_be_are_refused(people, clock):
    with pytest.raises(ActionRefused, match="不能晚於現在"):
        noticed(people, known_at=NINE + timedelta(minutes=1))
    _, handler, reviewer = people
    incident = incident_actions.report(noticed(people), by=handler)
    incident = incident_actions.review(incident, accept=True, comment="", by=reviewer)
    for moment in (NINE - timedelta(minutes=1), NINE + timedelta(minutes=1)):
        with pytest.raises(ActionRefused, match="復原時間"):
            incident_actions.recover(incident, at=moment, text="", by=handler)


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
    incident = incident_actions.report(noticed(people, **more), by=handler)
    incident = incident_actions.review(incident, accept=True, comment="", by=reviewer)
    return incident_actions.recover(incident, at=clock.now, text="", by=handler)


@pytest.mark.parametrize(
    ("days", "sentence"), [(-1, "今天以後"), (5, "比目前的期限"), (400, "最晚只能展延到")]
)
def test_an_extension_goes_forward_and_not_without_end(people, clock, days, sentence):
    incident = recovered(people, clock)
    with pytest.raises(ActionRefused, match=sentence):
        to = clock.now + timedelta(days=days)
        incident_actions.extend(incident, to=to, reason="等候鑑識報告", by=people[2])
    limit = limits(incident)[Step.FINAL_REPORT]
    for more in (10, 20):
        incident = incident_actions.extend(
            incident, to=limit + timedelta(days=more), reason="等候", by=people[2]
        )
    with pytest.raises(ActionRefused, match="比目前的期限"):  # nor back to the first extension
        incident_actions.extend(
            incident, to=limit + timedelta(days=15), reason="等候", by=people[2]
        )


# --- Another level is another report -------------------------------------------------------------

STATE_SECRET = {Aspect.CONFIDENTIALITY: Answer(Subject.STATE_SECRET)}


@pytest.fixture
def officer(account):
    """資安長 of the agency, else plain staff."""
    named = account("EP1005")
    SecurityOfficer.objects.create(agency=named.agency, account=named)
    return named


def reviewed(people, clock, answers):
    _, handler, reviewer = people
    incident = incident_actions.report(noticed(people, answers), by=handler)
    clock.later(hours=1)
    incident = incident_actions.review(incident, accept=True, comment="", by=reviewer)
    return incident_actions.forward(incident, by=reviewer)


def test_a_higher_level_is_reported_and_reviewed_anew(people, clock, officer, client):
    _, handler, reviewer = people
    incident = reviewed(people, clock, BIG)
    before = Notice.objects.filter(account=officer).count()
    first_review = incident.reviewed_at
    clock.later(days=1)
    incident = incident_actions.change_level(incident, STATE_SECRET, by=handler)
    assert (incident.level, incident.state) == (4, IncidentState.REPORTED)
    assert Notice.objects.filter(account=officer).count() == before + 1
    due = limits(incident)
    assert due[Step.REPORT] == clock.now + timedelta(hours=1)
    assert due[Step.REVIEW] == clock.now + timedelta(hours=2)
    assert due[Step.FORWARD] is None
    assert due[Step.CONTROL] == NINE + timedelta(hours=36)
    assert incident.done[Step.REVIEW] is None and incident.done[Step.REPORT] == clock.now
    incident = incident_actions.recover(
        incident, at=clock.now, text="已復原", by=handler
    )  # meanwhile
    assert incident.state == IncidentState.REPORTED
    with pytest.raises(ActionRefused):
        incident_actions.close(incident, accept=True, comment="x", by=reviewer)
    incident = incident_actions.review(incident, accept=True, comment="", by=reviewer)
    assert (incident.state, incident.resumes) == (IncidentState.RECOVERED, "")
    [former] = incident.earlier_reports
    assert former["level"] == 3 and datetime.fromisoformat(former["reviewed_at"]) == first_review
    client.force_login(handler)
    page = client.get(incident.get_absolute_url()).content.decode()
    assert "先前等級的通報與審核" in page


def test_a_lower_level_holds_when_the_reviewer_agrees(people, clock, officer, client):
    _, handler, reviewer = people
    incident = reviewed(people, clock, BIG)
    incident = incident_actions.change_level(incident, SMALL, by=handler)
    assert (incident.level, incident.asked_level) == (3, 1)
    assert limits(incident)[Step.CONTROL] == NINE + timedelta(hours=36)
    client.force_login(handler)
    page = client.get(incident.get_absolute_url()).content.decode()
    assert "已申請改為 1 級" in page and "審核同意以前仍以 3 級" in page
    refused = incident_actions.review(incident, accept=False, comment="影響仍在", by=reviewer)
    assert (refused.level, refused.asked_level, refused.state) == (3, None, "handling")
    incident = incident_actions.change_level(refused, SMALL, by=handler)
    accepted = incident_actions.review(incident, accept=True, comment="", by=reviewer)
    assert (accepted.level, accepted.asked_level, accepted.state) == (1, None, "handling")
    assert limits(accepted)[Step.CONTROL] == NINE + timedelta(hours=72)
    assert len(accepted.earlier_reports) == 2


def test_a_level_that_stays_major_calls_the_officer_again(people, clock, officer):
    _, handler, reviewer = people
    incident = reviewed(people, clock, STATE_SECRET)
    called = Notice.objects.filter(account=officer).count()
    incident = incident_actions.change_level(incident, BIG, by=handler)
    assert Notice.objects.filter(account=officer).count() == called  # not yet
    incident_actions.review(incident, accept=True, comment="", by=reviewer)
    assert Notice.objects.filter(account=officer).count() == called + 1


def test_what_was_given_back_is_reported_by_its_own_clock_at_another_level(people, clock):
    _, handler, reviewer = people
    incident = incident_actions.report(noticed(people), by=handler)
    incident = incident_actions.review(incident, accept=False, comment="請補", by=reviewer)
    clock.later(days=2)
    incident = incident_actions.change_level(incident, BIG, by=handler)
    assert (incident.state, incident.reported_at) == (IncidentState.RETURNED, None)
    assert limits(incident)[Step.REPORT] == clock.now + timedelta(hours=1)
    incident = incident_actions.report(incident, by=handler)
    assert incident.reported_at == clock.now and incident.first_reported_at == NINE


def test_the_same_level_by_other_answers_asks_for_no_new_report(people, clock):
    incident = reviewed(people, clock, BIG)
    same = {Aspect.INTEGRITY: Answer(Subject.CORE, Harm.SERIOUS)}
    incident = incident_actions.change_level(incident, same, by=people[1])
    assert (incident.state, incident.earlier_reports) == (IncidentState.HANDLING, [])
    changes = Event.objects.filter(verb="incident").latest("number").detail["changes"]
    assert changes[0][0] == "影響評估" and "機密性" in changes[0][1] and "完整性" in changes[0][2]


# --- Corrected and withdrawn ---------------------------------------------------------------------


def typed(incident, **changes):
    return {
        "title": incident.title,
        "description": incident.description,
        "day": "115-11-25",
        "clock": "09:00",
        **{f"{aspect}_subject": "none" for aspect in Aspect},
        **{f"{aspect}_harm": "slight" for aspect in Aspect},
        **changes,
    }


def test_a_draft_is_corrected_by_who_wrote_it(people, clock, client, account):
    incident = noticed(people)
    client.force_login(people[0])
    address = f"{incident.get_absolute_url()}edit/"
    assert address in client.get(incident.get_absolute_url()).content.decode()
    assert incident.title in client.get(address).content.decode()
    client.post(address, typed(incident, title="入口網停擺", clock="08:30", is_drill="on"))
    incident.refresh_from_db()
    assert (incident.title, incident.is_drill) == ("入口網停擺", True)
    assert incident.known_at == NINE - timedelta(minutes=30)
    assert incident.level is None  # the answers too are corrected in a draft
    page = client.get(incident.get_absolute_url()).content.decode()
    assert "事件名稱原為「首頁無法開啟」，改為「入口網停擺」" in page
    changes = Event.objects.filter(verb="incident").latest("number").detail["changes"]
    assert ["事件名稱", "首頁無法開啟", "入口網停擺"] in changes
    client.force_login(account("EP1004"))
    assert client.get(address).status_code == 404


def test_what_was_given_back_is_corrected_and_reported_again(people, clock, client):
    _, handler, reviewer = people
    incident = incident_actions.report(noticed(people), by=handler)
    client.force_login(handler)
    address = f"{incident.get_absolute_url()}edit/"
    assert client.get(address).status_code == 302  # under review it stays as it is
    incident_actions.review(incident, accept=False, comment="請補影響範圍", by=reviewer)
    page = client.get(address).content.decode()
    assert "影響評估請按「變更等級」" in page and "confidentiality_subject" not in page
    client.post(address, typed(incident, description="影響 3 個系統", is_drill="on"))
    incident.refresh_from_db()
    assert (incident.description, incident.is_drill, incident.level) == ("影響 3 個系統", False, 1)
    assert incident_actions.report(incident, by=handler).state == IncidentState.REPORTED


@pytest.mark.parametrize("day", ["80-01-01", "115-11-26", "107-12-31"])
def test_nobody_knows_of_an_incident_at_a_time_that_cannot_be(people, clock, client, day):
    incident = noticed(people)
    client.force_login(people[0])
    for address in ("/incidents/report/", f"{incident.get_absolute_url()}edit/"):
        page = client.post(address, typed(incident, day=day)).content.decode()
        assert "知悉時間不能" in page
    assert Incident.objects.count() == 1


def test_known_is_not_later_than_reported(people, clock):
    _, handler, reviewer = people
    incident = incident_actions.report(noticed(people), by=handler)
    incident_actions.review(incident, accept=False, comment="請補", by=reviewer)
    clock.later(days=3)
    with pytest.raises(ActionRefused, match="不能晚於通報"):
        incident_actions.edit(incident, title="x", description="x", known_at=clock.now, by=handler)


def test_a_false_alarm_is_withdrawn_and_counts_nowhere(people, clock, client, account):
    noticer, handler, reviewer = people
    incident = incident_actions.report(noticed(people), by=handler)
    client.force_login(noticer)
    address = incident.get_absolute_url()
    client.post(f"{address}withdraw/", {"text": " "})
    incident.refresh_from_db()
    assert incident.state == IncidentState.REPORTED
    client.post(f"{address}withdraw/", {"text": "是測試機"})
    incident.refresh_from_db()
    assert incident.state == IncidentState.WITHDRAWN
    assert Notice.objects.filter(account=reviewer, subject__contains="已撤回").exists()
    assert Incident.objects.all().closed_of_reported() == {"done": 0, "total": 0}
    assert not Incident.objects.all().open().exists()
    client.force_login(reviewer)
    page = client.get(address).content.decode()
    assert "是測試機" in page and "不同意撤回" in page
    client.post(f"{address}reinstate/", {"text": "請補證據"})
    incident.refresh_from_db()
    assert incident.state == IncidentState.RETURNED
    client.force_login(account("EP1004"))
    assert client.post(f"{address}withdraw/", {"text": "x"}).status_code == 404


def test_what_was_accepted_is_not_withdrawn(people, clock, client):
    incident = reviewed(people, clock, SMALL)
    with pytest.raises(ActionRefused, match="目前是"):
        incident_actions.withdraw(incident, reason="誤報", by=people[1])
    incident = incident_actions.change_level(incident, BIG, by=people[1])
    with pytest.raises(ActionRefused, match="審核通過的事件不能撤回"):
        incident_actions.withdraw(incident, reason="誤報", by=people[1])


# --- 資安長 ---------------------------------------------------------------------------------------


def test_the_officer_opens_what_she_is_called_to_and_nothing_else(
    people, clock, officer, client, account
):
    _, handler, _ = people
    small = incident_actions.report(noticed(people), by=handler)
    major = incident_actions.report(noticed(people, BIG), by=handler)
    client.force_login(officer)
    link = Notice.objects.get(account=officer, subject__contains="重大").link
    assert link == major.get_absolute_url() and client.get(link).status_code == 200
    assert "資安長的身分" in client.get("/incidents/").content.decode()
    client.post(f"{link}note/", {"text": "已召開會議"})
    assert "note" in steps(major)
    assert client.get(small.get_absolute_url()).status_code == 404
    assert client.post(f"{link}close/", {"text": "x"}).status_code == 403
    assert client.get("/manage/").status_code == 403
    SecurityOfficer.objects.update(account=account("EP1004"))
    assert client.get(link).status_code == 404


def test_the_officer_decides_on_exceptions_whatever_her_role(
    people, clock, officer, client, account
):
    _, handler, platform = people
    product = RestrictedProduct(brand="示範牌", letter="函", issued_on=NINE.date())
    product_actions.restrict([product], by=platform)
    held = Device(
        agency=handler.agency, asset_no="1", kind="hardware", brand="示範牌", network="offline"
    )
    device_actions.save_device(held, by=handler)
    whole = {"reason": "業務需要", "measure": "獨立網段"}
    until = NINE.date() + timedelta(days=30)
    decision = decision_actions.decide(held, kind="keep", **whole, expires_on=until, by=handler)
    link = Notice.objects.get(account=officer).link
    client.force_login(officer)
    assert "獨立網段" in client.get(link).content.decode()
    client.post(link, {"accept": "0", "comment": ""})
    decision.refresh_from_db()
    assert decision.state == "pending"
    client.post(link, {"accept": "1", "comment": "同意"})
    decision.refresh_from_db()
    assert (decision.state, decision.decided_by) == ("approved", officer)
    client.force_login(handler)
    assert client.get(link).status_code == 200
    assert client.post(link, {"accept": "1"}).status_code == 403
    client.force_login(account("EP1004"))
    assert client.get(link).status_code == 404


# --- Drills --------------------------------------------------------------------------------------


def test_a_drill_never_counts_among_real_incidents(people, clock, client):
    noticer, handler, _ = people
    incident_actions.report(noticed(people), by=handler)
    incident_actions.report(noticed(people, is_drill=True), by=handler)
    by_title = {one.title: one for one in overview.counts(handler, handler.agency)}
    assert by_title["資通安全通報"].total == 1 and by_title["資通安全通報（演練）"].total == 1
    for person in (noticer, handler):
        assert dashboard.reports(person)[0].total == 1
    clock.later(days=9)
    late = {one.title: one.late for one in overview.counts(handler, handler.agency)}
    assert (late["資通安全通報"], late["資通安全通報（演練）"]) == (1, 1)
