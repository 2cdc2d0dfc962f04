"""Completed learning stays what it was: whatever happens to its course, its attendance list or its
records, each page and download says what counts."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from ismp.audit.models import Event
from ismp.courses import actions as courses
from ismp.courses.classroom.actions import attendance
from ismp.courses.models import Enrollment, SignUp
from ismp.hours.models import Deletion, Record
from ismp.hours.records.actions import records as hours
from ismp.notifications.models import Notice
from tests.support.courses import (
    SCORES,
    completed,
    deleted,
    downloaded,
    enrolled,
    lesson,
    met,
    read_all,
    settle,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk(account):
    return account("IC1006", "agency_admin")


# --- What was credited stays (F1) ------------------------------------------------------------------


def test_hours_of_a_course_changed_later_change_nothing_of_what_was_credited(client, people, clerk):
    ours = completed(people[0])
    course = ours.course
    course.hours = 3000
    courses.save_course(course, by=clerk)
    client.force_login(clerk)
    row = downloaded(client, "online")[people[0].username]
    assert (row["時數"], row["採計"]) == ("1.5", "採計")
    page = client.get(SCORES.format("online")).content.decode()
    assert '<td class="number" data-label="時數">1.5</td>' in page
    client.force_login(people[0])
    own = client.get("/courses/mine/").content.decode()
    assert re.search(r'<td class="number" data-label="時數">\s*1\.5\s*</td>', own)
    assert "取得 1.5 小時" in client.get(f"/courses/{course.pk}/learn/").content.decode()
    assert Record.objects.get().hours == 1500


def test_a_course_that_is_still_taken_gives_the_hours_of_the_day_it_is_completed(people, clerk):
    one = lesson(hours=1500)
    first, second = (enrolled(one, person) for person in people[:2])
    read_all(first, people[0])
    one.hours = 3000
    courses.save_course(one, by=clerk)
    read_all(second, people[1])
    found = dict(Record.objects.values_list("account__username", "hours"))
    assert found == {people[0].username: 1500, people[1].username: 3000}
    assert dict(Enrollment.objects.values_list("account__username", "hours")) == found


def test_whatever_becomes_of_a_course_a_correction_finds_the_same_record(people, clerk, account):
    """As when its agency was merged into another: the organizer's code is part of the event."""
    session = met(people[:2], people[:2], by=clerk)
    course = session.course
    course.agency, course.category = account("EP1001").agency, "523"
    course.title = "改了名稱"
    course.save()
    settled = settle(session, people[:1], by=clerk)
    assert (settled.given, settled.withdrawn) == (1, 1)
    [record] = Record.objects.live()
    own = people[0].agency.code
    assert (record.title, record.category, record.organizer_code) == ("社交工程防護", 522, own)
    assert Record.objects.count() == 2


def test_a_correction_after_a_transfer_stays_one_record(people, clerk, account):
    session = met(people[:1], people[:1], by=clerk)
    other = account("EP1001")
    people[0].agency, people[0].department = other.agency, None
    people[0].save()
    attendance.grade(session, {session.sign_ups.get().pk: Decimal(90)}, by=clerk)
    assert attendance.finish(session, by=clerk).given == 1
    record = Record.objects.get()
    assert (record.agency, record.score) == (clerk.agency, "90")


def test_an_attempt_after_the_completion_changes_no_score(people):
    from ismp.courses.models import Question, Quiz
    from ismp.courses.online.actions.learning import against_beginning

    own = completed(people[0])
    Quiz.objects.create(course=own.course, drawn=1)
    Question.objects.create(
        course=own.course, kind="truth", text="對嗎？", options=["是", "否"], right=[0]
    )
    assert "已經完成" in against_beginning(own)


# --- Absent people have no record (F4) ------------------------------------------------------------


def test_who_is_corrected_to_absent_has_no_record_and_no_completion(client, people, clerk):
    session = met(people[:3], people[:3], by=clerk)
    client.force_login(clerk)
    there = session.sign_ups.exclude(account=people[2]).values_list("pk", flat=True)
    [meeting] = session.meetings.all()
    attendance.mark(meeting, there, by=clerk)
    answer = client.post(f"/courses/teaching/sessions/{session.pk}/finish/", follow=True)
    assert "已結訓：2 人取得時數。1 人改為沒有出席，已收回時數。" in answer.content.decode()
    assert Record.objects.live().count() == 2
    gone = SignUp.objects.get(account=people[2])
    assert (gone.hours, gone.completed_at) == (None, None)
    row = downloaded(client, "classroom")[people[2].username]
    assert (row["取得時數"], row["採計"], row["結訓時間"]) == ("", "", "")
    event = Event.objects.get(verb="withdraw_hours")
    assert (event.agency, event.detail["count"]) == (clerk.agency.code, 1)
    assert Notice.objects.filter(account=people[2], subject__contains="更正為缺席").count() == 1
    # Once more present: the same record again.
    settled = settle(session, people[:3], by=clerk)
    assert (settled.given, settled.withdrawn, settled.left_deleted) == (3, 0, 0)
    assert Record.objects.live().count() == Record.objects.count() == 3


def test_an_imported_record_of_no_hours_is_in_no_certificate(people, clerk):
    from ismp.portal.my_hours import certificate

    session = met(people[:1], people[:1], by=clerk)
    Record.objects.update(hours=0)
    today = timezone.localdate()
    assert session.sign_ups.get().hours == 2000
    assert certificate.listed(people[0], today - timedelta(days=9), today) == []


# --- What a clerk deleted (F21) -------------------------------------------------------------------


def test_what_a_clerk_deleted_is_not_brought_back_by_settling_again(client, people, clerk):
    session = met(people[:2], people[:2], by=clerk)
    deletion = deleted(people[1], by=clerk)
    client.force_login(clerk)
    answer = client.post(f"/courses/teaching/sessions/{session.pk}/finish/", follow=True)
    assert "已結訓：1 人取得時數。1 筆已由機關刪除，未重新計入。" in answer.content.decode()
    row = downloaded(client, "classroom")[people[1].username]
    assert (row["取得時數"], row["採計"]) == ("", "不採計：機關已刪除")
    assert "採計：機關已刪除" in answer.content.decode()
    hours.restore(deletion, by=clerk)
    assert downloaded(client, "classroom")[people[1].username]["取得時數"] == "2"
    assert attendance.finish(session, by=clerk).given == 2


def test_nor_by_correcting_to_absent_and_back(people, clerk):
    session = met(people[:2], people[:2], by=clerk)
    deletion = deleted(people[1], by=clerk)
    settle(session, people[:1], by=clerk)
    settled = settle(session, people[:2], by=clerk)
    assert (settled.given, settled.left_deleted) == (1, 1)
    assert Record.objects.live().count() == 1
    assert hours.restore(Deletion.objects.get(pk=deletion.pk), by=clerk) == 1
    assert Record.objects.live().count() == 2


def test_a_withdrawal_is_no_deletion_that_one_restores(people, clerk):
    session = met(people[:1], people[:1], by=clerk)
    settle(session, [], by=clerk)
    assert not any(one.restorable for one in Deletion.objects.all())
