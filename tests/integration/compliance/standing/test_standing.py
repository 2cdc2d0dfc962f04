"""The standing that SQL computes for everybody is what the rules say of each, record by record.

Random worlds: people who move, have two accounts, are on leave; files, deletions, restorings and
undoings one after another.  What was known at each moment is remembered and must be found again.
"""

from collections import defaultdict
from datetime import date, timedelta

import pytest
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from hypothesis import given

from ismp.accounts import persons
from ismp.accounts.actions import postings as people
from ismp.accounts.identities import members
from ismp.accounts.models import Account, AgencyGrade, Leave, Posting, Status
from ismp.compliance.models import PolicyVersion
from ismp.compliance.rules import arithmetic
from ismp.compliance.rules.arithmetic import Credit, Light
from ismp.compliance.standing import explanation
from ismp.compliance.standing import table as standing_table
from ismp.hours.models import Record
from tests.support import scenarios
from tests.support.accounts import account_named
from tests.support.laws import take
from tests.support.random_histories import (
    DAYS,
    A,
    B,
    agency,
    by_chance,
    chances,
    do,
    links,
    row,
    some_services,
    some_step,
)

pytestmark = pytest.mark.django_db


def lines(username, **asked):
    reported = [one.line for one in explanation.of_person(account_named(username), **asked)]
    return {(line.category, line.years): line for line in reported}


# Stories


def test_a_person_who_has_done_nothing_is_red_and_turns_green(cities):
    [before] = lines("a-wang").values()
    assert (before.required, before.done, before.missing, before.light) == (3000, 0, 3000, "red")
    take(scenarios.file(row(scenarios.WANG, hours="2"), row(scenarios.XU)))
    assert lines("a-wang")["522", 1].missing == 1000
    assert lines("a-xu")["522", 1].light == "green"
    assert len(standing_table.behind(standing_table.table(Q(agency=agency(A))))) == 14


def test_hours_follow_a_person_to_her_new_account(cities):
    """趙調任 left A and has another account in B with the same number."""
    people.assign(account_named("a-moved"), status=Status.ACTIVE, since=scenarios.TODAY, by="x")
    take(scenarios.file(row(scenarios.MOVED_AWAY)))
    people.assign(account_named("a-moved"), status=Status.LEFT, since=scenarios.TODAY, by="x")
    assert lines("b-moved")["522", 1].light == "green"
    assert lines("a-moved") == {}


def test_an_event_that_two_agencies_brought_counts_once(cities):
    take(scenarios.file(row(scenarios.WANG, hours="2")))
    people.assign(account_named("a-wang"), agency=agency(B), since=scenarios.TODAY, by="x")
    take(scenarios.file(row(scenarios.WANG, hours="2")), agency=B)
    assert Record.objects.filter(account=account_named("a-wang")).count() == 2
    assert lines("a-wang")["522", 1].done == 2000
    take(scenarios.file(row(scenarios.WANG, hours="2.5")), agency=B)
    assert lines("a-wang")["522", 1].done == 2500


@pytest.mark.parametrize("few", [False, True])
def test_an_event_under_two_accounts_of_one_agency_counts_once(cities, monkeypatch, few):
    """周杰明 had an account of A before the one that he has now."""
    monkeypatch.setattr(standing_table, "_one_by_one", lambda accounts: few)
    old, new = account_named("a-twice-old"), account_named("a-twice-new")
    people.assign(new, status=Status.LEFT, since=scenarios.TODAY, by="x")
    people.assign(old, status=Status.ACTIVE, since=scenarios.TODAY, by="x")
    take(scenarios.file(row(scenarios.TWICE, hours="2")))
    people.assign(old, status=Status.LEFT, since=scenarios.TODAY, by="x")
    people.assign(new, status=Status.ACTIVE, since=scenarios.TODAY, by="x")
    take(scenarios.file(row(scenarios.TWICE, hours="2")))
    assert Record.objects.filter(agency=agency(A)).count() == 2
    assert lines("a-twice-new")["522", 1].done == 2000


def test_grades_and_leave_and_arrival_are_those_of_the_day(cities):
    people.assign(account_named("a-wang"), identities="it", since=date(2026, 1, 1), by="x")
    people.grade(agency(A), "D", since=date(2026, 1, 1), by="x")
    assert set(lines("a-wang", on=date(2026, 1, 6))) == {("522", 1)}
    assert set(lines("a-wang", on=date(2026, 1, 7))) == {("522", 1), ("523", 2)}
    people.grant_leave(
        account_named("a-wang"),
        since=date(2026, 3, 1),
        until=date(2026, 5, 31),
        reason="育嬰",
        by="x",
    )
    [on_leave, _] = lines("a-wang", on=date(2026, 5, 31)).values()
    assert (on_leave.light, on_leave.missing) == ("exempt", 0)
    assert on_leave.note == "留職停薪（育嬰，115-03-01 起）"
    assert lines("a-wang", on=date(2026, 6, 1))["522", 1].light == "red"
    people.assign(account_named("a-wang"), agency=agency(B), since=date(2026, 4, 1), by="x")
    assert lines("a-wang", on=date(2026, 6, 1))["522", 1].note == ""


def test_a_newcomer_is_waited_for(cities):
    PolicyVersion.objects.create(grace_days=30, since=date(2026, 1, 1))
    people.assign(account_named("a-xu"), status=Status.LEFT, since=date(2026, 2, 1), by="x")
    people.assign(account_named("a-xu"), status=Status.ACTIVE, since=date(2026, 3, 1), by="x")
    [line] = lines("a-xu", on=date(2026, 3, 30)).values()
    assert (line.light, line.note) == ("amber", "115-03-01 到職，寬限到 115-03-30")
    assert lines("a-xu", on=date(2026, 3, 31))["522", 1].light == "red"
    assert lines("a-xu", on=date(2026, 2, 15)) == {}


def test_a_department_or_a_person_has_the_lines_that_she_has_in_the_city(cities):
    take(scenarios.file(row(scenarios.WANG), row(scenarios.XU, hours="1")))
    everybody = standing_table.table()
    for whom in (
        Q(agency=agency(A)),
        Q(department=account_named("a-wang").department),
        Q(account=account_named("a-xu")),
    ):
        own = standing_table.table(whom)
        assert len(own) and own.equals(everybody.join(own, on="account", how="semi"))


# Random worlds


def some_policy(chance):
    return {
        "two_years": chance.choice(["rolling", "pairs"]),
        "grace_days": chance.choice([0, 30, 200]),
        "unlisted": chance.choice([True, False]),
    }


"""Hypothesis would draw nearly the same world again and again; a seed draws another each time."""


def live():
    return set(
        Record.objects.live().values_list(
            "account", "agency", "category", "ended_on", "event_key", "hours"
        )
    )


def one_person(account, pairs):
    """Every account that pairs lead to, one after another."""
    found, ahead = set(), {account}
    while ahead:
        found |= ahead
        ahead = {one for pair in pairs if pair & found for one in pair} - found
    return found


def judged_by_the_rules(records, pairs, on, known_at):
    """The plain way: person after person, record after record."""
    by_account = defaultdict(list)
    for account, _, category, ended_on, event, hours in records:
        by_account[account].append(Credit(category, ended_on, hours, event))
    in_force = standing_table.InForce.on(on, known_at)
    found = {}
    for account in Account.objects.all():
        given = [credit for one in one_person(account.pk, pairs) for credit in by_account[one]]
        person = person_of(account, on, known_at)
        if person is None:
            continue
        for one in arithmetic.judge(person, given, *vars(in_force).values(), on):
            duty = ("+".join(map(str, sorted(one.duty.categories))), one.duty.years)
            found[account.pk, *duty] = (one.required, one.done, one.missing, one.light)
    return found


def stood(entry, known_at):
    cancelled = entry.cancelled_at and entry.cancelled_at <= known_at
    return entry.recorded_at <= known_at and not cancelled


def served_on(account, day, known_at):
    """The entry that holds, if it is one in office."""
    entries = Posting.objects.filter(account=account, since__lte=day).order_by("since", "pk")
    held = [entry for entry in entries if stood(entry, known_at)][-1:]
    return held[0] if held and held[0].status == Status.ACTIVE else None


def person_of(account, on, known_at):
    entry = served_on(account, on, known_at)
    if entry is None:
        return None
    agency_id = entry.agency_id
    accounts = list(persons.accounts_of(account, known_at))
    days = {one.since for other in accounts for one in other.postings.all() if one.since <= on}
    arrived = None
    for day in sorted(days):  # nothing changes between them
        before = (
            any(served_on(one, day - timedelta(1), known_at) for one in accounts)
            if arrived
            else None
        )
        if not any(served_on(one, day, known_at) for one in accounts):
            continue
        arrived = arrived if before else day
    grades = [
        grading.grade
        for grading in AgencyGrade.objects.filter(agency=agency_id).order_by("since", "pk")
        if grading.since <= on and stood(grading, known_at)
    ]
    leave = any(
        one.since <= on <= (one.until or on)
        and one.recorded_at <= known_at
        and not (one.withdrawn_at and one.withdrawn_at <= known_at)
        for one in Leave.objects.filter(account=account)
    )
    return arithmetic.Person(
        frozenset(members(entry.identities)),
        grades[-1] if grades else "",
        None if arrived == Posting.UNKNOWN else arrived,
        "育嬰" if leave else "",
    )


def judged_by_the_table(on, known_at=None):
    return {
        (row["account"], row["category"], row["years"]): (
            row["required"],
            row["done"],
            row["missing"],
            Light(row["light"]),
        )
        for row in standing_table.table(on=on, known_at=known_at).iter_rows(named=True)
    }


def assert_each_sees_the_same(chance, on, known_at=None):
    """As some of them see it on 首頁, without the table."""
    some = chance.sample(list(Account.objects.order_by("pk")), 2)
    table = standing_table.table(Q(account__in=some), on=on, known_at=known_at)
    reported = [one.line for each in some for one in explanation.of_person(each, on, known_at)]
    wanted = [standing_table.Line(**row) for row in table.iter_rows(named=True)]
    assert sorted(reported, key=_by_duty) == sorted(wanted, key=_by_duty)


def _by_duty(line):
    return line.account, line.category, line.years


@pytest.mark.parametrize("few", [False, True])
@by_chance
@given(chance=chances)
def test_the_table_is_what_the_rules_say_record_by_record(few, cities, monkeypatch, chance):
    monkeypatch.setattr(standing_table, "_one_by_one", lambda accounts: few)
    with transaction.atomic():
        clerk = account_named("a-wang")
        for username, (identities, since) in some_services(chance).items():
            people.assign(account_named(username), identities=identities, since=since, by="x")
        people.assign(account_named("b-movedin"), status=Status.ACTIVE, since=DAYS[1], by="x")
        if grade := chance.choice(["", "A", "D", "E"]):
            people.grade(agency(A), grade, since=DAYS[0], by="x")
        people.grant_leave(account_named("a-xu"), since=DAYS[1], until=None, reason="育嬰", by="x")
        PolicyVersion.objects.create(since=DAYS[0], **some_policy(chance))
        pairs = {frozenset(pair) for pair in links()}
        remembered = []
        for _ in range(chance.randint(1, 6)):
            do(some_step(chance), clerk, pairs)
            assert {frozenset(pair) for pair in links()} == pairs
            remembered.append((timezone.now(), live(), frozenset(pairs)))
        last, records, _ = remembered[-1]
        for on in DAYS:
            assert judged_by_the_table(on) == judged_by_the_rules(records, pairs, on, last)
        assert_each_sees_the_same(chance, chance.choice(DAYS))
        accounts = list(Account.objects.values_list("pk", flat=True))
        for moment, records, pairs in remembered:
            found = standing_table.events_of(accounts, date(1912, 1, 1), scenarios.TODAY, moment)
            known = {(a, b, c, d, e.hex, h) for a, b, c, d, e, h in records}
            assert set(found.iter_rows()) == known
            on = chance.choice(DAYS[2:])
            assert judged_by_the_table(on, moment) == judged_by_the_rules(
                records, pairs, on, moment
            )
            assert_each_sees_the_same(chance, on, moment)
        transaction.set_rollback(True)
