"""Courses: what is offered to whom, and how it is found."""

from datetime import date

import pytest
from django.utils import timezone

from ismp.courses import actions, catalogue, demo_data
from ismp.courses.classroom.actions import classes
from ismp.courses.models import Category, Course, CourseState, Kind, Session, Way
from ismp.courses.online.actions import learning
from ismp.hours.models import Record
from ismp.ui.text.search_folding import fold
from tests.support.courses import course

pytestmark = pytest.mark.django_db
TODAY = date(2026, 3, 2)


@pytest.mark.parametrize(
    ("title", "typed", "found"),
    [
        ("臺北市資安講堂", "台北市", True),
        ("台北市資安講堂", "臺北", True),
        ("Ｗｅｂ 應用程式安全", "web應用", True),
        ("OWASP Top10", "owasp　TOP １０", True),
        ("100% 防詐", "00%", True),
        ("資安_入門", "安x入", False),
        ("資安講堂", "密碼", False),
    ],
)
def test_a_title_is_found_however_it_is_typed(title, typed, found):
    one = course(title)
    assert list(catalogue.search(typed)) == ([one] if found else [])


def test_folding_is_stable():
    assert fold(fold("臺北　ＡＢＣ ①峯")) == fold("臺北　ＡＢＣ ①峯") == "台北abc1峰"


def test_who_is_offered_what(account):
    ours, theirs = account("IC1001"), account("EP1001")
    own = course("本機關", agency=ours.agency)
    shared = course("開放", agency=ours.agency, for_all=True)
    platform = course("平台")
    course("草稿", state=CourseState.DRAFT)
    course("關閉", state=CourseState.CLOSED)
    course("別類", category=Category.PROFESSIONAL)
    assert set(catalogue.open_for(522, TODAY, ours)) == {own, shared, platform}
    assert set(catalogue.open_for(522, TODAY, theirs)) == {shared, platform}
    assert set(catalogue.open_for(522, TODAY)) == {shared, platform}
    assert [one.title for one in catalogue.open_for(523, TODAY)] == ["別類"]


def test_the_demos_courses_can_be_taken_at_once(account):
    offered = demo_data.offer(by=account("IC1001", "platform_admin"))
    learner, today = account("EP1001"), timezone.localdate()
    assert set(Course.objects.offered_to(learner).beginning(today)) == set(offered)
    for one in offered[:2]:
        own = actions.enroll(one, [learner], way=Way.SELF, by=learner)[0]
        for material in one.materials.all():
            learning.finish(own, material, by=learner)
        attempt = learning.begin_attempt(own, by=learner)
        learning.submit(attempt, [asked["right"] for asked in attempt.paper], by=learner)
    assert Record.objects.filter(account=learner, hours=3000).count() == 2
    assert classes.sign_up(offered[2].sessions.get(), learner, by=learner).standing == "enrolled"


def test_what_was_completed_closes_a_gap_only_in_another_year(account):
    own, other = account("IC1001"), account("IC1002")
    online, room = course("線上"), course("教室", kind=Kind.CLASSROOM)
    day = date(2026, 3, 1)
    session = Session.objects.create(
        course=room, number=1, quota=9, place="x", opens_on=day, closes_on=TODAY.replace(year=2027)
    )
    assert set(catalogue.open_for(522, TODAY, own)) == {online, room}
    at = timezone.now().replace(year=2026, month=3, day=2)
    online.enrollments.create(account=own, way="self", completed_at=at)
    attended = session.sign_ups.create(
        account=own, way="self", standing="enrolled", turn=1, hours=0, completed_at=at
    )
    assert set(catalogue.open_for(522, TODAY, own)) == {room}
    attended.hours = 3000
    attended.save()
    assert not catalogue.open_for(522, TODAY, own)
    assert set(catalogue.open_for(522, TODAY, other)) == {online, room}
    assert set(catalogue.open_for(522, TODAY.replace(year=2027), own)) == {online, room}


def test_whom_a_course_is_visible_to_among_managers(account):
    own = course("本機關", agency=account("IC1001").agency)
    platform = course("平台")
    assert set(Course.objects.visible_to(account("IC1001", "agency_admin"))) == {own}
    assert set(Course.objects.visible_to(account("IC1001", "auditor"))) == {own, platform}
    assert not Course.objects.visible_to(account("IC1001"))
