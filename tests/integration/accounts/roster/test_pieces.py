"""A roster comes in by pieces: nobody waits for it, nothing that others do meanwhile is lost, and
what breaks off is finished by whoever comes next (docs/adr/0034)."""

import os
import signal
from functools import partial

import pytest
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from ismp.accounts import demo_data
from ismp.accounts.actions import accounts as account_actions
from ismp.accounts.actions import postings
from ismp.accounts.models import Account, Agency, Department, Posting, Status
from ismp.accounts.roles import Role
from ismp.accounts.roster import importing as roster_importing
from ismp.accounts.roster import judging as roster_judging
from ismp.accounts.roster import pieces as roster_pieces
from ismp.accounts.roster import writing as roster_writing
from ismp.accounts.roster.reading import RosterRejected
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.imports import report, running
from ismp.imports.models import ImportRun, State
from tests.support import uploads
from tests.support.concurrency import at_once
from tests.support.faults import AGENCY, LEASE_OVER, Site
from tests.support.hosts import PASSWORD
from tests.support.rosters import HEAD, NEW, OWN, A, B, line_of, take
from tests.support.sessions import place, signed_in

__all__ = ["place"]
C = "A123456789"


@pytest.fixture
def pieces(monkeypatch):
    """(size, *steps) → a roster comes in so many lines at once, and one step after each piece."""

    def arrange(size, *steps):
        left = list(steps)
        monkeypatch.setattr(roster_pieces, "_PIECE", size)
        monkeypatch.setattr(roster_importing, "give_way", lambda: left and left.pop(0)())

    return arrange


@pytest.fixture
def lines(city):
    """Of four people, each with another e-mail address."""
    return [line_of(f"IC100{n}", city).replace("@ismp", "@new") for n in (2, 3, 4, 5)]


def stored(username):
    return Account.objects.select_related("agency", "department").get(username=username)


def emails():
    found = Account.objects.filter(email__contains="@new").order_by("username")
    return list(found.values_list("username", flat=True))


def announced():
    """Return the events of the batches, without that of the city's own people."""
    events = Event.objects.filter(verb="import_roster").order_by("number")
    return list(events.values_list("detail", flat=True))[1:]


# --- What others do meanwhile --------------------------------------------------------------------


def person_is_edited(username, **values):
    Account.objects.filter(username=username).update(**values)


@pytest.mark.django_db
def test_what_the_file_does_not_change_stays_as_others_left_it(pieces, lines):
    pieces(1, partial(person_is_edited, "IC1005", name="甲改的名", role=Role.TEACHER))
    result = take(*lines)
    assert (result.updated, result.faults) == (4, [])
    person = stored("IC1005")
    assert (person.name, person.role) == ("甲改的名", Role.TEACHER)
    assert person.email.endswith("@new.example")


@pytest.mark.django_db
def test_a_line_that_would_undo_what_others_did_is_a_fault_and_the_rest_goes_on(pieces, lines):
    pieces(1, partial(person_is_edited, "IC1004", email="other@ismp.example"))
    result = take(*lines)
    assert (result.created, result.updated, result.total) == (0, 3, 4)
    [fault] = result.faults
    assert (fault.line, fault.reason.code) == (4, "changed-meanwhile")
    assert "電子郵件現在是「other@ismp.example」" in fault.sentence
    assert stored("IC1004").email == "other@ismp.example"
    assert emails() == ["IC1002", "IC1003", "IC1005"]
    one = {"created": 0, "updated": 1}
    assert announced() == [one, one, {"created": 0, "updated": 0, "rejected": 1}, one]
    assert not Event.objects.filter(subject="account:IC1004", verb="change_by_roster").exists()
    assert list(trail.faults()) == []


@pytest.mark.django_db
def test_what_others_made_of_it_already_is_no_change(pieces, lines):
    pieces(1, partial(person_is_edited, "IC1005", email="ic1005@new.example"))
    result = take(*lines)
    assert (result.updated, result.unchanged, result.faults) == (3, 1, [])


def leave(username):
    since = timezone.localdate()
    postings.assign(stored(username), status=Status.LEFT, since=since, by="another")


@pytest.mark.django_db
def test_who_was_let_go_meanwhile_is_not_given_another_department(pieces, lines, city):
    lines[3] = line_of("IC1005", city).replace("秘書室", "新室").replace("資訊科", "新室")
    lines[3] = lines[3].replace("業務科", "新室")
    pieces(1, partial(leave, "IC1005"))
    result = take(*lines)
    [fault] = result.faults
    assert (result.updated, fault.reason.code) == (3, "changed-meanwhile")
    assert "狀態現在是「離職」" in fault.sentence
    assert stored("IC1005").status == Status.LEFT


@pytest.mark.django_db
def test_who_was_let_go_meanwhile_stays_so_when_only_the_address_changes(pieces, lines):
    pieces(1, partial(leave, "IC1005"))
    assert take(*lines).updated == 4
    person = stored("IC1005")
    assert person.status == Status.LEFT and person.email.endswith("@new.example")


def move(username):
    agency = Agency.objects.get(code="382990002Z")
    since = timezone.localdate()
    postings.assign(stored(username), agency=agency, since=since, by="another")


@pytest.mark.django_db
def test_who_was_moved_meanwhile_stays_where_she_is(pieces, lines, city):
    """The address is written; identities and status are the other agency's to change."""
    lines[2] = line_of("IC1004", city).replace("一般使用者及主管", "資訊人員")
    pieces(1, partial(move, "IC1004"), partial(move, "IC1005"))
    result = take(*lines)
    [fault] = result.faults
    assert (result.updated, fault.line, fault.reason.code) == (3, 4, "changed-meanwhile")
    for name in ("IC1004", "IC1005"):
        person = stored(name)
        newest = Posting.objects.filter(account=person).latest("since", "pk")
        assert person.agency.code == newest.agency.code == "382990002Z"
    assert stored("IC1005").email.endswith("@new.example")


def add(username, number):
    somebody = Account(username=username, name="別人加的", agency=Agency.objects.get(code=AGENCY))
    somebody.national_id = number
    return account_actions.save_account(somebody, by=stored("CU1001"))


@pytest.mark.django_db
def test_an_account_that_others_added_meanwhile_is_not_taken_over(pieces, lines, account):
    account("CU1001", "platform_admin")
    new = [f"{OWN},資訊科,IC80{n},方新進,{A if n == 2 else ''},,,在職" for n in range(4)]
    pieces(1, partial(add, "ic803", C), partial(add, "IC9000", A))
    result = take(*new)
    assert [(one.line, one.reason.code) for one in result.faults] == [
        (4, "second-account"),
        (5, "changed-meanwhile"),
    ]
    assert "IC9000" in result.faults[0].sentence
    assert (result.created, result.total) == (2, 4)
    assert stored("ic803").name == "別人加的"
    assert not Account.objects.filter(username="IC802").exists()


@pytest.mark.django_db
def test_what_the_database_refuses_is_the_fault_of_its_line_alone(pieces, lines, monkeypatch):
    """Whatever slips between the second look and the writing."""
    new = [f"{OWN},資訊科,IC80{n},方新進,,,,在職" for n in range(5)]
    begin = roster_writing._begin

    def refuse(served):
        if "IC803" in {one.account.username for one in served}:
            Account.objects.create(username="ic803", agency_id=served[0].agency_id)
        begin(served)

    monkeypatch.setattr(roster_writing, "_begin", refuse)
    result = take(*new)
    assert [(one.line, one.reason.code) for one in result.faults] == [(5, "changed-meanwhile")]
    assert (result.created, announced()) == (4, [{"created": 4, "updated": 0, "rejected": 1}])
    assert Posting.objects.filter(account__username__startswith="IC80").count() == 4


def send(client, lines):
    return uploads.send(client, "\n".join([HEAD, *lines, ""]).encode(), source="roster")


@pytest.mark.django_db
def test_the_page_says_which_lines_were_no_longer_possible(clerk, pieces, lines):
    pieces(1, partial(person_is_edited, "IC1004", email="other@ismp.example"))
    run = send(clerk, lines)
    assert run.state == State.COMPLETED
    assert (run.total, run.updated, run.rejected) == (4, 3, 1)
    assert run.reasons == {"changed-meanwhile": 1}
    page = clerk.get(run.get_absolute_url()).content.decode()
    assert "匯入期間有人變更了這個帳號" in page and "下載無法匯入資料" in page
    [reported] = report.rejections(run)
    assert (reported["line"], reported["code"]) == (4, "changed-meanwhile")
    rows = clerk.get(f"{run.get_absolute_url()}rows/?which=updated").content.decode()
    assert "IC1005" in rows and "IC1004" not in rows


@pytest.mark.django_db
def test_who_loses_her_right_meanwhile_brings_in_nothing_more(clerk, pieces, lines):
    pieces(2, partial(person_is_edited, "IC1001", role=Role.STAFF))
    run = send(clerk, lines)
    assert (run.state, run.updated, run.rejected) == (State.COMPLETED, 2, 2)
    assert run.reasons == {"no-right": 2}
    assert emails() == ["IC1002", "IC1003"]


# --- What belongs together -----------------------------------------------------------------------


def numbered(usernames, numbers, city):
    """Lines by which each of these people has one of these numbers."""
    by_name = {one.username: one for one in city}
    return [
        line_of(name, city).replace(by_name[name].national_id, number)
        for name, number in zip(usernames, numbers, strict=True)
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("shift", [1, 2, 3])
def test_numbers_that_go_round_never_belong_to_two(city, pieces, shift):
    names = [f"IC100{n}" for n in (2, 3, 4, 5)]
    numbers = [next(p.national_id for p in city if p.username == name) for name in names]
    pieces(1)
    assert take(*numbered(names, numbers[shift:] + numbers[:shift], city)).updated == 4
    found = [stored(name).national_id for name in names]
    assert found == numbers[shift:] + numbers[:shift]


@pytest.mark.django_db
@pytest.mark.parametrize("order", [1, -1])
def test_a_number_is_free_before_the_next_one_takes_it(city, pieces, order):
    names = [f"IC100{n}" for n in (2, 3, 4, 5)]
    numbers = [next(p.national_id for p in city if p.username == name) for name in names]
    pieces(1)
    assert take(*numbered(names, [*numbers[1:], B], city)[::order]).updated == 4
    assert [stored(name).national_id for name in names] == [*numbers[1:], B]


@pytest.mark.django_db
def test_who_was_to_free_a_number_and_did_not_is_named(city, pieces, lines):
    numbers = {one.username: one.national_id for one in city}
    given = numbered(["IC1002", "IC1003"], [numbers["IC1003"], B], city)
    given[1] = given[1].replace("@ismp", "@new")
    pieces(1, partial(person_is_edited, "IC1003", email="other@ismp.example"))
    result = take(lines[3], *given)
    assert result.updated == 1
    assert [(one.line, one.reason.code) for one in result.faults] == [
        (3, "second-account"),
        (4, "changed-meanwhile"),
    ]
    assert "IC1003" in result.faults[0].sentence
    assert {name: stored(name).national_id for name in numbers} == numbers


@pytest.mark.django_db
@pytest.mark.parametrize("size", [1, 2, 500])
def test_pieces_end_where_the_whole_would(city, pieces, size):
    """A new agency and department in several pieces; people who served nobody knows since when."""
    pieces(size)
    new = [f"{NEW},測試科,XX{n},某人{n},,,,在職" for n in range(3)]
    assert take(*new, line_of("IC1002", city).replace("@ismp", "@new")).created == 3
    agency = Agency.objects.get(code="382990100A")
    assert Department.objects.filter(agency=agency).count() == 1 and not agency.in_first_roster
    since = set(Posting.objects.filter(agency=agency).values_list("since", flat=True))
    assert since == {Posting.UNKNOWN}
    assert take(f"{NEW},測試科,XX9,後來的,,,,在職").created == 1
    assert Posting.objects.get(account__username="XX9").since != Posting.UNKNOWN
    sums = {name: sum(one[name] for one in announced()) for name in ("created", "updated")}
    assert sums == {"created": 4, "updated": 1}
    created = Event.objects.filter(verb="create_by_roster", subject__startswith="account:XX")
    assert created.count() == 4
    assert list(trail.faults()) == []


@pytest.mark.django_db
def test_a_line_at_fault_anywhere_stores_no_piece(city, pieces, lines):
    pieces(1)
    with pytest.raises(RosterRejected):
        take(*lines, f"{OWN},資訊科,IC8001,某人,A123456780,,,在職")
    assert emails() == [] and announced() == []


# --- Nobody waits --------------------------------------------------------------------------------


def test_between_two_pieces_people_sign_in_and_are_edited(place, pieces):
    """On another connection, which waits for nothing."""
    city = [one for one in demo_data.city() if one.username in {"IC1002", "IC1003", "IC1004"}]
    lines = [line_of(one.username, city).replace("@ismp", "@new") for one in city]
    person = stored("IC1004")
    person.set_password(PASSWORD)
    person.save(update_fields=["password"])
    _, editor = signed_in("CU1001", Role.PLATFORM_ADMIN)

    def sign_in():
        dont_wait()
        client = Client()
        answer = client.post("/accounts/login/", {"username": "IC1004", "password": PASSWORD})
        return answer.status_code, client.get("/").status_code

    def edit():
        dont_wait()
        one = stored("IC1002")  # of the piece that is done
        one.name = "別人改的名"
        account_actions.save_account(one, by=editor)
        other = stored("IC1004")  # of one to come
        postings.appoint(other, Role.TEACHER, by=editor.username)

    answers = []
    pieces(1, lambda: answers.extend(at_once(sign_in)), lambda: answers.extend(at_once(edit)))
    result = postings.import_roster("\n".join([HEAD, *lines]).encode(), by="test")
    assert answers == [(302, 200), None]
    assert (result.updated, result.faults) == (3, [])
    assert stored("IC1002").name == "別人改的名"
    assert stored("IC1004").role == Role.TEACHER
    assert [stored(one.username).email[-12:] for one in city] == ["@new.example"] * 3
    assert Session.objects.exists()
    assert list(trail.faults()) == []


def dont_wait():
    """Fail at once instead, where somebody else holds what is asked for."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET lock_timeout = '100ms'")
        else:
            cursor.execute("PRAGMA busy_timeout = 0")


def test_a_roster_is_judged_while_others_write(place, pieces, monkeypatch):
    """Reading a city's roster takes seconds; on SQLite too it holds nobody up."""
    held = []
    judge = roster_judging.judge

    def judge_and_look(*reported):
        if not held:
            held.append(connection.in_atomic_block)
            assert at_once(touch_something) == [None]
        return judge(*reported)

    def touch_something():
        dont_wait()
        with transaction.atomic():
            Agency.objects.filter(code=AGENCY).update(contact_name="某人")

    monkeypatch.setattr(roster_importing, "judge", judge_and_look)
    client, _ = signed_in("IC1001", Role.AGENCY_ADMIN)
    for mode in ("dry_run", "import"):
        held.clear()
        run = uploads.send(
            client,
            f"{HEAD}\n{OWN},資訊科,IC8001,方新進,,,,在職\n".encode(),
            source="roster",
            mode=mode,
        )
        assert (run.state, run.created, held) == (State.COMPLETED, 1, [False])


# --- It breaks off -------------------------------------------------------------------------------

SIZE = roster_pieces._PIECE
LINES = SIZE * 2 + 30
LONG = "\n".join([HEAD, *(f"{NEW},某科,ZZ{n},某人{n},,,,在職" for n in range(LINES))])


@pytest.fixture
def site(tmp_path, town, django_db_blocker):
    site = Site(tmp_path / "home", town)
    site.file.write_text(LONG, "utf-8")
    with django_db_blocker.unblock():
        yield site
    site.close()


def of_the_platform(site):
    run = site.queue("roster")
    with site.entered():
        Account.objects.filter(username="IC1001").update(role=Role.PLATFORM_ADMIN)
    return run


def state_of(site):
    with site.entered():
        accounts = Account.objects.filter(username__startswith="ZZ")
        postings = Posting.objects.filter(account__in=accounts)
        run = ImportRun.objects.first()
        return {
            "run": run and (run.state, run.attempt, run.created, run.unchanged, run.rejected),
            "accounts": accounts.count(),
            "postings": postings.count(),
            "since": set(postings.values_list("since", flat=True)),
            "events": Event.objects.filter(subject__startswith="account:ZZ").count(),
            "faults": list(trail.faults()),
        }


def whole(count, run=None):
    return {
        "run": run,
        "accounts": count,
        "postings": count,
        "since": {Posting.UNKNOWN},
        "events": count,
        "faults": [],
    }


def test_a_worker_killed_between_two_pieces_leaves_whole_ones_and_the_next_goes_on(site):
    run = of_the_platform(site)
    killed = site.python("tests/support/faulty_worker.py", run, "matched", "SIGKILL")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert state_of(site) == whole(SIZE, (State.RUNNING, 1, 0, 0, 0))
    with site.entered():  # what is done is not looked at again
        Account.objects.filter(username="ZZ0").update(name="別人改的名")
    site.perform(run, after=LEASE_OVER)
    assert state_of(site) == whole(LINES, (State.COMPLETED, 2, LINES, 0, 0))
    with site.entered():
        assert Account.objects.get(username="ZZ0").name == "別人改的名"
        assert len(report.rows(ImportRun.objects.get(), "created", "")) == LINES
        assert sum(one["created"] for one in announced()) == LINES


def test_a_worker_paused_between_two_pieces_that_wakes_too_late_writes_nothing_more(site):
    run = of_the_platform(site)
    paused = site.python(
        "tests/support/faulty_worker.py", run, "matched", "SIGSTOP", background=True
    )
    try:
        os.waitpid(paused.pid, os.WUNTRACED)
        site.perform(run, after=LEASE_OVER)
    finally:
        paused.send_signal(signal.SIGCONT)
        paused.communicate()
    assert state_of(site) == whole(LINES, (State.COMPLETED, 2, LINES, 0, 0))


KILLED = """
import django; django.setup()
import os, signal, sys
from ismp.accounts.actions import postings
from ismp.accounts.roster import importing
importing.give_way = lambda: os.kill(os.getpid(), signal.SIGKILL)
postings.import_roster(open(sys.argv[1], "rb").read(), by="test")
"""


def test_a_command_killed_between_two_pieces_is_finished_by_the_same_command(site):
    killed = site.python("-c", KILLED, site.file)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert state_of(site) == whole(SIZE)
    done = site.python("manage.py", "import_roster", site.file)
    assert done.returncode == 0, done.stderr
    assert f"新增 {LINES - SIZE} 人、更新 0 人、無變動 {SIZE} 人" in done.stdout
    assert state_of(site) == whole(LINES)


@pytest.mark.django_db
def test_a_run_that_is_set_aside_says_what_of_it_stands(clerk, pieces, lines, settings):
    settings.IMPORT_ATTEMPTS = 1

    def fail():
        raise RuntimeError("the machine")

    pieces(1, lambda: None, fail)
    with pytest.raises(RuntimeError):
        send(clerk, lines)
    run = ImportRun.objects.get()
    assert (run.state, run.total, run.updated) == (State.QUARANTINED, 2, 2)
    assert "已匯入的 2 列保留" in run.reason and emails() == ["IC1002", "IC1003"]
    page = clerk.get(run.get_absolute_url()).content.decode()
    assert "暫停處理，已匯入 2 列" in page and "沒有匯入任何資料" not in page
    again = send(clerk, lines)
    assert (again.state, again.updated, again.unchanged) == (State.COMPLETED, 2, 2)


@pytest.mark.django_db
def test_faults_of_a_run_that_broke_off_are_reported_at_its_end(clerk, pieces, lines):
    def edit():
        person_is_edited("IC1003", email="other@ismp.example")

    def fail():
        raise RuntimeError("the machine")

    pieces(1, edit, fail)
    with pytest.raises(RuntimeError):
        send(clerk, lines)
    run = ImportRun.objects.get()
    pieces(1)
    running.perform(run.pk)
    run.refresh_from_db()
    assert (run.state, run.attempt) == (State.COMPLETED, 2)
    assert (run.total, run.updated, run.unchanged, run.rejected) == (4, 3, 0, 1)
    assert [one["code"] for one in report.rejections(run)] == ["changed-meanwhile"]
    assert stored("IC1003").email == "other@ismp.example"
