"""EffectiveDated facts: nothing is accepted that has no effect, and every entry can be cancelled."""

import re
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from ismp.accounts import effective_dated, timeline
from ismp.accounts.actions import cancelling, postings
from ismp.accounts.identities import sets
from ismp.accounts.models import AgencyGrade, Posting
from ismp.accounts.roster.lines import HEADER
from ismp.accounts.roster.reading import RosterRejected
from ismp.applications.actions import asking
from ismp.applications.models import IdentityChange, Transfer
from ismp.audit.models import Event
from ismp.compliance.standing import table as standing_table
from ismp.errors import ActionRefused
from ismp.ui.text import roc_dates
from tests.support.accounts import account_named

pytestmark = pytest.mark.django_db
PEOPLE = "/manage/accounts/"


def today(days=0):
    return timezone.localdate() + timedelta(days=days)


def day(days):
    return roc_dates.roc_date(today(days))


def do(client, action, *usernames, **typed):
    ids = [account_named(name).pk for name in usernames]
    answer = client.post(f"{PEOPLE}{action}/", {"ids": ids, "confirmed": "1", **typed})
    return answer.content.decode()


def announced(client, username):
    return client.get(f"{PEOPLE}{account_named(username).pk}/").content.decode()


@pytest.fixture
def arrived_today(account):
    """IC1002, whom the roster added today although the posting began earlier (usual)."""
    person = account("IC1002")
    Posting.objects.filter(account=person).update(since=today())
    return person


# An earlier day than a later entry's


@pytest.mark.parametrize(
    ("action", "typed"),
    [("leave", {}), ("change", {"identities": ["security"]}), ("change", {"department": "人事室"})],
)
def test_a_day_before_a_later_entry_is_refused_and_the_entry_named(
    clerk, arrived_today, action, typed
):
    before = (Posting.objects.count(), Event.objects.filter(verb="assign").count())
    page = do(clerk, action, "IC1002", since=day(-9), **typed)
    assert day(0) in page and "取代之後的異動" in page and 'name="replace"' in page
    assert before == (Posting.objects.count(), Event.objects.filter(verb="assign").count())
    do(clerk, action, "IC1002", since=day(-9), replace="on", **typed)
    person = account_named("IC1002")
    [stands] = timeline.build(person)
    assert stands.entry.since == today(-9)
    assert (person.status == "left") == (action == "leave")
    if action == "change" and "identities" in typed:
        assert person.identities == "security"


@pytest.mark.parametrize("action", ["leave", "change", "grant_leave"])
def test_a_year_mistyped_is_refused(clerk, account, action):
    person = account("IC1002")
    for since in (day(367), "400-01-01"):
        page = do(clerk, action, "IC1002", since=since, identities=["security"], reason="育嬰")
        assert f"最晚只能填 {day(366)}" in page
    assert person.postings.count() == 1 and not person.leaves.exists()
    values = {"username": "IC1003", "since": "400-01-01", "until": "400-02-01"}
    page = clerk.post("/manage/reviews/delegations/", values).content.decode()
    assert "請檢查年份" in page


def test_what_is_replaced_stays_in_what_was_known_before(clerk, arrived_today):
    moment = timezone.now()
    do(clerk, "leave", "IC1002", since=day(-9), replace="on")
    assert timeline.held_on(account_named("IC1002"), today()).status == "left"
    assert timeline.held_on(account_named("IC1002"), today(), moment).status == "active"
    assert timeline.held_on(account_named("IC1002"), today(-1), moment) is None
    recorded_of = Event.objects.get(verb="assign").detail
    assert day(0) in recorded_of["replaced"]
    assert ["狀態", "在職", "離職"] in recorded_of["changes"]


def test_a_form_names_what_stands_in_the_way_of_each_person(clerk):
    do(clerk, "leave", "IC1002", "IC1003", since=day(20))
    page = do(clerk, "change", "IC1002", "IC1003", "IC1004", identities=["security"], since=day(3))
    assert page.count(f"{day(20)}「離職」") >= 2
    do(clerk, "change", "IC1002", "IC1003", identities=["security"], since=day(3), replace="on")
    assert "身分改為" in timeline.build(account_named("IC1002"))[-1].words


def test_one_who_leaves_cannot_change_departments_afterwards(clerk):
    do(clerk, "leave", "IC1002", since=day(20))
    assert "已離職" in do(clerk, "change", "IC1002", department="人事室", since=day(20))
    assert "已離職" in do(clerk, "change", "IC1002", department="人事室", since=day(25))
    assert len(timeline.build(account_named("IC1002"))) == 2


def test_the_same_change_again_is_reported_and_not_entered(clerk):
    do(clerk, "change", "IC1002", identities=["security"], since=day(0))
    before = Posting.objects.count()
    assert "已經是這樣" in do(clerk, "change", "IC1002", identities=["security"], since=day(0))
    assert Posting.objects.count() == before


def test_two_entries_of_one_day_are_one_that_stands(clerk):
    do(clerk, "change", "IC1002", identities=["security"], since=day(5))
    do(clerk, "change", "IC1002", department="人事室", since=day(5))
    *_, last = timeline.build(account_named("IC1002"))
    assert len(timeline.build(account_named("IC1002"))) == 2
    assert (last.entry.identities, last.entry.department.name) == ("security", "人事室")
    with pytest.raises(IntegrityError), transaction.atomic():
        twin = Posting.objects.get(pk=last.entry.pk)
        twin.pk = None
        twin.save(force_insert=True)


def test_an_agency_does_not_write_the_days_of_another_one(client, account):
    """A person who came from elsewhere yesterday: earlier days belong to the other agency."""
    there = account_named("EP1001").agency
    postings.assign(account_named("IC1002"), agency=there, since=today(-1), by="x")
    client.force_login(account("EP1001", "agency_admin"))
    page = do(client, "leave", "IC1002", since=day(-9), replace="on")
    assert "不是由您的機關登記" in page and account_named("IC1002").is_active
    do(client, "leave", "IC1002", since=day(0))
    assert not account_named("IC1002").is_active


def test_a_roster_line_before_a_later_entry_is_refused_with_both_named(client, account):
    clerk = account("IC1001", "agency_admin")
    postings.assign(account_named("IC1002"), status="left", since=today(9), by="x")
    person = account_named("IC1002")
    line = [
        *(person.agency.code, person.agency.name, "人事室", person.username, person.name),
        *("", person.email, "資訊人員", "在職"),
    ]
    roster = f"{','.join(HEADER)}\n{','.join(line)}\n".encode()
    with pytest.raises(RosterRejected, match="已登記之後的異動") as refused:
        postings.import_roster(roster, sender=clerk, by="IC1001")
    assert day(9) in str(refused.value) and "第 2 列" in str(refused.value)


def test_a_roster_twice_a_day_leaves_one_entry(account):
    person = of_line = account("IC1002")
    for department in ("人事室", "秘書室"):
        line = [
            *(person.agency.code, person.agency.name, department, person.username, person.name),
            *("", of_line.email, "資訊人員", "在職"),
        ]
        postings.import_roster(f"{','.join(HEADER)}\n{','.join(line)}\n".encode(), by="x")
    assert account_named("IC1002").postings.standing().filter(since=today()).count() == 1
    assert account_named("IC1002").department.name == "秘書室"


# Approvals


def approve(client, kind, request, **typed):
    address = f"/manage/reviews/{kind}/{request.pk}/"
    return client.get(address).content.decode(), client.post(
        address, {"decision": "approve", "comment": "", **typed}
    )


@pytest.fixture
def asked(account):
    """丙 asks for a person of 丁 from a day before 丁 entered the posting, which began earlier."""
    theirs = account("EP1002")
    Posting.objects.filter(account=theirs).update(since=today())
    asking.ask_for(
        username="EP1002",
        name=theirs.name,
        department=None,
        since=today(-9),
        reason="支援",
        by=account("IC1001", "agency_admin"),
    )
    return Transfer.objects.get()


def test_the_approver_of_a_transfer_sees_the_later_entry_and_may_replace_it(client, account, asked):
    client.force_login(account("EP1001", "agency_admin"))
    page, answer = approve(client, "transfer", asked)
    assert day(0) in page and "取代之後的異動" in page
    assert answer.status_code == 200 and day(0) in answer.content.decode()
    asked.refresh_from_db()
    assert asked.is_waiting and account_named("EP1002").agency == account_named("EP1001").agency
    _, answer = approve(client, "transfer", asked, replace="on")
    assert answer.status_code == 302
    assert account_named("EP1002").agency == account_named("IC1001").agency
    assert [one.entry.since for one in timeline.build(account_named("EP1002"))] == [today(-9)]


def test_a_batch_of_approvals_says_which_one_stands_in_the_way(client, account, asked):
    client.force_login(account("EP1001", "agency_admin"))
    typed = {"ids": f"transfer-{asked.pk}", "decision": "approve", "confirmed": "1", "comment": ""}
    page = client.post("/manage/reviews/batch/", typed).content.decode()
    assert "沒有決定" in page and day(0) in page
    asked.refresh_from_db()
    assert asked.is_waiting


def test_an_approval_of_identities_before_a_later_entry_has_the_choice_too(client, account):
    person = account("IC1002")
    asking.ask_for_identities(identities="security", since=today(-9), reason="轉任", by=person)
    Posting.objects.filter(account=person).update(since=today())
    change = IdentityChange.objects.get()
    client.force_login(account("IC1001", "agency_admin"))
    page, answer = approve(client, "identities", change)
    assert "取代之後的異動" in page and answer.status_code == 200
    _, answer = approve(client, "identities", change, replace="on")
    assert answer.status_code == 302 and account_named("IC1002").identities == "security"
    assert timeline.held_on(account_named("IC1002"), today(-9)).identities == "security"


def test_days_of_a_third_agency_are_for_the_platform_to_replace(client, account, asked):
    """丁 and 丙 agree on a day on which the person served in a third agency."""
    third = account_named("CU1001").agency
    entry = account_named("EP1002").postings.get()
    Posting.objects.create(
        account=entry.account, agency=third, identities="general", status="active",
        since=today(-30), recorded_by="x",
    )  # fmt: skip
    client.force_login(account("EP1001", "agency_admin"))
    page, answer = approve(client, "transfer", asked, replace="on")
    assert "目前不能核可" in page and third.name in page and answer.status_code == 200
    client.force_login(account("CU1001", "platform_admin"))
    page, answer = approve(client, "transfer", asked, replace="on")
    assert "目前不能核可" not in page and answer.status_code == 302


def test_a_transfer_to_come_is_refused_where_her_number_is_in_office_already(account):
    person, twin = account("IC1002"), account("EP1002")
    twin.national_id = person.national_id
    twin.save()
    with pytest.raises(ActionRefused, match="同一個身分證字號"):
        postings.assign(person, agency=twin.agency, since=today(30), by="x")


# Cancelling


def test_an_entry_to_come_is_cancelled_with_a_reason_and_does_not_begin(clerk, monkeypatch):
    do(clerk, "leave", "IC1002", since=day(16))
    page = announced(clerk, "IC1002")
    assert "尚未生效" in page and "cancel_service" in page
    entry = account_named("IC1002").postings.get(since=today(16))
    ask = clerk.post(
        f"{PEOPLE}cancel_service/", {"ids": account_named("IC1002").pk, "entry": entry.pk}
    )
    assert re.search(rf'<option value="{entry.pk}" selected', ask.content.decode())
    assert "取消後的任職紀錄" in ask.content.decode()
    assert "請填寫理由" in do(clerk, "cancel_service", "IC1002", entry=entry.pk)
    do(clerk, "cancel_service", "IC1002", entry=entry.pk, reason="登錯人")
    later = today(16)
    monkeypatch.setattr(postings.timezone, "localdate", lambda: later)
    postings.apply_due()
    assert account_named("IC1002").is_active
    monkeypatch.undo()
    event = Event.objects.get(verb="cancel_service")
    assert event.detail["reason"] == "登錯人"
    assert ["狀態", "離職", "在職"] in event.detail["changes"]
    notice = account_named("IC1002").notices.get()
    assert "取消" in notice.subject and "登錯人" in notice.body
    assert "登錯人" in announced(clerk, "IC1002")
    assert (
        "取消任職異動"
        in clerk.get(f"{PEOPLE}{account_named('IC1002').pk}/history/").content.decode()
    )


def test_a_mistaken_past_entry_is_cancelled_and_the_copy_and_the_figures_follow(clerk):
    do(clerk, "leave", "IC1002", since=day(-5))
    assert not account_named("IC1002").is_active
    agency = account_named("IC1002").agency
    without = len(standing_table.table()["account"].unique())
    entry = account_named("IC1002").postings.get(status="left")
    do(clerk, "cancel_service", "IC1002", entry=entry.pk, reason="誤植")
    assert account_named("IC1002").is_active and account_named("IC1002").agency == agency
    assert len(standing_table.table()["account"].unique()) == without + 1


def test_cancelling_brings_back_what_the_entry_had_replaced(clerk):
    do(clerk, "change", "IC1002", department="人事室", since=day(9))
    before = timeline.build(account_named("IC1002"))
    do(clerk, "leave", "IC1002", since=day(3), replace="on")
    entry = account_named("IC1002").postings.standing().get(since=today(3))
    do(clerk, "cancel_service", "IC1002", entry=entry.pk, reason="誤植")
    assert [str(step) for step in timeline.build(account_named("IC1002"))] == [
        str(step) for step in before
    ]


def test_the_only_entry_and_one_cancelled_already_are_refused(account):
    clerk = account("IC1001", "agency_admin")
    entry = account_named("IC1002").postings.get()
    with pytest.raises(ActionRefused, match="唯一"):
        cancelling.cancel_service(entry, reason="x", by=clerk)
    postings.assign(account_named("IC1002"), status="left", since=today(3), by="x")
    last = account_named("IC1002").postings.get(since=today(3))
    cancelling.cancel_service(last, reason="誤植", by=clerk)
    with pytest.raises(ActionRefused, match="已經取消"):
        cancelling.cancel_service(last, reason="誤植", by=clerk)
    with pytest.raises(ActionRefused, match="理由"):
        cancelling.cancel_service(entry, reason=" ", by=clerk)


def test_a_move_between_agencies_is_cancelled_by_the_platform_only(client, account):
    postings.assign(
        account_named("IC1002"), agency=account_named("EP1001").agency, since=today(), by="x"
    )
    entry = account_named("IC1002").postings.get(since=today())
    with pytest.raises(ActionRefused, match="平台管理者"):
        cancelling.cancel_service(entry, reason="誤植", by=account("EP1001", "agency_admin"))
    cancelling.cancel_service(entry, reason="誤植", by=account("CU1001", "platform_admin"))
    assert account_named("IC1002").agency == account_named("IC1001").agency


def test_nobody_cancels_an_entry_of_her_own_or_of_those_above(client, account):
    clerk = account("IC1001", "agency_admin")
    with pytest.raises(ActionRefused, match="自己"):
        cancelling.cancel_service(clerk.postings.get(), reason="x", by=clerk)
    boss = account("IC1003", "platform_admin")
    with pytest.raises(ActionRefused, match="平台管理者"):
        cancelling.cancel_service(boss.postings.get(), reason="x", by=clerk)


def test_leaves_that_overlap_are_refused_or_replaced(clerk):
    do(clerk, "grant_leave", "IC1002", since=day(-9), reason="育嬰")
    page = do(clerk, "grant_leave", "IC1002", since=day(5), until=day(9), reason="侍親")
    assert "育嬰" in page and "取代重疊的登記" in page
    assert account_named("IC1002").leaves.count() == 1
    typed = {"since": day(-9), "until": day(30), "reason": "育嬰", "replace": "on"}
    do(clerk, "grant_leave", "IC1002", **typed)
    [stands] = account_named("IC1002").leaves.filter(withdrawn_at=None)
    assert stands.until == today(30)
    do(clerk, "grant_leave", "IC1002", since=day(31), reason="侍親")
    assert account_named("IC1002").leaves.filter(withdrawn_at=None).count() == 2


def test_a_grade_before_a_later_one_is_refused_and_a_mistaken_one_cancelled(account):
    agency, platform = account_named("IC1001").agency, account("CU1001", "platform_admin")
    postings.grade(agency, "A", since=today(30), by="x")
    with pytest.raises(effective_dated.LaterEntry, match=f"{day(30)} A級"):
        postings.grade(agency, "B", since=today(), by="x")
    postings.grade(agency, "B", since=today(), replace=True, by="x")
    held = AgencyGrade.objects.on(today(40)).get(agency=agency)
    assert held.grade == "B"
    cancelling.cancel_grading(held, reason="誤植", by=platform)
    assert [one.grade for one in AgencyGrade.objects.standing().filter(agency=agency)] == ["A"]
    assert not AgencyGrade.objects.on(today()).filter(agency=agency).exists()


steps = st.lists(
    st.tuples(st.sampled_from(range(-3, 4)), st.sampled_from(sets()), st.booleans()),
    min_size=1,
    max_size=6,
)


@settings(max_examples=20)
@given(steps=steps)
def test_whatever_was_entered_is_as_if_it_had_never_come_once_it_is_cancelled(cities, steps):
    """Each later entry undone in turn, the service is what it was before, and known as it was."""
    with transaction.atomic():
        person, platform = account_named("a-wang"), account_named("b-sun")
        platform.role = "platform_admin"
        platform.save()
        stood = []
        for days, identities, replace in steps:
            before = [str(step) for step in timeline.build(person)]
            try:
                entry = postings.assign(
                    person, identities=identities, since=today(days), replace=replace, by="x"
                )
            except effective_dated.LaterEntry:
                assert [str(step) for step in timeline.build(person)] == before
                continue
            stood.append((before, timezone.now(), entry.since))
            known = timezone.now()
        for before, _, since in reversed(stood):
            entry = person.postings.standing().get(since=since)
            cancelling.cancel_service(entry, reason="誤植", by=platform)
            assert [str(step) for step in timeline.build(person)] == before
            held = timeline.held_on(person, today())
            person.refresh_from_db()
            assert person.identities == held.identities
        if stood:
            then = timeline.held_on(person, today(9), known)
            assert then is not None
        transaction.set_rollback(True)
