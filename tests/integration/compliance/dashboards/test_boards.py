"""Kept boards: after any step they say what a fresh count says, and without one nothing is counted."""

import contextlib
import random
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ismp.accounts import demo_data, verbs
from ismp.accounts.actions import accounts as account_actions
from ismp.accounts.actions import cancelling, person_links
from ismp.accounts.actions import departments as department_actions
from ismp.accounts.actions import postings as accounts
from ismp.accounts.identities import sets
from ismp.accounts.models import (
    Account,
    Agency,
    AgencyGrade,
    Department,
    Grade,
    Leave,
    PersonLink,
    Posting,
    Status,
)
from ismp.accounts.roles import Role
from ismp.audit import trail
from ismp.audit.verbs import find
from ismp.compliance.dashboards import aggregates, cached, counts
from ismp.compliance.models import Board, RuleVersion
from ismp.compliance.rules import actions as rules
from ismp.compliance.standing import table as standing_table
from ismp.errors import ActionRefused
from ismp.hours.models import Deletion, Record
from ismp.hours.records.actions import records as hours
from ismp.imports.models import ImportRun
from ismp.ui.text import roc_dates
from tests.support.portal_files import data
from tests.support.portal_files import row_of_today as row

pytestmark = pytest.mark.django_db


def days():
    today = timezone.localdate()
    return [today, today.replace(day=1) - timedelta(days=1), date(today.year, 12, 31)]


def assert_as_freshly_counted():
    agencies = list(Agency.objects.all())
    kept = cached.board_counts(agencies, days())
    for day in days():
        fresh = aggregates.parts(standing_table.table(on=day), day)
        for agency in agencies:
            board = kept[agency.pk, day]
            assert board.get_parts() == fresh.get(agency.pk, [])
            assert board.get_totals()[""] == counts.total(fresh.get(agency.pk, []))


def administrator(username="IC1001"):
    """One who may do everything, of the first agency (or another one)."""
    found = Account.objects.select_related("agency").get(username=username)
    accounts.appoint(found, Role.PLATFORM_ADMIN, by="x")
    return found


class Steps:
    """Random actions of people."""

    def __init__(self, seed, import_bytes):
        self.chance, self.import_bytes = random.Random(seed), import_bytes
        self.clerk, self.second = administrator(), administrator("CU1001")

    def one(self):
        steps = [name for name in dir(self) if name.startswith("do_")] + ["do_import"] * 4
        getattr(self, self.chance.choice(steps))()

    def person(self):
        return self.chance.choice(list(Account.objects.filter(status="active")))

    def day(self):
        return timezone.localdate() + timedelta(days=self.chance.randint(-90, 60))

    def do_import(self):
        people = self.chance.sample(demo_data.city(), 6)
        today = timezone.localdate()
        this_year = today.year - 1911
        ends = [f"{this_year - 1}-12-31", f"{this_year}-01-01", roc_dates.roc_date(today)]
        rows = [
            row(
                national_id=person.national_id,
                name=person.name,
                category=self.chance.choice(["522", "523"]),
                term=str(self.chance.randint(1, 9)),
                started_on=f"{this_year - 1}-10-05",
                ended_on=self.chance.choice(ends),
            )
            for person in people
        ]
        self.import_bytes(
            data(*rows, encoding="utf-8"), agency=self.chance.choice(people).agency_code
        )

    def do_undo(self):
        for run in ImportRun.objects.all():
            if run.can_be_undone and self.chance.random() < 0.5:
                return hours.undo(run, by=self.clerk)

    def do_delete(self):
        chosen = list(Record.objects.live().values_list("pk", flat=True))
        some = self.chance.sample(chosen, len(chosen) // 3)
        if some:
            hours.delete(Record.objects.filter(pk__in=some), reason="誤植", by=self.clerk)

    def do_restore(self):
        for deletion in Deletion.objects.all():
            if deletion.restorable:
                return hours.restore(deletion, by=self.clerk)

    def do_assign(self):
        agency = self.chance.choice(list(Agency.objects.all()))
        with_luck = {
            "agency": agency,
            "department": agency.departments.first(),
            "identities": self.chance.choice(sets()),
            "status": self.chance.choice([Status.ACTIVE, Status.ACTIVE, Status.LEFT]),
        }
        with contextlib.suppress(ActionRefused):
            accounts.assign(
                self.person(), **with_luck, since=self.day(), replace=self.coin(), by="x"
            )

    def coin(self):
        return self.chance.random() < 0.5

    def do_cancel(self):
        entries = Posting.objects.standing().exclude(since=Posting.UNKNOWN)
        grade_entries = AgencyGrade.objects.standing()
        self.clerk.role = "platform_admin"
        with contextlib.suppress(ActionRefused):
            if self.coin() and grade_entries:
                cancelling.cancel_grading(
                    self.chance.choice(grade_entries), reason="誤植", by=self.clerk
                )
            elif entries:
                cancelling.cancel_service(self.chance.choice(entries), reason="誤植", by=self.clerk)

    def do_leave(self):
        with contextlib.suppress(ActionRefused):
            accounts.grant_leave(
                self.person(),
                since=self.day(),
                until=None,
                reason="育嬰",
                replace=self.coin(),
                by="x",
            )

    def do_withdraw(self):
        for leave in Leave.objects.filter(withdrawn_at=None)[:1]:
            accounts.withdraw_leave(leave, by="x")

    def do_grade(self):
        agency = self.chance.choice(list(Agency.objects.all()))
        with contextlib.suppress(ActionRefused):
            grade = self.chance.choice(list(Grade))
            accounts.grade(agency, grade, since=self.day(), replace=self.coin(), by="x")

    def do_roster(self):
        people = self.chance.sample(demo_data.city(), 10)
        accounts.import_roster(demo_data.roster_csv(people).encode(), by="x")

    def do_merge(self):
        agency = self.chance.choice(list(Agency.objects.all()))
        one, other = self.chance.sample(list(agency.departments.order_by("pk")), 2)
        with contextlib.suppress(ActionRefused):
            department_actions.merge(
                Department.objects.filter(pk=one.pk), into=other, by=self.clerk
            )

    def do_policy(self):
        with contextlib.suppress(ActionRefused):
            rules.set_policy(
                two_years=self.chance.choice(["rolling", "pairs"]),
                grace_days=self.chance.choice([0, 60]),
                unlisted=self.chance.random() < 0.5,
                since=self.day(),
                by=self.clerk,
            )

    def do_rule(self):
        held = self.chance.choice(list(RuleVersion.objects.exclude(hours=None)))
        with contextlib.suppress(ActionRefused):
            rules.change_rule(
                held.rule,
                grades="ABCDE",
                hours=self.chance.choice([1_000, 2_000, 9_000]),
                citation="範例",
                since=self.day(),
                by=self.clerk,
            )

    def do_national_id(self):
        """Two accounts may turn out to be one person, or two people."""
        other = self.chance.choice(demo_data.city())
        with contextlib.suppress(ActionRefused):
            account_actions.set_national_id(
                [self.person()], number=other.national_id, by=self.clerk
            )

    def do_confirm(self):
        for link in PersonLink.objects.waiting()[:2]:
            with contextlib.suppress(
                ActionRefused
            ):  # the link may concern the second administrator
                person_links.confirm(link, by=self.second)

    def do_revoke(self):
        for link in PersonLink.objects.standing()[:1]:
            with contextlib.suppress(ActionRefused):
                person_links.revoke(link, reason="弄錯了", by=self.second)

    def do_sign_in(self):
        trail.record(verbs.SIGN_IN, actor="x", agency="382990001Z")

    def do_worker(self):
        cached.keep_fresh()


@pytest.mark.parametrize("seed", range(6))
def test_after_any_step_a_board_is_as_freshly_counted(city, import_bytes, seed):
    steps = Steps(seed, import_bytes)
    steps.do_import()
    assert Record.objects.exists()
    for _ in range(10):
        steps.one()
        assert_as_freshly_counted()


def counted(monkeypatch):
    """The agencies for which standings are asked, call by call."""
    calls, table = [], standing_table.table

    def noted(whom, **more):
        numbers = whom.children[0][1]
        codes = Agency.objects.filter(pk__in=numbers).values_list("code", flat=True)
        calls.append(sorted(codes))
        return table(whom, **more)

    monkeypatch.setattr(standing_table, "table", noted)
    return calls


A, B, C = "382990001Z", "382990002Z", "382990003Z"


def test_only_boards_that_an_step_concerns_are_counted_anew(city, import_bytes, monkeypatch):
    agencies, today = list(Agency.objects.all()), timezone.localdate()
    cached.board_counts(agencies, [today])
    calls = counted(monkeypatch)
    cached.board_counts(agencies, [today])
    trail.record(verbs.SIGN_IN, actor="x", agency=A)
    cached.board_counts(agencies, [today])
    assert calls == []
    import_bytes(data(row()), agency=C)
    cached.board_counts(agencies, [today])
    assert calls == [[C]]
    import_bytes(data(row()), agency=B)  # one of A's former people serves here under a new account
    cached.board_counts(agencies, [today])
    assert calls[1:] == [[A, B]]
    trail.record(find("a_step_of_a_later_version"), actor="x", agency=C)
    cached.board_counts(agencies, [today])
    assert calls[2:] == [[A, B, C]]


def test_accounts_that_turn_out_to_be_one_person_share_their_hours(city, import_bytes):
    import_bytes(data(row()))  # IC1001 has 3 hours of 522
    number = next(person.national_id for person in city if person.username == "IC1001")
    other = Account.objects.filter(agency__code=C, status="active", identities="general").first()
    assert_as_freshly_counted()
    before = cached.board_counts([other.agency], days()[:1])[
        other.agency_id, days()[0]
    ].get_totals()[""]
    account_actions.set_national_id([other], number=number, by=administrator())
    assert_as_freshly_counted()
    apart = cached.board_counts([other.agency], days()[:1])[
        other.agency_id, days()[0]
    ].get_totals()[""]
    assert apart == before  # a number alone is not a person
    person_links.confirm(PersonLink.objects.get(account=other), by=administrator("CU1001"))
    assert_as_freshly_counted()
    after = cached.board_counts([other.agency], days()[:1])[
        other.agency_id, days()[0]
    ].get_totals()[""]
    assert after.green == before.green + 1
    hours.delete(Record.objects.all(), reason="誤植", by=administrator())
    assert_as_freshly_counted()


def test_the_worker_keeps_boards_ready_and_lets_old_ones_go(city, import_bytes, monkeypatch):
    today, a_month_end = days()[:2]
    assert cached.keep_fresh() == 3
    assert cached.keep_fresh() == 0
    cached.board_counts(Agency.objects.all(), [a_month_end])
    first = Board.objects.filter(agency__code=A, on=today)
    yesterday = Board.objects.get(pk=first.get().pk)
    yesterday.pk, yesterday.on = None, date(2026, 1, 15)
    yesterday.save()
    import_bytes(data(row()), agency=C)
    assert cached.keep_fresh() == 1
    left = set(Board.objects.values_list("agency__code", "on"))
    assert left == {(A, today), (B, today), (C, today), (A, a_month_end), (B, a_month_end)}
    assert set(Board.objects.values_list("basis", flat=True)) == {trail.newest()}
    calls = counted(monkeypatch)
    cached.board_counts(Agency.objects.all(), [today])
    assert calls == []


def test_a_kept_city_takes_three_queries(city):
    agencies, today = list(Agency.objects.all()), timezone.localdate()
    cached.board_counts(agencies, [today])
    with CaptureQueriesContext(connection) as queries:
        cached.board_counts(agencies, days()[:1])
    assert len(queries) == 3


def test_what_was_known_then_is_counted_and_not_kept(city, import_bytes):
    before, today = timezone.now(), timezone.localdate()
    import_bytes(data(row()))
    agencies = list(Agency.objects.filter(code=A))
    then = cached.board_counts(agencies, [today], known_at=before)
    assert then[agencies[0].pk, today].pk is None
    assert not Board.objects.exists()
