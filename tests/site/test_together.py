"""Two at once who act on different things, of which one decides what becomes of the other.

tests/site/test_pairs.py has the actions on one thing.
"""

import contextlib
import gc
import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from functools import partial

import pytest
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.test import Client
from django.utils import timezone

from ismp.accounts.actions import accounts as account_actions
from ismp.accounts.actions import postings
from ismp.accounts.models import Account
from ismp.accounts.roster import pieces as roster_pieces
from ismp.audit import trail
from ismp.courses import actions as courses
from ismp.courses.classroom.actions import attendance
from ismp.courses.models import Attendance, Course, Kind, Meeting, SignUp, Way
from ismp.courses.online.actions import learning
from ismp.errors import ActionRefused
from ismp.imports import actions as import_actions
from ismp.imports import kinds, running
from ismp.imports.upload import Upload
from ismp.security.devices.actions import devices as device_actions
from ismp.security.devices.actions import matching as device_matching
from ismp.security.devices.actions import products as product_actions
from ismp.security.models import Device, RestrictedProduct
from ismp.storage.waiting import unless_busy
from tests.support.accounts import account_named
from tests.support.concurrency import at_once
from tests.support.examples import modules
from tests.support.hosts import PATIENCE_SECONDS, wait_for
from tests.support.installations import Place
from tests.support.states import a_course, a_sign_up

NUMBER = iter(range(1, 1_000))
TODAY = timezone.localdate


@pytest.fixture(scope="module")
def place(tmp_path_factory, full_town, django_db_blocker):
    place = Place(tmp_path_factory.mktemp("together") / "home", like=full_town)
    with django_db_blocker.unblock(), place.entered():
        yield place
    with django_db_blocker.unblock():
        place.close()


@pytest.fixture
def meet(monkeypatch):
    """(module, function): whoever comes to it waits there for the other one, but not for long: who
    holds what the other one needs would wait for ever."""
    barrier = threading.Barrier(2)

    def at(module, name, *, after=False):
        function = getattr(module, name)

        def waiting(*given, **named):
            found = function(*given, **named) if after else None
            with contextlib.suppress(threading.BrokenBarrierError):
                barrier.wait(1)
            return found if after else function(*given, **named)

        monkeypatch.setattr(module, name, waiting)

    return at


# --- The list of restricted products -------------------------------------------------------------


def a_device(brand):
    device = Device(
        agency=account_named("IC1001").agency, asset_no=f"TOGETHER-{next(NUMBER)}", kind="hardware"
    )
    device.brand, device.network, device.quantity = brand, "official", 1
    return device_actions.save_device(device, by=account_named("IC1003"))


def a_product(brand, model=""):
    facts = {"letter": f"函{next(NUMBER)}", "issued_on": TODAY() - timedelta(days=1)}
    return RestrictedProduct(brand=brand, model=model, **facts)


def listed(brand):
    product_actions.save_product(one := a_product(brand), by=account_named("IC1001"))
    return one


def renamed(device, brand):
    own = Device.objects.get(pk=device.pk)
    own.brand = brand
    return device_actions.save_device(own, by=account_named("IC1003"))


def fallen_under(device):
    return Device.objects.get(pk=device.pk).restriction


def test_a_device_that_is_renamed_while_its_brand_is_listed_falls_under_it(place, meet):
    device = a_device("無名牌")
    meet(device_matching, "match")
    at_once(partial(listed, "新列牌"), partial(renamed, device, "新列牌"))
    assert fallen_under(device).brand == "新列牌"


def test_a_device_that_is_added_while_its_brand_is_listed_falls_under_it(place, meet):
    meet(device_matching, "match")
    _, device = at_once(partial(listed, "加列牌"), partial(a_device, "加列牌"))
    assert fallen_under(device).brand == "加列牌"


def test_what_is_lifted_while_another_line_is_listed_leaves_the_device_to_that_one(place, meet):
    device, former = a_device("雙列牌 甲"), listed("雙列牌")
    assert fallen_under(device) == former
    meet(device_matching, "match")
    lift = partial(
        product_actions.lift, former, on=TODAY() - timedelta(days=1), by=account_named("IC1001")
    )
    _, later = at_once(lift, partial(listed, "雙列牌"))
    assert fallen_under(device) == later


# --- A course that is renamed while somebody completes it ----------------------------------------


def rename(course):
    own = Course.objects.get(pk=course.pk)
    own.title = f"改名{course.pk}"
    return courses.save_course(own, by=account_named("IC1003"))


def test_an_online_course_is_completed_by_the_name_that_it_has_then(place, meet):
    course = a_course(next(NUMBER), Kind.ONLINE)
    [enrollment] = courses.enroll(
        course, [account_named("IC1002")], way=Way.LIST, by=account_named("IC1003")
    )
    meet(learning, "fix", after=True)
    meet(courses, "_has_completions", after=True)
    finish = partial(
        learning.finish, enrollment, course.materials.get(), by=account_named("IC1002")
    )
    at_once(finish, partial(rename, course))
    enrollment.refresh_from_db()
    course.refresh_from_db()
    assert enrollment.completed_at
    assert enrollment.title == enrollment.record.title == course.title


def test_a_class_is_finished_by_the_name_that_its_course_has_then(place, meet):
    own = a_sign_up(next(NUMBER) + 10_000, let_in=True)
    now = timezone.now()
    meeting = Meeting.objects.get(session=own.session)
    past = {"starts_at": now - timedelta(hours=5), "ends_at": now - timedelta(hours=2)}
    Meeting.objects.filter(pk=meeting.pk).update(**past)
    Attendance.objects.create(meeting=meeting, sign_up=own)
    meet(attendance, "fix", after=True)
    meet(courses, "_has_completions", after=True)
    finish = partial(attendance.finish, own.session, by=account_named("IC1004"))
    at_once(finish, partial(rename, own.session.course))
    own = SignUp.objects.select_related("session__course", "record").get(pk=own.pk)
    assert own.completed_at
    assert own.title == own.record.title == own.session.course.title


# --- An account ----------------------------------------------------------------------------------


def test_a_new_password_writes_nothing_else_back(place):
    account = account_named("IC1005")
    account.set_password("old words of mine")
    account.save(update_fields=["password"])
    Account.objects.filter(pk=account.pk).update(name="甲改的名", session_round=7)
    account_actions.change_password(account, old="old words of mine", new="new words of mine")
    stored = account_named("IC1005")
    assert (stored.name, stored.session_round) == ("甲改的名", 7)
    assert stored.check_password("new words of mine")


def test_a_password_that_was_reset_meanwhile_is_not_changed(place):
    account = account_named("IC1005")
    account.set_password("old words of mine")
    account.save(update_fields=["password"])
    other = account_named("IC1005")
    other.set_unusable_password()
    other.save(update_fields=["password"])
    with pytest.raises(ActionRefused, match="重設"):
        account_actions.change_password(account, old="old words of mine", new="new words of mine")
    assert not account_named("IC1005").has_usable_password()


# --- Rosters -------------------------------------------------------------------------------------

HEAD = "機關代碼,機關名稱,部門,公務帳號,姓名,身分證字號,電子郵件,資安列管身分,狀態"


def people_of_the_roster(count):
    agency = account_named("IC1001").agency
    names = [f"ROSTER{next(NUMBER)}" for _ in range(count)]
    for name in names:
        one = Account(username=name, agency=agency, name="某人", identities="general")
        account_actions.save_account(one, by=account_named("CU1001"))
    return names


def roster_of(names, *, at, department="資訊科"):
    agency = account_named("IC1001").agency
    lines = [
        f"{agency.code},{agency.name},{department},{name},某人,,{name}@{at}.example,一般使用者及主管,在職"
        for name in names
    ]
    return "\n".join([HEAD, *lines]).encode()


def emails_of(names):
    found = Account.objects.filter(username__in=names).values_list("email", flat=True)
    return {one.partition("@")[2] for one in found}


@pytest.fixture
def in_pieces(monkeypatch):
    monkeypatch.setattr(roster_pieces, "_PIECE", 5)


def test_two_rosters_of_the_same_people_at_once_end_as_one_after_the_other(place, in_pieces):
    names = people_of_the_roster(30)
    first = partial(postings.import_roster, roster_of(names, at="one"), by="test")
    second = roster_of(names[::-1], at="two", department="新設科")
    done = at_once(first, partial(postings.import_roster, second, by="test"))
    # Whose line meets an account that the other one has just changed says so, and changes nothing.
    assert [one.updated + len(one.faults) for one in done] == [30, 30]
    assert emails_of(names) <= {"one.example", "two.example"}
    assert list(trail.faults()) == []


def test_a_roster_and_an_action_on_many_of_its_people_at_once(place, in_pieces):
    names = people_of_the_roster(30)
    Account.objects.filter(username="IC1001").update(role="platform_admin")
    client = Client()
    client.force_login(account_named("IC1001"))
    ids = [account_named(name).pk for name in names[::-1]]
    [people] = [module for module in modules() if module.name == "people"]
    sent = {"ids": ids, "confirmed": "1"}
    post = partial(client.post, people.address("end_sessions"), sent)
    roster = partial(postings.import_roster, roster_of(names, at="new"), by="test")
    result, answer = at_once(roster, post)
    assert (result.updated, result.faults, answer.status_code) == (30, [], 302)
    assert emails_of(names) == {"new.example"}
    rounds = Account.objects.filter(username__in=names).values_list("session_round", flat=True)
    assert set(rounds) == {1}
    assert list(trail.faults()) == []


@pytest.mark.postgresql
@pytest.mark.parametrize("way", ["command", "worker"])
def test_a_roster_that_postgresql_ends_as_a_deadlock_goes_on(place, in_pieces, way):
    """Somebody holds the second person and wants the first, which the roster holds by then."""
    names = people_of_the_roster(12)
    first, second = account_named(names[0]).pk, account_named(names[1]).pk
    is_held, lock = threading.Event(), "SELECT 1 FROM accounts_account WHERE id = %s FOR UPDATE"

    def other():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL deadlock_timeout = '1min'")  # so that the roster is ended
            cursor.execute(lock, [second])
            is_held.set()
            wait_for(lambda: is_waited_for(cursor))
            cursor.execute(lock, [first])

    def roster():
        is_held.wait(PATIENCE_SECONDS)
        data = roster_of(names, at="new")
        if way == "command":
            return postings.import_roster(data, by="test").updated
        Account.objects.filter(username="CU1001").update(role="platform_admin")
        by = account_named("CU1001")
        upload = Upload(agency=by.agency, filename="r.csv", by=by)
        upload.write(data)
        upload.close()
        kind = kinds.find_kind("roster")
        run = import_actions.receive(upload, kind=kind, agency=by.agency)
        running.perform(run.pk)
        run.refresh_from_db()
        assert (run.state, run.attempt) == ("completed", 1)
        return run.updated

    assert at_once(roster, other)[0] == 12
    assert emails_of(names) == {"new.example"}
    assert list(trail.faults()) == []


def is_waited_for(cursor):
    cursor.execute(
        "SELECT count(*) FROM pg_locks"
        " WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    )
    return cursor.fetchone()[0]


# --- Pages while another one writes --------------------------------------------------------------

PAGES = ["/", "/my/hours/", "/manage/", "/manage/learning-map/agency-hours/", "/manage/devices/"]
PAGES += ["/manage/learning-map/board/", "/manage/learning-map/runs/", "/manage/reviews/"]


@pytest.fixture
def impatient(place, monkeypatch):
    """Whoever waits for another writer fails at once."""
    here = connections[DEFAULT_DB_ALIAS]
    here.close()
    if here.vendor == "sqlite":
        monkeypatch.setitem(here.settings_dict["OPTIONS"], "timeout", 0.01)
    else:
        with here.cursor() as cursor:
            cursor.execute("SET lock_timeout = '10ms'")
    yield here
    here.close()


def test_a_page_waits_for_no_writer(impatient):
    """The first one of a session, and of a minute, notes who is there; and boards are kept."""
    Account.objects.filter(username="IC1001").update(role="agency_admin", last_seen_at=None)
    client, writer = Client(), connections[DEFAULT_DB_ALIAS].copy()
    client.force_login(account_named("IC1001"))
    with closing(writer), writer.cursor() as cursor:
        cursor.execute("BEGIN IMMEDIATE" if writer.vendor == "sqlite" else "BEGIN")
        cursor.execute("UPDATE accounts_agency SET name = name")
        cursor.execute("UPDATE accounts_account SET name = name")
        assert {page: client.get(page).status_code for page in PAGES} == dict.fromkeys(PAGES, 200)
        assert account_named("IC1001").last_seen_at is None
        cursor.execute("ROLLBACK")
    client = Client()
    client.force_login(account_named("IC1001"))
    assert client.get("/").status_code == 200
    assert account_named("IC1001").last_seen_at is not None


@pytest.mark.sqlite
def test_who_does_not_wait_leaves_no_cursor_to_the_garbage_collector(place):
    """It may run in the thread that writes: closing the cursor would wait for its connection, which
    by then waits for that very thread."""
    writer = connections[DEFAULT_DB_ALIAS].copy()
    gc.collect()
    gc.disable()
    try:
        with closing(writer), writer.cursor() as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            before = cursors()
            assert not unless_busy(Account.objects.count)
            assert cursors() == before
            cursor.execute("ROLLBACK")
    finally:
        gc.enable()


def cursors():
    return sum(issubclass(type(one), sqlite3.Cursor) for one in gc.get_objects())
