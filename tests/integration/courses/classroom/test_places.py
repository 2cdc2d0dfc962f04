"""Places of a class: closed when it begins, freed by who leaves, and its state as it is now."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ismp.accounts.actions import postings as accounts
from ismp.accounts.models import Account, Status
from ismp.audit.models import Event
from ismp.courses.classroom.actions import classes
from ismp.courses.models import Phase, Session, SignUp, Standing, Way
from ismp.errors import ActionRefused
from ismp.notifications.models import Notice
from tests.support.courses import course, planned, standings
from tests.support.smtp import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def noon(time_machine):
    time_machine.move_to(NOON, tick=False)


@pytest.fixture
def people(account):
    return [account(f"IC10{number:02}") for number in range(1, 7)]


@pytest.fixture
def full(people):
    """Two have a place, two wait; it begins in an hour."""
    session = planned(people[5])
    for one in people[:4]:
        classes.sign_up(session, one, by=one)
    return session


def begin(time_machine, hours=2):
    time_machine.move_to(NOON + timedelta(hours=hours))


def sign_up_of(session, person):
    return SignUp.objects.get(session=session, account=person)


def test_once_it_has_begun_nobody_signs_up_withdraws_or_moves_up(full, people, time_machine):
    begin(time_machine)
    with pytest.raises(ActionRefused, match="已經開始上課"):
        classes.sign_up(full, people[4], by=people[4])
    with pytest.raises(ActionRefused, match="已經開始，不能取消報名"):
        classes.withdraw(sign_up_of(full, people[0]), by=people[0])
    classes.withdraw(sign_up_of(full, people[0]), by=people[5])
    assert standings(full) == ["cancelled", "enrolled", "waiting", "waiting"]
    assert Session.objects.get().taken == 1
    assert not Notice.objects.filter(kind="moved_up").exists()
    assert Event.objects.first().verb == "withdraw"


def test_an_administrator_corrects_who_has_a_place_after_the_beginning(full, people, time_machine):
    begin(time_machine)
    classes.withdraw(sign_up_of(full, people[0]), by=people[5])
    came = classes.sign_up(full, people[3], way=Way.LIST, by=people[5])
    assert came.standing == Standing.ENROLLED
    assert sign_up_of(full, people[2]).standing == Standing.WAITING


def test_a_greater_quota_after_the_beginning_lets_nobody_in(full, people, time_machine):
    begin(time_machine)
    full.refresh_from_db()
    full.quota = 9
    timings = [classes.Timing(m.starts_at, m.ends_at, m.hours) for m in full.meetings.all()]
    classes.save_session(full, timings=timings, by=people[5])
    assert standings(full).count("enrolled") == 2


def test_over_http_there_is_no_button_and_no_action_after_the_beginning(
    full, people, client, time_machine
):
    client.force_login(people[0])
    page = f"/courses/{full.course_id}/"
    assert "取消報名" in client.get(page).content.decode()
    begin(time_machine, hours=24 * 36)
    client.force_login(people[0])
    assert "取消報名" not in client.get(page).content.decode()
    answer = client.post(f"/courses/sessions/{full.pk}/withdraw/", follow=True)
    assert "不能取消報名" in answer.content.decode()
    assert sign_up_of(full, people[0]).standing == Standing.ENROLLED


def leave(person):
    accounts.assign(person, status=Status.LEFT, since=timezone.localdate(), by="x")


def test_a_leaver_frees_the_place_and_the_next_one_moves_up(full, people):
    leave(people[0])
    assert standings(full) == ["cancelled", "enrolled", "enrolled", "waiting"]
    assert [one.account for one in Notice.objects.filter(kind="moved_up")] == [people[2]]
    assert Event.objects.filter(verb="free_place").count() == 1
    assert Session.objects.get().taken == 2


def test_whoever_waits_and_leaves_is_not_moved_up(full, people):
    leave(people[2])
    leave(people[0])
    assert standings(full) == ["cancelled", "enrolled", "cancelled", "enrolled"]


def test_several_who_leave_at_once_leave_their_places_to_others(full, people):
    Account.objects.filter(pk__in=[people[0].pk, people[2].pk]).update(status="left")
    assert classes.free_places() == 2
    assert standings(full) == ["cancelled", "enrolled", "cancelled", "enrolled"]
    assert classes.free_places() == 0


def test_a_day_that_has_come_frees_the_place(full, people, time_machine):
    tomorrow = timezone.localdate() + timedelta(days=1)
    Session.objects.update(closes_on=tomorrow)
    full.meetings.update(
        starts_at=NOON + timedelta(days=2), ends_at=NOON + timedelta(days=2, hours=3)
    )
    accounts.assign(people[0], status=Status.LEFT, since=tomorrow, by="x")
    assert standings(full)[0] == "enrolled"
    time_machine.move_to(NOON + timedelta(days=1))
    accounts.apply_due()
    assert standings(full)[0] == "cancelled" and standings(full)[2] == "enrolled"


def test_who_moves_keeps_the_place_where_the_course_is_offered(people, account):
    there = account("EP1001").agency
    own = planned(people[5], agency=people[5].agency, quota=1)
    platform = planned(people[5], quota=1)
    for session in (own, platform):
        classes.sign_up(session, people[0], by=people[0])
        classes.sign_up(session, people[1], by=people[1])
    accounts.assign(people[0], agency=there, since=timezone.localdate(), by="x")
    assert standings(own) == ["cancelled", "enrolled"]
    assert standings(platform) == ["enrolled", "waiting"]
    assert Notice.objects.filter(account=people[0], subject__contains="機關異動").count() == 1


def test_after_the_beginning_a_leavers_place_is_history(full, people, time_machine):
    begin(time_machine)
    leave(people[0])
    assert classes.free_places() == 0
    assert standings(full) == ["enrolled", "enrolled", "waiting", "waiting"]


def test_nobody_who_has_left_is_signed_up(full, people):
    leave(people[4])
    people[4].refresh_from_db()
    with pytest.raises(ActionRefused, match="已離職"):
        classes.sign_up(full, people[4], way=Way.LIST, by=people[5])


@pytest.mark.parametrize(
    ("time", "phase"),
    [
        ((-2, 0), Phase.NOT_YET),
        ((0, 0), Phase.OPEN),
        ((2, 0), Phase.CLOSED),
        ((3, 0), Phase.RUNNING),
        ((3, 1), Phase.RUNNING),
        ((3, 2), Phase.OVER),
        ((400, 0), Phase.OVER),
    ],
)
def test_the_state_is_the_one_of_the_moment_on_the_page_and_in_the_filter(
    people, client, time_machine, time, phase
):
    today = timezone.localdate()
    session = planned(
        people[5],
        agency=people[5].agency,
        starts=timedelta(days=3),
        opens_on=today - timedelta(days=1),
        closes_on=today + timedelta(days=1),
    )
    days, hours = time
    time_machine.move_to(NOON + timedelta(days=days, hours=hours))
    session = Session.objects.get()
    assert session.phase == phase
    assert [one for one in Phase if Session.objects.in_phase(one).exists()] == [phase]
    Account.objects.filter(username="IC1006").update(role="agency_admin")
    client.force_login(Account.objects.get(username="IC1006"))
    listed = client.get("/manage/sessions/").content.decode()
    assert f">{phase.label}</span>" in listed
    assert f">{phase.label}</span>" in client.get(f"/courses/{session.course_id}/").content.decode()


def test_full_drafts_closed_and_cancelled_are_named_as_they_are(full, people):
    def now():
        session = Session.objects.get()
        [same] = [one for one in Phase if Session.objects.in_phase(one).exists()]
        assert session.phase == same
        return same

    assert now() == Phase.FULL
    for state, phase in (("draft", Phase.NOT_YET), ("closed", Phase.CLOSED)):
        type(full.course).objects.update(state=state)
        assert now() == phase
    type(full.course).objects.update(state="open")
    classes.cancel_sessions(Session.objects.all(), by=people[5])
    assert now() == Phase.CANCELLED


def test_the_front_page_lists_only_what_can_be_joined(people, client, time_machine):
    session = planned(people[5])
    classes.sign_up(session, people[0], by=people[0])
    course("線上入門", category="system")

    def listed(person):
        client.force_login(person)
        page = client.get("/").content.decode()
        return "社交工程防護" in page, "線上入門" in page

    assert listed(people[0]) == listed(people[1]) == (True, True)
    time_machine.move_to(
        NOON + timedelta(hours=2)
    )  # it has begun: only those who signed up still see it
    assert listed(people[0]) == (True, True)
    assert listed(people[1]) == (False, True)
    time_machine.move_to(NOON + timedelta(days=30))
    assert listed(people[0]) == (False, True)


def test_the_search_shows_the_sessions_that_take_sign_ups(people, client, time_machine):
    planned(people[5], quota=9, place="五樓講堂")
    client.force_login(people[0])
    found = client.get("/search/?q=社交").content.decode()
    assert "第 1 期" in found and "五樓講堂" in found and "名額 9" in found
    time_machine.move_to(NOON + timedelta(hours=2))
    client.force_login(people[0])
    assert "五樓講堂" not in client.get("/search/?q=社交").content.decode()


def test_what_was_cancelled_is_not_cancelled_once_more(full, people):
    classes.withdraw(sign_up_of(full, people[0]), by=people[0])
    before = Event.objects.count()
    with pytest.raises(ActionRefused, match="已經取消"):
        classes.withdraw(sign_up_of(full, people[0]), by=people[5])
    assert Event.objects.count() == before
