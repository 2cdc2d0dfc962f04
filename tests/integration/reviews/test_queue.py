"""機關審核作業: what waits for whom, the most urgent first, in a fixed number of queries."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ismp.courses.classroom.actions import classes
from ismp.courses.models import Session, SignUp, Teacher
from ismp.reviews.queue import waiting_for
from ismp.reviews.queue_item import due_of
from ismp.security.advisories.actions import advisories as advisory_actions
from ismp.security.devices.actions import decisions as decision_actions
from ismp.security.incidents import actions as incident_actions
from ismp.security.incidents.levels import Answer, Aspect, Subject
from ismp.security.models import Address, Advisory, Decision, Incident, Reply
from tests.support.course_offers import offered
from tests.support.things import of_security

pytestmark = pytest.mark.django_db
SMALL = {Aspect.INTEGRITY: Answer(Subject.NON_CORE)}


@pytest.fixture
def handler(account):
    return account("IC1001", "agency_admin")


@pytest.fixture
def platform(account):
    return account("EP1001", "platform_admin")


def kinds(user):
    return sorted(one.kind for one in waiting_for(user))


def test_each_thing_waits_for_whoever_is_next(handler, platform, account):
    of_security(handler)
    assert kinds(handler) == ["情資回覆", "資安事件：通報"]
    assert kinds(account("IC1002", "agency_admin")) == [
        "例外留用核可",
        "情資回覆",
        "資安事件：通報",
    ]
    assert kinds(platform) == ["例外留用核可"]
    assert kinds(account("CU1001", "agency_admin")) == []
    assert kinds(account("CU1002", "auditor")) == kinds(account("CU1003")) == []
    incident = Incident.objects.get()
    incident_actions.report(incident_actions.change_level(incident, SMALL, by=handler), by=handler)
    assert "資安事件：通報" not in kinds(handler)
    assert kinds(platform) == ["例外留用核可", "資安事件：審核"]
    incident_actions.review(incident, accept=True, comment="", by=platform)
    assert "資安事件：損害控制或復原" in kinds(handler)
    decision_actions.approve(Decision.objects.get(), accept=True, comment="", by=platform)
    assert kinds(platform) == []
    address = Address.objects.visible_to(handler).get()
    advisory_actions.answer(address, Reply.NOT_AFFECTED, evidence="已盤點", by=handler)
    assert kinds(handler) == ["資安事件：損害控制或復原"]


def test_what_is_late_comes_first_and_is_marked(client, handler, time_machine):
    noon = timezone.localtime().replace(hour=12, minute=0)
    time_machine.move_to(noon)  # a report due within the hour is then due before the day ends
    of_security(handler)
    Advisory.objects.update(due_on=timezone.localdate() + timedelta(days=2))
    incident_actions.change_level(Incident.objects.get(), SMALL, by=handler)
    first, second = waiting_for(handler)
    assert (first.kind, second.kind) == ("資安事件：通報", "情資回覆")
    assert first.due - first.since == timedelta(hours=1)
    client.force_login(handler)
    assert "逾期</span>" not in client.get("/manage/reviews/").content.decode()
    time_machine.move_to(timezone.now() + timedelta(hours=2))
    client.logout()  # the session has ended meanwhile
    client.force_login(handler)
    page = client.get("/manage/reviews/", {"kind": "資安事件：通報"}).content.decode()
    assert page.count("逾期</span>") == 1
    assert "示範情資" not in page


def test_the_queue_takes_the_same_queries_for_one_thing_and_for_twenty(handler, account):
    of_security(handler)
    colleague = account("IC1002", "agency_admin")
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            waiting_for(colleague)
        counts.append(len(queries))
        for _ in range(20):
            incident_actions.open_incident(
                agency=handler.agency,
                title="x",
                description="x",
                answers=SMALL,
                known_at=timezone.now(),
                by=handler,
            )
    assert counts[0] == counts[1]


def test_sign_ups_that_need_approval_wait_by_session(client, handler, account, platform):
    teacher = Teacher.objects.create(agency=handler.agency, account=handler)
    offered(teacher)
    session = Session.objects.get()
    session.needs_approval = True
    session.save()
    assert kinds(handler) == []
    colleagues = [account("IC1002"), account("IC1003")]
    for colleague in colleagues:
        classes.sign_up(session, colleague, by=colleague)
    [waiting] = waiting_for(handler)
    assert (waiting.kind, waiting.title) == ("實體課程報名審核", f"{session}：2 人待審核")
    first = SignUp.objects.get(account=colleagues[0])
    assert (waiting.since, waiting.due) == (first.signed_up_at, due_of("sign_up", waiting.since))
    assert kinds(platform) == kinds(account("CU1001", "agency_admin")) == []
    assert kinds(account("CU1002", "auditor")) == kinds(account("IC1004", "teacher")) == []
    client.force_login(handler)
    page = client.get(waiting.address).content.decode()
    assert "IC1002" in page and "IC1003" in page
    assert "IC1001" not in page.split("<h1>")[1]  # the place is taken already
    classes.approve(SignUp.objects.filter(pk=first.pk), by=handler)
    assert [one.title for one in waiting_for(handler)] == [f"{session}：1 人待審核"]
    classes.refuse(SignUp.objects.filter(account=colleagues[1]), by=handler)
    assert waiting_for(handler) == []


def test_the_platforms_own_sessions_wait_for_the_platform(handler, platform, account):
    teacher = Teacher.objects.create(agency=handler.agency, account=handler)
    offered(teacher)
    session = Session.objects.get()
    session.needs_approval = True
    session.save()
    session.course.agency = None
    session.course.save()
    colleague = account("IC1003")
    classes.sign_up(session, colleague, by=colleague)
    assert kinds(platform) == ["實體課程報名審核"] and kinds(handler) == []
    [waiting] = waiting_for(platform)
    assert waiting.agency == "平台"
    classes.cancel_sessions(Session.objects.all(), by=platform)
    assert kinds(platform) == []
