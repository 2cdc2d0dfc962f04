"""The frame of 機關審核作業: many at once, in somebody's place, against a deadline."""

from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Account, Agency
from ismp.applications.actions import asking, deciding, delegating
from ismp.applications.models import AccountApplication, Delegation, State
from ismp.audit.models import Event
from ismp.courses.classroom.actions import classes
from ismp.courses.models import Session, Teacher
from ismp.errors import ActionRefused
from ismp.hours.models import Record
from ismp.reviews.queue import waiting_for
from ismp.reviews.sources import learning as sources_learning
from ismp.security.devices.actions import decisions as decision_actions
from ismp.security.models import Decision
from ismp.ui.text.roc_dates import roc_date
from tests.support.course_offers import offered
from tests.support.things import claim_of, of_requests, of_security

pytestmark = pytest.mark.django_db
QUEUE, BATCH, NAMING = "/manage/reviews/", "/manage/reviews/batch/", "/manage/reviews/delegations/"


def says(answer):
    return answer.content.decode()


def today():
    return timezone.localdate()


def apply(n, agency="382990001Z", **other):
    return asking.apply_for_account(
        agency=Agency.objects.get(code=agency),
        department="",
        username=f"IC8{n:03}",
        name=f"申請{n}",
        number=national_id.complete(f"A1{n:07}"),
        email="a@ismp.example",
        identities="general",
        reason="新到職",
        source=str(n),
        **other,
    )


def key(application):
    return f"application-{application.pk}"


@pytest.fixture
def clerk(account):
    return account("IC1001", "agency_admin")


@pytest.fixture
def colleague(account):
    return account("IC1002")


@pytest.fixture
def standing_in(clerk, colleague):
    """IC1002, who is no administrator, stands in for IC1001 from today on."""
    return delegating.delegate(
        username="ic1002", since=today(), until=today() + timedelta(days=5), by=clerk
    )


# --- Deadlines -----------------------------------------------------------------------------------


def test_each_kind_has_its_days_and_what_is_late_comes_first(
    client, account, settings, time_machine
):
    clerk = account("IC1001", "agency_admin")
    of_security(account("IC1003", "agency_admin"))
    of_requests(account("IC1002"), account("CU1001", "agency_admin"))
    due = {one.kind: one.due for one in waiting_for(clerk)}
    names = {"帳號申請": "application", "機關異動申請": "transfer", "身分變更申請": "identities"}
    for kind, name in {**names, "例外留用核可": "exception", "重設密碼": "reset"}.items():
        days = (timezone.localtime(due[kind]).date() - today()).days
        assert days == settings.REVIEW_DAYS[name], kind
    settings.REVIEW_DAYS = {**settings.REVIEW_DAYS, "identities": 1}
    later = timezone.now() + timedelta(days=2)
    time_machine.move_to(later)
    client.force_login(clerk)
    first, *rest = [one for one in waiting_for(clerk) if one.deciding]
    assert (first.kind, first.is_late(later)) == ("身分變更申請", True)
    assert [one.kind for one in rest if one.is_late(later)] == ["重設密碼"]
    page = says(client.get(QUEUE, {"kind": "身分變更申請"}))
    assert page.count("逾期</span>") == 1
    assert "逾期</span>" in says(client.get(first.address))


# --- Many at once --------------------------------------------------------------------------------


def test_boxes_only_where_one_kind_is_chosen(client, account, clerk):
    of_security(clerk)
    of_requests(account("IC1002"), account("CU1001", "agency_admin"))
    client.force_login(clerk)
    assert 'name="ids"' not in says(client.get(QUEUE))
    assert 'name="ids"' in says(client.get(QUEUE, {"kind": "帳號申請"}))
    assert 'name="ids"' not in says(client.get(QUEUE, {"kind": "情資回覆"}))


def test_many_by_one_comment_each_its_own_event_and_the_odd_one_reported(client, clerk):
    good, taken, last = apply(1), apply(2), apply(3)
    AccountApplication.objects.filter(pk=taken.pk).update(username="IC1003")
    client.force_login(clerk)
    ids = {"ids": [key(one) for one in (good, taken, last)], "decision": "approve"}
    page = says(client.post(BATCH, ids))
    assert "確定核可" in page
    assert all(name in page for name in ("申請1", "申請2", "申請3"))
    assert not Event.objects.filter(verb="decide_application").exists()
    page = says(client.post(BATCH, {**ids, "confirmed": "1", "comment": "歡迎"}))
    assert "已核可 2 件，1 件不能決定" in page
    assert "已經有人使用" in page
    assert page.count("按「重設密碼」") == 2
    states = dict(AccountApplication.objects.values_list("name", "state"))
    assert states == {"申請1": "approved", "申請2": "waiting", "申請3": "approved"}
    assert Event.objects.filter(verb="decide_application").count() == 2
    assert Event.objects.filter(verb="add_account").count() == 2
    assert set(AccountApplication.objects.exclude(comment="").values_list("comment")) == {("歡迎",)}
    again = client.post(BATCH, {**ids, "confirmed": "1", "comment": ""})
    assert "2 件已經不在清單裡" in says(again)
    assert Account.objects.filter(username__startswith="IC80").count() == 2


def test_refusing_many_needs_a_reason(client, clerk):
    ids = {"ids": [key(apply(1)), key(apply(2))], "decision": "refuse", "confirmed": "1"}
    client.force_login(clerk)
    assert "請寫明理由" in says(client.post(BATCH, ids))
    assert AccountApplication.objects.waiting().count() == 2
    client.post(BATCH, {**ids, "comment": "重複申請"})
    assert AccountApplication.objects.filter(state=State.REFUSED).count() == 2


def test_what_cannot_be_decided_together(client, account, clerk):
    of_requests(account("IC1002"), account("CU1001", "agency_admin"))
    theirs = apply(9, agency="382990002Z")
    own = AccountApplication.objects.exclude(pk=theirs.pk).get()
    change = next(one.key for one in waiting_for(clerk) if one.kind == "身分變更申請")
    client.force_login(clerk)
    events = Event.objects.count()
    for ids in ([], ["x-1"], [key(own), change], [key(theirs)]):
        values = {"ids": ids, "decision": "approve", "confirmed": "1"}
        assert "請先選一種事項" in says(client.post(BATCH, values, follow=True))
    assert Event.objects.count() == events


# --- 代理 ----------------------------------------------------------------------------------------


def test_a_delegate_sees_and_decides_what_waits_for_her_principal(
    client, clerk, colleague, standing_in
):
    application = apply(1)
    assert colleague.notices.get().link == QUEUE
    client.force_login(colleague)
    assert "代理審核" in says(client.get("/"))
    page = says(client.get(QUEUE))
    assert f"代理{clerk.name}" in page
    address = f"/manage/reviews/application/{application.pk}/"
    assert "您正在代理" in says(client.get(address))
    answer = client.post(address, {"decision": "approve", "comment": ""})
    assert answer["Location"] == QUEUE
    application.refresh_from_db()
    assert (application.decided_by, application.in_place_of) == (colleague, clerk)
    event = Event.objects.get(verb="decide_application")
    assert (event.actor, event.detail["in_place_of"]) == ("IC1002", "IC1001")
    client.force_login(clerk)
    history = says(client.get(f"/manage/applications/{application.pk}/history/"))
    assert "代理 IC1001" in history


def test_a_delegate_gets_no_other_right(client, colleague, standing_in):
    client.force_login(colleague)
    for closed in ("", "accounts/", "applications/", "transfers/coming/", "reviews/delegations/"):
        assert client.get(f"/manage/{closed}").status_code == 403, closed


def test_a_delegate_decides_an_exception_but_not_her_own(client, account, clerk, colleague):
    of_security(account("IC1003", "agency_admin"))
    delegating.delegate(username="IC1002", since=today(), until=today(), by=clerk)
    decision = Decision.objects.get()
    client.force_login(colleague)
    page = says(client.get(f"/manage/reviews/exception/{decision.pk}/"))
    assert "獨立網段" in page
    Decision.objects.update(made_by=colleague)
    values = {"decision": "approve", "comment": ""}
    assert client.post(f"/manage/reviews/exception/{decision.pk}/", values).status_code == 404
    with pytest.raises(ActionRefused, match="與您自己有關"):
        decision_actions.approve(
            Decision.objects.get(), accept=True, comment="", by=colleague, in_place_of=clerk
        )
    Decision.objects.update(made_by=account("IC1003", "agency_admin"))
    client.post(f"/manage/reviews/exception/{decision.pk}/", values)
    assert Decision.objects.get().decided_by == colleague
    assert Event.objects.get(verb="approve_device").detail["in_place_of"] == "IC1001"
    Decision.objects.update(state=Decision.State.PENDING)
    Delegation.objects.update(since=today() - timedelta(9), until=today() - timedelta(1))
    with pytest.raises(ActionRefused, match="代理"):
        decision_actions.approve(
            Decision.objects.get(), accept=True, comment="", by=colleague, in_place_of=clerk
        )
    assert Decision.objects.get().state == Decision.State.PENDING


def test_a_delegate_decides_claims_with_the_certificate_beside(
    client, account, colleague, standing_in, clerk
):
    claims = [claim_of(account(name)) for name in ("IC1003", "IC1004", "IC1005")]
    client.force_login(colleague)
    address = f"/manage/reviews/claim/{claims[0].pk}/"
    file = f"/my/hours/claims/{claims[0].pk}/certificate/"
    page = says(client.get(address))
    assert "認列 3 小時" in page and f'href="{file}"' in page and "未達標" in page
    assert client.get(file).status_code == 200
    assert "請填寫審核意見" in says(client.post(address, {"decision": "refuse", "comment": ""}))
    client.post(address, {"decision": "approve", "comment": "好"})
    event = Event.objects.get(verb="approve_claim")
    assert (event.actor, event.detail["in_place_of"]) == ("IC1002", "IC1001")
    assert Record.objects.live().get().account.username == "IC1003"
    ids = {"ids": [f"claim-{one.pk}" for one in claims], "decision": "approve", "confirmed": "1"}
    assert "1 件已經不在清單裡" in says(client.post(BATCH, ids))
    assert Record.objects.live().count() == 3
    last = claim_of(account("IC1003"), title="另一場")
    Delegation.objects.update(since=today() - timedelta(9), until=today() - timedelta(1))
    assert client.get(f"/my/hours/claims/{last.pk}/certificate/").status_code == 404
    with pytest.raises(ActionRefused, match="代理"):
        sources_learning.CLAIM.action(
            last, accept=True, comment="", by=colleague, in_place_of=clerk
        )


def test_a_delegate_lets_people_into_a_class(client, account, clerk, colleague, standing_in):
    offered(Teacher.objects.create(agency=clerk.agency, account=clerk))
    Session.objects.update(needs_approval=True, quota=2, taken=1)
    session = Session.objects.get()
    people = [account(name) for name in ("IC1003", "IC1004")]
    for one in people:
        classes.sign_up(session, one, by=one)
    client.force_login(colleague)
    address = f"/manage/reviews/sign_up/{session.pk}/"
    page = says(client.get(address))
    assert people[0].name in page and "1 人" in page and "「未達標」變成「已達標」" in page
    assert "請寫明理由" in says(client.post(address, {"decision": "refuse", "comment": ""}))
    client.post(address, {"decision": "approve", "comment": "請準時"})
    standings = dict(session.sign_ups.values_list("account__username", "standing"))
    assert (standings["IC1003"], standings["IC1004"]) == ("enrolled", "waiting")
    event = Event.objects.get(verb="approve_sign_up")
    assert (event.actor, event.detail["in_place_of"]) == ("IC1002", "IC1001")
    assert people[0].notices.filter(body__contains="請準時").count() == 1
    assert client.get(address).status_code == 404
    for one in (colleague, account("IC1005")):
        classes.sign_up(session, one, by=one)
    assert not [
        one for one in waiting_for(colleague) if one.thing == session
    ]  # the colleague is an applicant


def test_a_full_class_is_notified_by_no_more_queries_than_a_small_one(account, clerk):
    """Rules, people and hours are read once, not anew for each who asks."""
    offered(Teacher.objects.create(agency=clerk.agency, account=clerk))
    Session.objects.update(needs_approval=True)
    session = Session.objects.get()

    def announced():
        with CaptureQueriesContext(connection) as queries:
            facts = sources_learning.SIGN_UPS.tells(session)
        return len(queries), [line for line in facts.follows if "會由" in line]

    classes.sign_up(session, account("IC1003"), by=account("IC1003"))
    few, lines = announced()
    assert len(lines) == 1
    for name in ("IC1004", "IC1005", "IC1006"):
        classes.sign_up(session, account(name), by=account(name))
    many, lines = announced()
    assert many <= few and len(lines) == 4


def test_nobody_decides_her_own_request_by_standing_in(colleague, clerk, standing_in):
    change = asking.ask_for_identities(
        identities="security+it+general", since=today(), reason="x", by=colleague
    )
    with pytest.raises(ActionRefused, match="與您自己有關"):
        deciding.decide_identities(change, accept=True, comment="", by=colleague, in_place_of=clerk)


def test_it_holds_within_its_days_and_while_both_are_here(account, clerk, colleague, standing_in):
    from ismp.accounts.actions import postings as accounts

    application = apply(1)

    def sees():
        return bool(waiting_for(Account.objects.get(pk=colleague.pk)))

    assert sees()
    start = today()
    for days, seen in ((-1, False), (0, True), (5, True), (6, False)):
        with time_machine.travel(start + timedelta(days=days)):
            assert sees() is seen, days
    account("IC1001", "staff")  # who no longer decides cannot be stood in for
    assert not sees()
    account("IC1001", "agency_admin")
    assert sees()
    there = Agency.objects.get(code="382990002Z")
    accounts.assign(colleague, agency=there, since=today(), by="x")
    assert not sees()
    with pytest.raises(ActionRefused, match="期間已經結束"):
        deciding.decide_application(
            application, accept=True, comment="", by=colleague, in_place_of=clerk
        )


def test_naming_and_ending(client, clerk, colleague, account):
    client.force_login(clerk)
    days = {"since": roc_date(today()), "until": roc_date(today() + timedelta(days=3))}
    for username, sentence in (("EP1002", "本機關沒有"), ("IC1001", "本機關沒有"), ("", "請填寫")):
        assert sentence in says(client.post(NAMING, {"username": username, **days}))
    wrong = {"username": "IC1002", "since": days["until"], "until": days["since"]}
    assert "早於起日" in says(client.post(NAMING, wrong))
    long = {**days, "username": "IC1002", "until": "199-01-01"}
    assert "不能超過一年" in says(client.post(NAMING, long))
    assert not Delegation.objects.exists()
    assert client.post(NAMING, {"username": "IC1002", **days})["Location"] == NAMING
    assert "已經是您的代理人" in says(client.post(NAMING, {"username": "IC1002", **days}))
    named = Delegation.objects.get()
    assert "代理中" in says(client.get(NAMING))
    client.force_login(account("IC1003", "agency_admin"))
    end = f"{NAMING}end/"
    assert client.post(end, {"delegation": named.pk}).status_code == 404
    client.force_login(clerk)
    client.post(end, {"delegation": named.pk})
    assert "已經結束了" in says(client.post(end, {"delegation": named.pk}, follow=True))
    assert not waiting_for(colleague)
    assert [one.verb for one in Event.objects.filter(verb__contains="delegat")] == [
        "end_delegation",
        "delegate",
    ]


# --- The menu, the lists, the queries ------------------------------------------------------------


def test_the_menu_tells_how_many_wait(client, account, clerk):
    client.force_login(clerk)
    assert 'class="count"' not in says(client.get("/manage/"))
    apply(1)
    apply(2)
    assert '<b class="count">2<' in says(client.get("/manage/"))
    client.force_login(account("IC1003", "auditor"))
    assert 'class="count"' not in says(client.get("/manage/"))


def test_a_decision_that_comes_too_late_says_so(client, clerk, account):
    application = apply(1)
    deciding.decide_application(application, accept=False, comment="x", by=clerk)
    client.force_login(account("IC1003", "agency_admin"))
    answer = client.post(f"/manage/reviews/application/{application.pk}/", {"decision": "approve"})
    assert answer.status_code == 404
    assert "可能已經有人決定過了" in says(answer)


def test_the_queue_takes_the_same_queries_for_few_and_for_many(client, account, clerk, standing_in):
    of_requests(account("IC1004"), account("CU1001", "agency_admin"))
    counts = []
    for more in (6, 0):
        for who in ("IC1001", "IC1002"):
            client.force_login(Account.objects.get(username=who))
            client.get(QUEUE)
            with CaptureQueriesContext(connection) as queries:
                client.get(QUEUE)
            counts.append(len(queries))
        taken = []
        for name in ("applications", "transfers", "identity-changes"):
            client.force_login(clerk)
            with CaptureQueriesContext(connection) as queries:
                assert client.get(f"/manage/{name}/").status_code == 200
            taken.append(len(queries))
        counts.append(taken)
        other = account("CU1001", "agency_admin")
        for n in range(more):
            apply(n)
            person = Account.objects.get(username=f"IC10{10 + n}")
            if person.is_active:
                asking.ask_for_identities(
                    identities="security+it", since=today(), reason="x", by=person
                )
                asked = {"department": None, "since": today(), "reason": "x"}
                asking.ask_for(username=person.username, name=person.name, **asked, by=other)
    assert counts[:3] == counts[3:]
