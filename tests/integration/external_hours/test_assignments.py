"""指派課程: exactly those who are behind get it, each once, nobody of another agency."""

import re
from datetime import date

import pytest
from django.utils import timezone

from ismp.accounts.actions import postings as accounts
from ismp.accounts.models import Account, Posting
from ismp.assignments import actions as assignments_actions
from ismp.audit.models import Event
from ismp.compliance.people import listing as people_listing
from ismp.courses.models import Course, Enrollment, Kind
from ismp.errors import ActionRefused
from ismp.notifications.models import Notice
from ismp.security.incidents import actions as incident_actions
from ismp.security.incidents.levels import Answer, Aspect, Subject
from ismp.security.models import Incident
from tests.support.accounts import account_named

pytestmark = pytest.mark.django_db
A = "382990001Z"
ASSIGN = "/manage/learning-map/board/assign/"
PEOPLE = "/manage/learning-map/board/people/"
SMALL = {Aspect.INTEGRITY: Answer(Subject.NON_CORE)}


@pytest.fixture
def course(city):
    return offer(title="認識社交工程")


def offer(**changes):
    values = {"kind": Kind.ONLINE, "category": "522", "hours": 3000, "state": "open"}
    return Course.objects.create(**values | {"title": "課程"} | changes)


def enrolled(course):
    own = Enrollment.objects.filter(course=course)
    return sorted(own.values_list("account__username", "way"))


def preview(client, course, **asked):
    page = client.post(ASSIGN, {"course": course.pk, **asked}).content.decode()
    seal = re.search(r'name="seen" value="(\w+)"', page)
    return page, seal and seal[1]


def test_from_the_course_exactly_those_behind_get_it_once(clerk, small, learned, course):
    learned(small["IC1002"], 1)
    learned(small["IC1003"], 3)
    page = clerk.get(ASSIGN, {"course": course.pk}).content.decode()
    assert "給 2 位同仁？" in page and "IC1003" not in page
    seal = re.search(r'name="seen" value="(\w+)"', page)[1]
    for _ in range(2):
        answer = clerk.post(ASSIGN, {"course": course.pk, "seen": seal}, follow=True)
    assert enrolled(course) == [("IC1001", "duty"), ("IC1002", "duty")]
    assert "不必再指派" in answer.content.decode()
    notices = Notice.objects.filter(kind="course_assigned").values_list(
        "account__username", flat=True
    )
    assert sorted(notices) == ["IC1001", "IC1002"]
    assert Event.objects.get(verb="enroll").detail == {"count": 2, "way": "duty"}


def test_everybody_behind_of_the_agency_and_nobody_else(clerk, city, course):
    agency = account_named("IC1001").agency
    found = people_listing.chosen(
        people_listing.people_table(agency, timezone.localdate()), light="behind"
    )
    lacking = {
        person.username for person in found if any(line.category == "522" for line in person.behind)
    }
    assert len(lacking) > 0
    _, seal = preview(clerk, course)
    clerk.post(ASSIGN, {"course": course.pk, "seen": seal})
    assert {username for username, _ in enrolled(course)} == lacking
    agencies = Enrollment.objects.values_list("account__agency__code", flat=True)
    assert set(agencies) == {A}


def test_only_a_duty_that_the_course_closes(clerk, small, course):
    professional = offer(category="523", title="專業")
    page, seal = preview(clerk, professional)
    assert seal is None and "沒有要指派的同仁" in page
    Posting.objects.filter(account__username="IC1002").update(identities="it")
    accounts.grade(account_named("IC1001").agency, "B", since=date(2026, 1, 1), by="test")
    page, seal = preview(clerk, professional)
    assert "給 1 位同仁？" in page and "IC1002" in page


def test_only_those_who_are_ticked_and_of_the_agency(clerk, small, course):
    ids = [account_named("IC1002").pk, account_named("EP1001").pk, "x"]
    page, seal = preview(clerk, course, whom="ticked", ids=ids)
    assert "給 1 位同仁？" in page and "EP1001" not in page
    clerk.post(ASSIGN, {"course": course.pk, "whom": "ticked", "ids": ids, "seen": seal})
    assert enrolled(course) == [("IC1002", "duty")]
    page, _ = preview(clerk, course)
    assert "1 人已在修課或今年已完成，不會重複指派：IC1002" in page


def test_a_list_that_changed_since_the_preview_is_shown_again(clerk, small, learned, course):
    _, seal = preview(clerk, course)
    learned(small["IC1002"], 3)
    answer = clerk.post(ASSIGN, {"course": course.pk, "seen": seal}).content.decode()
    assert "在您預覽之後有變動" in answer and enrolled(course) == []


def test_only_open_online_courses_that_count_and_are_offered_here(clerk, small, course):
    offer(title="草稿課", state="draft")
    offer(title="系統課", category="system")
    offer(title="教室裡的課", kind=Kind.CLASSROOM)
    foreign = offer(title="別機關的課", agency=account_named("EP1001").agency)
    page = clerk.post(ASSIGN, {"whom": "all"}).content.decode()
    assert "認識社交工程" in page and "看會指派給誰" in page
    for title in ("草稿課", "系統課", "教室裡的課", "別機關的課"):
        assert title not in page
    assert clerk.get(ASSIGN, {"course": foreign.pk}).status_code == 404
    assert clerk.get(ASSIGN, {"agency": "382990002Z", "course": course.pk}).status_code == 404


def test_the_course_and_the_list_lead_here(clerk, small, course):
    own = offer(title="本機關課程", agency=account_named("IC1001").agency)
    page = clerk.get(f"/manage/online-courses/{own.pk}/").content.decode()
    assert f"{ASSIGN}?course={own.pk}" in page and "指派給時數不足的人" in page
    assert f'formaction="{ASSIGN}"' in clerk.get(PEOPLE).content.decode()


def test_odd_questions_get_an_answer(clerk, small, course):
    for odd in ("１", "9" * 30, "x", "-1"):
        assert clerk.get(PEOPLE, {"incident": odd}).status_code == 200
        assert clerk.get(ASSIGN, {"incident": odd, "course": odd}).status_code in {200, 404}
    page, seal = preview(clerk, course, whom="ticked", ids=["9" * 30, "１"])
    assert seal is None and "請先在達標名單勾選同仁" in page


def test_an_auditor_may_not(client, account, small, course):
    client.force_login(account("IC1001", "auditor"))
    assert client.get(ASSIGN, {"course": course.pk}).status_code == 403
    assert "指派課程" not in client.get(PEOPLE).content.decode()


# --- After an incident ---------------------------------------------------------------------------


def closed(person, cause):
    """An incident that went all its way, by one person for short."""
    incident = incident_actions.open_incident(
        agency=person.agency,
        title="釣魚郵件",
        description="點了連結",
        answers=SMALL,
        known_at=timezone.now(),
        by=person,
    )
    incident_actions.report(incident, by=person)
    reviewer = Account.objects.exclude(pk=person.pk).order_by("pk").first()
    incident_actions.review(incident, accept=True, comment="", by=reviewer)
    incident_actions.recover(incident, at=timezone.now(), text="已復原", by=person)
    incident_actions.finish(incident, "已改善", cause=cause, by=person)
    return incident_actions.close(incident, accept=True, comment="同意", by=reviewer)


def test_an_incident_of_people_leads_to_the_list_and_notes_what_was_done(clerk, small, course):
    person = account_named("IC1001")
    incident = closed(person, "phishing")
    page = clerk.get(incident.get_absolute_url()).content.decode()
    assert "指派教育訓練</a>" in page and "社交工程" in page
    listed = clerk.get(PEOPLE, {"light": "", "incident": incident.pk}).content.decode()
    assert "勾選與事件有關的同仁" in listed and "IC1003" in listed
    asked = {"incident": incident.pk, "whom": "ticked", "ids": [account_named("IC1003").pk]}
    page, seal = preview(clerk, course, **asked)
    assert incident.number in page and "給 1 位同仁？" in page
    for _ in range(2):
        clerk.post(ASSIGN, {"course": course.pk, "seen": seal, **asked})
    assert enrolled(course) == [("IC1003", "duty")]
    [entry] = incident.timeline.filter(kind="training")
    assert entry.text == "「認識社交工程」指派 1 人"


def test_after_an_incident_those_with_enough_hours_learn_too(clerk, small, learned, course):
    learned(small["IC1003"], 3)
    incident = closed(account_named("IC1001"), "human")
    asked = {"incident": incident.pk, "whom": "ticked", "ids": [account_named("IC1003").pk]}
    page, _ = preview(clerk, course, **asked)
    assert "給 1 位同仁？" in page and "IC1003" in page


def test_other_causes_and_other_agencies_incidents_ask_for_nothing(clerk, small, course, account):
    incident = closed(account_named("IC1001"), "vulnerability")
    assert "指派教育訓練" not in clerk.get(incident.get_absolute_url()).content.decode()
    asked = {"course": course.pk, "incident": incident.pk}
    assert clerk.get(ASSIGN, asked).status_code == 404
    with pytest.raises(ActionRefused, match="與人員無關"):
        incident_actions.note_training(incident, "x", by=account_named("IC1001"))
    theirs = closed(account("EP1001", "agency_admin"), "phishing")
    assert clerk.get(ASSIGN, asked | {"incident": theirs.pk}).status_code == 404


def test_the_cause_is_asked_with_the_final_report(client, account):
    person = account("IC1001", "platform_admin")
    client.force_login(person)
    incident = closed(person, "")
    Incident.objects.update(state="recovered")
    page = client.get(incident.get_absolute_url()).content.decode()
    assert "事件原因" in page and "尚未查明" in page
    place = f"/incidents/{incident.pk}/finish/"
    client.post(place, {"text": "x", "cause": "wrong"})
    assert Incident.objects.get().state == "recovered"
    client.post(place, {"text": "已改善", "cause": "human"})
    assert (Incident.objects.get().state, Incident.objects.get().cause) == ("final", "human")


def test_an_action_with_nobody_left_is_refused(small, course):
    with pytest.raises(ActionRefused):
        assignments_actions.assign(
            account_named("IC1001").agency,
            {"accounts": []},
            course,
            seen="x",
            by=account_named("IC1001"),
        )
    assert not Event.objects.filter(verb="enroll").exists()
