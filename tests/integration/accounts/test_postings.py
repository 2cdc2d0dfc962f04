"""Where and as what people serve, from a day on: roster, transfers, grades, leave."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from ismp.accounts import consequences
from ismp.accounts.actions import postings
from ismp.accounts.identities import Identity, as_set, in_words, members, sets
from ismp.accounts.models import Account, Agency, Posting, Status
from ismp.audit.models import Event
from tests.support import scenarios
from tests.support.accounts import account_named

pytestmark = pytest.mark.django_db


def today():
    return timezone.localdate()


def test_a_set_of_identities_is_one_text():
    assert as_set(["general", "security", "general"]) == "security+general"
    assert members("security+general") == [Identity.SECURITY, Identity.GENERAL]
    assert in_words("it") == "資訊人員"
    assert len(sets()) == len(set(sets())) == 7


def test_the_first_roster_tells_who_serves_but_not_since_when(cities):
    assert {entry.since for entry in Posting.objects.all()} == {Posting.UNKNOWN}
    assert Posting.objects.count() == Account.objects.count()
    postings.import_roster(scenarios.roster_csv(), by="test")
    assert Posting.objects.count() == Account.objects.count()


def test_a_newcomer_and_a_change_in_a_later_roster_begin_today(cities):
    lines = scenarios.roster_csv().decode("utf-8-sig").splitlines()
    wang = next(line for line in lines if "a-wang" in line)
    changed = wang.replace("一般使用者及主管", "資訊人員、一般使用者及主管")
    new = "382990001A,測試市政府資訊局,資訊科,a-new,方新進,,new@example.invalid,,在職"
    roster = "\n".join([lines[0], changed, new]).encode()
    postings.import_roster(roster, by="test")
    assert account_named("a-wang").identities == "it+general"
    assert [entry.since for entry in account_named("a-wang").postings.all()] == [
        Posting.UNKNOWN,
        today(),
    ]
    assert [entry.since for entry in account_named("a-new").postings.all()] == [today()]


def test_a_transfer_holds_from_its_day_and_leaves_the_department(cities):
    other = Agency.objects.get(code=scenarios.AGENCY_B)
    day = today() - timedelta(days=30)
    postings.assign(account_named("a-wang"), agency=other, since=day, by="x")
    wang = account_named("a-wang")
    assert (wang.agency, wang.department) == (other, None)
    held = {entry.agency.code for entry in wang.postings.on(day - timedelta(days=1))}
    assert held == {scenarios.AGENCY_A}
    assert wang.postings.on(day).get().agency == other
    known = wang.postings.last().recorded_at - timedelta(microseconds=1)
    assert wang.postings.on(today(), known).get().agency.code == scenarios.AGENCY_A
    assert Event.objects.get(verb="assign").subject == "account:a-wang"


def test_what_is_assigned_for_a_day_to_come_takes_effect_on_that_day(cities, monkeypatch):
    tomorrow = today() + timedelta(days=1)
    postings.assign(account_named("a-wang"), identities="security", since=tomorrow, by="x")
    assert account_named("a-wang").identities == "general"
    assert postings.apply_due() == 0
    monkeypatch.setattr(postings.timezone, "localdate", lambda: tomorrow)
    assert postings.apply_due() == 1
    assert account_named("a-wang").identities == "security"
    assert postings.apply_due() == 0


def test_nobody_moves_to_where_another_account_has_the_same_number(cities):
    """趙調任 serves in B; the old account in A may not serve there too."""
    other = Agency.objects.get(code=scenarios.AGENCY_B)
    before = Posting.objects.count()
    with pytest.raises(postings.ActionRefused, match="同一個身分證字號"):
        postings.assign(
            account_named("a-moved"), agency=other, status=Status.ACTIVE, since=today(), by="x"
        )
    assert (account_named("a-moved").agency.code, Posting.objects.count()) == (
        scenarios.AGENCY_A,
        before,
    )


def test_a_department_of_another_agency_is_refused(cities):
    foreign = account_named("b-sun").department
    with pytest.raises(postings.ActionRefused, match="部門"):
        postings.assign(account_named("a-wang"), department=foreign, since=today(), by="x")


def test_grades_and_leaves_leave_their_events(cities):
    agency = Agency.objects.get(code=scenarios.AGENCY_A)
    postings.grade(agency, "A", since=date(2026, 1, 1), by="x")
    assert agency.grade_entries.get().grade == "A"
    with pytest.raises(postings.ActionRefused, match="早於起日"):
        postings.grant_leave(
            account_named("a-wang"),
            since=today(),
            until=today() - timedelta(1),
            reason="育嬰",
            by="x",
        )
    leave = postings.grant_leave(
        account_named("a-wang"), since=today(), until=None, reason="育嬰", by="x"
    )
    postings.withdraw_leave(leave, by="x")
    verbs = list(Event.objects.order_by("number").values_list("verb", flat=True))
    assert verbs[-3:] == ["grade", "grant_leave", "withdraw_leave"]


def test_what_follows_hears_of_each_who_serves_otherwise_by_action_roster_or_day(
    cities, monkeypatch
):
    heard = []
    monkeypatch.setattr(
        consequences,
        "_followers",
        [lambda one, was: heard.append((one.username, was.status, one.status))],
    )
    postings.assign(account_named("a-wang"), status=Status.LEFT, since=today(), by="x")
    tomorrow = today() + timedelta(days=1)
    postings.assign(account_named("a-xu"), status=Status.LEFT, since=tomorrow, by="x")
    assert heard == [("a-wang", "active", "left")]
    lines = scenarios.roster_csv().decode("utf-8-sig").splitlines()
    movedin = next(line for line in lines if "a-movedin" in line).replace("在職", "離職")
    postings.import_roster("\n".join([lines[0], movedin]).encode(), by="test")
    monkeypatch.setattr(postings.timezone, "localdate", lambda: tomorrow)
    postings.apply_due()
    assert heard[1:] == [("a-movedin", "active", "left"), ("a-xu", "active", "left")]
