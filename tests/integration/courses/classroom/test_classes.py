"""Classes: signing up, waiting, being there, finishing with hours."""

import time
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import signing
from django.utils import timezone

from ismp.accounts import demo_data
from ismp.accounts.models import Account
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.courses import catalogue
from ismp.courses.classroom.actions import attendance, classes
from ismp.courses.classroom.actions.classes import Timing
from ismp.courses.models import Attendance, Session, SignUp, Standing, Way
from ismp.errors import ActionRefused
from ismp.hours.models import Record, RecordRevision
from ismp.notifications.models import Notice
from tests.support.courses import planned, standings
from tests.support.hosts import PATIENCE_SECONDS
from tests.support.installations import Place
from tests.support.smtp import NOON


@pytest.fixture
def place(tmp_path, town, django_db_blocker):
    """An installation of processes."""
    place = Place(tmp_path / "home", like=town)
    with django_db_blocker.unblock():
        yield place
    place.close()


@pytest.fixture(autouse=True)
def noon(time_machine):
    """At midnight a meeting of three hours ago was yesterday's."""
    time_machine.move_to(NOON, tick=False)


@pytest.fixture
def people(account):
    return [account(f"IC10{number:02}") for number in range(1, 7)]


@pytest.mark.django_db
class TestSigningUp:
    def test_places_then_the_waiting_list_then_moving_up(self, people):
        session = planned(people[0])
        own = [classes.sign_up(session, one, by=one) for one in people[:5]]
        assert standings(session) == ["enrolled", "enrolled", "waiting", "waiting", "waiting"]
        assert classes.sign_up(session, people[0], by=people[0]) == own[0]
        classes.withdraw(own[0], by=people[0])
        assert standings(session) == ["cancelled", "enrolled", "enrolled", "waiting", "waiting"]
        moved = Notice.objects.filter(kind="moved_up")
        assert [notice.account for notice in moved] == [people[2]]
        again = classes.sign_up(session, people[0], by=people[0])
        assert (again.standing, again.turn) == ("waiting", 6)
        session.refresh_from_db()
        session.quota = 4
        classes.save_session(session, timings=_timings(session), by=people[0])
        assert SignUp.objects.filter(standing=Standing.ENROLLED).count() == 4
        assert Session.objects.get().taken == 4
        assert not list(trail.faults())

    def test_the_quota_never_falls_below_who_is_in(self, people):
        session = planned(people[0])
        for one in people[:2]:
            classes.sign_up(session, one, by=one)
        session.refresh_from_db()
        session.quota = 1
        with pytest.raises(ActionRefused, match="已錄取 2 人"):
            classes.save_session(session, timings=_timings(session), by=people[0])

    def test_approval_keeps_the_order_in_which_people_came(self, people):
        session = planned(people[0], needs_approval=True)
        own = [classes.sign_up(session, one, by=one) for one in people[:4]]
        assert set(standings(session)) == {"applied"}
        assert Session.objects.get().taken == 0
        classes.refuse(SignUp.objects.filter(pk=own[0].pk), by=people[5])
        classes.approve(
            SignUp.objects.filter(pk__in=[one.pk for one in reversed(own)]), by=people[5]
        )
        assert standings(session) == ["refused", "enrolled", "enrolled", "waiting"]
        with pytest.raises(ActionRefused, match="未獲錄取"):
            classes.sign_up(session, people[0], by=people[0])
        by_list = classes.sign_up(session, people[0], way=Way.LIST, by=people[1])
        assert by_list.standing == Standing.WAITING

    def test_outside_of_the_window_and_for_strangers_there_is_no_sign_up(self, people, account):
        yesterday = timezone.localdate() - timedelta(days=1)
        session = planned(
            people[0], agency=people[0].agency, opens_on=yesterday, closes_on=yesterday
        )
        with pytest.raises(ActionRefused, match="報名期間"):
            classes.sign_up(session, people[0], by=people[0])
        assert (
            classes.sign_up(session, people[0], way=Way.LIST, by=people[1]).standing == "enrolled"
        )
        stranger = account("EP1001")
        with pytest.raises(ActionRefused, match="沒有開放"):
            classes.sign_up(session, stranger, way=Way.LIST, by=people[1])

    def test_the_catalogue_knows_what_takes_sign_ups(self, people):
        session = planned(people[0])
        today = timezone.localdate()
        assert list(catalogue.open_for("522", today)) == [session.course]
        assert not catalogue.open_for("522", today + timedelta(days=1))
        assert list(catalogue.search("社交工程")) == [session.course]

    def test_all_are_notified_of_a_session_called_off(self, people):
        session = planned(people[0])
        for one in people[:3]:
            classes.sign_up(session, one, by=one)
        classes.cancel_sessions(Session.objects.all(), by=people[0])
        assert Notice.objects.filter(kind="session_cancelled").count() == 3
        with pytest.raises(ActionRefused, match="已取消"):
            classes.sign_up(session, people[3], by=people[3])


def _timings(session):
    return [Timing(one.starts_at, one.ends_at, one.hours) for one in session.meetings.all()]


@pytest.mark.django_db
class TestBeingThere:
    def test_a_list_says_who_was_there_and_can_be_corrected(self, people):
        session = planned(people[0])
        own = [classes.sign_up(session, one, by=one) for one in people[:3]]
        meeting = session.meetings.get()
        assert attendance.mark(meeting, [one.pk for one in own], by=people[5]) == 2
        assert attendance.mark(meeting, [own[1].pk], by=people[5]) == 1
        assert Attendance.objects.get().sign_up == own[1]

    def test_the_code_in_the_room_marks_once(self, people):
        session = planned(people[0])
        classes.sign_up(session, people[0], by=people[0])
        meeting = session.meetings.get()
        ticket = attendance.scanned(
            meeting, attendance.code_of(meeting, shown_by=people[5]), people[0]
        )
        first = attendance.attend(meeting, ticket, by=people[0])
        assert attendance.attend(meeting, ticket, by=people[0]) == first
        assert Event.objects.filter(verb="attend").count() == 1
        attendance.mark(meeting, [first.sign_up_id], by=people[5])
        assert Attendance.objects.get().way == Attendance.Way.CODE

    def test_no_other_code_and_no_other_person_will_do(self, people, monkeypatch):
        session = planned(people[0], meetings=2)
        classes.sign_up(session, people[0], by=people[0])
        meeting, other = session.meetings.all()
        code = attendance.code_of(meeting, shown_by=people[5])
        for wrong in (
            code[:-1] + ("A" if code[-1] != "A" else "B"),
            "",
            attendance.code_of(other, shown_by=people[5]),
        ):
            with pytest.raises(ActionRefused, match="再掃描一次"):
                attendance.scanned(meeting, wrong, people[0])
        ticket = attendance.scanned(meeting, code, people[0])
        with pytest.raises(ActionRefused, match="過期"):
            attendance.attend(meeting, ticket, by=people[1])
        with pytest.raises(ActionRefused, match="沒有錄取"):
            attendance.attend(meeting, attendance.scanned(meeting, code, people[1]), by=people[1])
        with pytest.raises(ActionRefused, match="今天沒有"):
            attendance.attend(
                other,
                attendance.scanned(other, attendance.code_of(other, shown_by=people[5]), people[0]),
                by=people[0],
            )
        now = time.time()
        monkeypatch.setattr(signing.time, "time", lambda: now + 50)
        with pytest.raises(ActionRefused, match="已經更新"):
            attendance.scanned(meeting, code, people[0])
        attendance.attend(meeting, ticket, by=people[0])
        assert Attendance.objects.count() == 1


@pytest.mark.django_db
class TestFinishing:
    def test_hours_by_meetings_attended_and_corrections_follow(self, people):
        session = planned(people[0], starts=timedelta(days=-3), meetings=3, quota=3)
        own = [classes.sign_up(session, one, way=Way.LIST, by=people[5]) for one in people[:3]]
        first, second, third = session.meetings.all()
        attendance.mark(first, [own[0].pk, own[1].pk], by=people[5])
        for meeting in (second, third):
            attendance.mark(meeting, [own[0].pk], by=people[5])
        attendance.grade(session, {own[0].pk: Decimal("92.5"), own[1].pk: None}, by=people[5])
        assert attendance.finish(session, by=people[5]).given == 2
        hours = dict(Record.objects.live().values_list("account", "classroom_hours"))
        assert hours == {people[0].pk: 6000, people[1].pk: 2000}
        record = Record.objects.get(account=people[0])
        assert (record.term, record.score, record.title) == ("1", "92.5", "社交工程防護")
        assert record.started_on == timezone.localdate(first.starts_at)
        assert record.ended_on == timezone.localdate(third.ends_at)
        attendance.mark(second, [own[0].pk, own[1].pk], by=people[5])
        attendance.mark(third, [own[2].pk], by=people[5])
        assert attendance.finish(session, by=people[5]).given == 3
        hours = dict(Record.objects.live().values_list("account", "classroom_hours"))
        assert hours == {people[0].pk: 4000, people[1].pk: 4000, people[2].pk: 2000}
        assert RecordRevision.objects.count() == 2
        assert Notice.objects.filter(kind="course_completed").count() == 3
        assert not list(trail.faults())

    def test_not_before_it_is_over(self, people):
        session = planned(people[0], starts=timedelta(hours=-1))
        with pytest.raises(ActionRefused, match="還沒結束"):
            attendance.finish(session, by=people[0])

    def test_the_day_before_people_are_reminded_once(self, people):
        session = planned(people[0], starts=timedelta(days=1))
        for one in people[:3]:
            classes.sign_up(session, one, by=one)
        assert classes.remind() == 1
        assert classes.remind() == 0
        reminded = Notice.objects.filter(kind="reminder")
        assert {notice.account for notice in reminded} == set(people[:2])
        assert "101 教室" in reminded[0].subject


PEOPLE, PLACES, PROCESSES, THREADS = 500, 30, 4, 12
RUSH = """
import django; django.setup()
import sys
from concurrent.futures import ThreadPoolExecutor
from django.db import connection
from ismp.accounts.models import Account
from ismp.courses.classroom.actions import classes
from ismp.courses.models import Session
everybody = list(Account.objects.filter(username__startswith="P", status="active").order_by("pk"))
session = Session.objects.get()
mine = everybody[{number}::{processes}] + everybody[{number} + 1::{processes}]
def sign_up(person):
    try:
        return classes.sign_up(session, person, by=person).turn
    finally:
        connection.close()
print(end=".", file=sys.stderr, flush=True)
sys.stdin.read(1)
with ThreadPoolExecutor({threads}) as pool:
    assert all(pool.map(sign_up, mine))
"""


def test_500_people_for_30_places_at_once(place):
    """From four processes with twelve threads each, everybody twice."""
    place.bring(demo_data.people(PEOPLE, 3))
    with place.entered():
        planned(Account.objects.get(username="IC1001"), quota=PLACES, starts=timedelta(days=1))
    rushing = [
        place.python(
            "-c",
            RUSH.format(number=number, processes=PROCESSES, threads=THREADS),
            background=True,
        )
        for number in range(PROCESSES)
    ]
    for process in rushing:
        assert process.stderr.read(1) == b"."  # it stands at the start
    for process in rushing:
        process.stdin.write(b"!")
        process.stdin.flush()
    for process in rushing:
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, errors.decode()
    with place.entered():
        people = Account.objects.filter(username__startswith="P", status="active").count()
        before = _announced()
        for one in SignUp.objects.filter(standing="enrolled").order_by("turn")[:5]:
            classes.withdraw(one, by=one.account)
        after, faults = _announced(), list(trail.faults())
    assert people > 480 and not faults
    taken, turns, rows = before
    assert (taken, turns, len(rows)) == (PLACES, people, people)
    assert [turn for _, turn, _ in rows] == list(range(1, people + 1))
    assert sorted(pk for pk, _, _ in rows) == [pk for pk, _, _ in rows]
    expected = ["enrolled"] * PLACES + ["waiting"] * (people - PLACES)
    assert [standing for _, _, standing in rows] == expected
    moved = ["cancelled"] * 5 + ["enrolled"] * PLACES + ["waiting"] * (people - PLACES - 5)
    assert [standing for _, _, standing in after[2]] == moved
    assert after[0] == PLACES


def _announced():
    session = Session.objects.get()
    rows = session.sign_ups.order_by("turn").values_list("pk", "turn", "standing")
    return session.taken, session.turns, list(rows)
