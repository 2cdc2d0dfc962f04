"""同一人: a national ID alone makes nobody one person; who confirms it, and what follows.

The city has two agencies here: A's clerk is IC1001, B's is EP1001.  B's people are the ones whose
number somebody of A writes on an account of his own.
"""

import io
import re
from contextlib import contextmanager
from datetime import timedelta
from itertools import permutations

import openpyxl
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from ismp.accounts import national_id, persons, separation
from ismp.accounts.actions import accounts as account_actions
from ismp.accounts.actions import person_links
from ismp.accounts.actions import postings as accounts
from ismp.accounts.models import Account, AccountControl, Agency, PersonLink, Status
from ismp.applications.actions import asking as requests
from ismp.applications.actions import deciding, delegating
from ismp.audit.models import Event
from ismp.compliance.dashboards import cached
from ismp.compliance.standing import explanation
from ismp.compliance.standing import table as standing_table
from ismp.errors import ActionRefused
from ismp.external_hours.models import ExternalClaim
from ismp.external_hours.models import State as ClaimState
from ismp.hours.models import Record
from ismp.notifications.models import Notice
from ismp.portal.models import Certificate
from ismp.reviews.queue import waiting_for
from tests.support import uploads
from tests.support.accounts import account_named
from tests.support.concurrency import at_once
from tests.support.portal_files import data
from tests.support.portal_files import row_of_today as row
from tests.support.rights import addresses
from tests.support.things import claim_of

pytestmark = pytest.mark.django_db
HEAD = "機關代碼,機關名稱,部門,公務帳號,姓名,身分證字號,電子郵件,資安列管身分,狀態"
A, B = "382990001Z", "382990002Z"
UNKNOWN = national_id.complete("A19999999")
HERS = "乙機關的課"


def says(answer):
    return answer.content.decode()


def go(client, username):
    client.force_login(account_named(username))


@pytest.fixture
def number(city):
    """The number of EP1003, of agency B."""
    return next(person.national_id for person in city if person.username == "EP1003")


@pytest.fixture
def learned_there(city, import_bytes):
    """EP1003 and EP1001 of agency B have a record each."""
    for username in ("EP1001", "EP1003"):
        person = next(one for one in city if one.username == username)
        own = {"national_id": person.national_id, "name": person.name, "title": HERS}
        import_bytes(data(row(**own), encoding="utf-8"), agency=B)


@pytest.fixture
def clerks(clerk_of, account):
    """The clerk of A, the clerk of B, the platform's; a second one of A and of B."""
    return {
        **clerk_of,
        "here too": account("IC1004", "agency_admin"),
        "there too": account("EP1004", "agency_admin"),
    }


def ghost(number, by, username="IC9001", name="隨便"):
    """An account that somebody of agency A made, with a number."""
    facts = {"username": username, "name": name, "agency": by.agency, "identities": "general"}
    made = Account(**facts)
    made.national_id = number
    return account_actions.save_account(made, by=by)


def newest(verb):
    return Event.objects.filter(verb=verb).latest("number")


def queue(user):
    return [one for one in waiting_for(user) if one.kind == "同一人確認"]


def link_of(username):
    return PersonLink.objects.unended().get(account__username=username)


# --- S1: somebody writes another's number on an account of his own -------------------------------


def test_a_number_on_ones_own_account_shows_nothing_of_whose_it_is(
    client, city, clerks, learned_there
):
    """By a roster with the own line; whether that is refused or not."""
    victim = next(person for person in city if person.username == "EP1001")
    go(client, "IC1001")
    line = f"{A},示範市政府資訊中心,資訊科,IC1001,甲管理者,{victim.national_id},e@x.example,資訊人員,在職"
    uploads.send(client, "\n".join([HEAD, line, ""]).encode(), source="roster", name="名冊.csv")
    assert HERS not in says(client.get("/my/hours/"))
    assert HERS not in says(client.get("/"))
    thief = account_named("IC1001")
    thief.national_id = victim.national_id  # as an older roster did it
    thief.save()
    assert HERS not in says(client.get("/my/hours/"))
    assert HERS not in says(client.get("/"))


def test_a_made_up_account_gets_nothing_of_whose_number_it_has(
    client, clerks, learned_there, number
):
    claim = claim_of(account_named("EP1003"))
    go(client, "IC1001")
    new = {"username": "ghost1", "name": "隨便", "identities": ["general"], "since": "115-01-05"}
    answer = client.post("/manage/accounts/add/", {**new, "number": number})
    assert answer.status_code == 302
    go(client, "ghost1")
    assert HERS not in says(client.get("/my/hours/"))
    assert "資安月研討會" not in says(client.get("/my/hours/claims/"))
    assert client.get(f"/my/hours/claims/{claim.pk}/certificate/").status_code == 404
    assert client.post(f"/my/hours/claims/{claim.pk}/withdraw/").status_code == 404
    claim.refresh_from_db()
    assert (claim.state, claim.certificate_deleted_at) == (ClaimState.PENDING, None)
    paper = client.post("/my/hours/certificate/", {"start": "115-01-01", "end": "115-12-31"})
    assert paper["Content-Type"] == "application/pdf"
    assert account_named("ghost1").pk == Certificate.objects.get().account_id
    assert (
        Certificate.objects.get().count,
        Record.objects.of_person(account_named("ghost1")).count(),
    ) == (
        0,
        0,
    )
    assert not any(one.counted for one in explanation.of_person(account_named("ghost1")))


def test_a_certificate_belongs_to_the_account_that_brought_it(client, clerks, number):
    """Also when the two are one person: opening the other account's leaves an event."""
    claim = claim_of(account_named("EP1003"))
    ghost(number, clerks["here"])
    person_links.confirm(link_of("IC9001"), by=clerks["there"])
    go(client, "IC9001")
    assert client.get(f"/my/hours/claims/{claim.pk}/certificate/").status_code == 404
    assert client.post(f"/my/hours/claims/{claim.pk}/withdraw/").status_code == 404
    assert ExternalClaim.objects.get().state == ClaimState.PENDING
    opened = Event.objects.filter(verb="open_certificate")
    go(client, "EP1003")
    client.get(f"/my/hours/claims/{claim.pk}/certificate/").getvalue()
    assert not opened.exists()
    Account.objects.filter(username="IC9001").update(role="platform_admin")
    go(client, "IC9001")
    client.get(f"/my/hours/claims/{claim.pk}/certificate/").getvalue()
    assert opened.get().actor == "IC9001"


# --- The question and the decision ---------------------------------------------------------------


def test_the_other_agency_is_asked_and_confirms(client, clerks, learned_there, number):
    made = ghost(number, clerks["here"], name="王大文")
    assert queue(clerks["here"]) == queue(clerks["here too"]) == []
    [one] = queue(clerks["there"])
    assert [one.key] == [other.key for other in queue(clerks["platform"])]
    other = account_named("EP1003")
    assert other.notices.get().subject == "有另一個帳號登錄了與您相同的身分證字號"
    assert not made.notices.exists()
    go(client, "EP1001")
    assert one.address in says(client.get("/manage/reviews/"))
    page = says(client.get(one.address))
    for shown in (made, other):
        for text in (shown.name, shown.username, shown.agency.name):
            assert text in page
    assert "姓名不同" in page and "姓名不同" in one.title
    assert f"{number[:6]}****" in page and number not in page
    answer = client.post(one.address, {"decision": "approve", "comment": "人事室已查證"})
    assert answer.status_code == 302
    link = link_of("IC9001")
    assert (link.state, link.decided_by, link.comment) == (
        "confirmed", clerks["there"], "人事室已查證",
    )  # fmt: skip
    event = newest("confirm_person_link")
    assert (event.actor, event.agency, event.subject) == ("EP1001", B, f"person_link:{link.pk}")
    reported = "您的另一個帳號已確認與您為同一人"
    assert made.notices.get(subject=reported).body.startswith("示範市政府環境保護局")
    assert other.notices.get(subject=reported).body.startswith("示範市政府資訊中心")
    assert clerks["here"].notices.filter(subject__contains="對方機關確認").exists()
    go(client, "IC9001")
    assert HERS in says(client.get("/my/hours/"))
    assert any(one.counted for one in explanation.of_person(account_named("IC9001")))
    go(client, "EP1003")
    assert HERS in says(client.get("/my/hours/"))


def test_a_no_leaves_them_apart_and_is_final_until_the_number_is_set_anew(
    client, clerks, learned_there, number
):
    made = ghost(number, clerks["here"])
    [one] = queue(clerks["there"])
    go(client, "EP1001")
    assert "請寫明理由" in says(client.post(one.address, {"decision": "refuse", "comment": ""}))
    client.post(one.address, {"decision": "refuse", "comment": "不是本人"})
    assert link_of("IC9001").state == "refused"
    assert not made.notices.exists()
    go(client, "IC9001")
    assert HERS not in says(client.get("/my/hours/"))
    account_actions.set_national_id([made], number=number, by=clerks["here"])
    person_links.ask_missing()
    assert queue(clerks["there"]) == queue(clerks["platform"]) == []
    for again in ("", number):
        account_actions.set_national_id([account_named("IC9001")], number=again, by=clerks["here"])
    assert len(queue(clerks["there"])) == 1
    assert PersonLink.objects.filter(account=made).count() == 2


def test_a_number_set_by_each_way_is_asked_about(client, clerks, number):
    by_ways = {}
    go(client, "IC1001")
    new = {"username": "IC9001", "name": "甲", "identities": ["general"], "since": "115-01-05"}
    client.post("/manage/accounts/add/", {**new, "number": number})
    by_ways["added"] = "IC9001"
    ids = {"ids": [account_named("IC1005").pk], "confirmed": "1"}
    Account.objects.filter(username="IC9001").update(status=Status.LEFT)
    client.post("/manage/accounts/set_national_id/", {**ids, "number": number})
    by_ways["set"] = "IC1005"
    Account.objects.filter(username="IC1005").update(status=Status.LEFT)
    line = f"{A},示範市政府資訊中心,資訊科,IC9002,丙,{number},e@x.example,資訊人員,在職"
    run = uploads.send(client, "\n".join([HEAD, line, ""]).encode(), source="roster")
    assert run.created == 1
    by_ways["roster"] = "IC9002"
    Account.objects.filter(username="IC9002").update(status=Status.LEFT)
    application = requests.apply_for_account(
        **{"agency": clerks["here"].agency, "department": "", "username": "IC9003", "name": "丁"},
        **{"number": number, "email": "x@ismp.example", "identities": "general"},
        **{"reason": "新到職", "source": "192.0.2.9"},
    )
    page = says(client.get(f"/manage/reviews/application/{application.pk}/"))
    assert "另有" not in page
    deciding.decide_application(application, accept=True, comment="", by=clerks["here"])
    by_ways["application"] = "IC9003"
    asked = {one.thing.account.username for one in queue(clerks["there"])}
    assert asked == set(by_ways.values())


def test_who_may_decide(clerks, account, number):
    """Not who set the number, nor that agency, nor anybody about themselves; the platform may."""
    link = ghost(number, clerks["here"]) and link_of("IC9001")

    def may(*names):
        deciders = {one: clerks[one] for one in clerks} | {"himself": account_named("EP1003")}
        found = {name for name, one in deciders.items() if queue(one)}
        assert found == set(names)
        for name in deciders.keys() - set(names):
            with pytest.raises(ActionRefused):
                deciding.decide_person_link(link, accept=True, comment="x", by=deciders[name])

    may("there", "there too", "platform")
    account("EP1003", "agency_admin")
    may("there", "there too", "platform")
    account("EP1003", "platform_admin")
    may("platform")  # an agency keeps no account of the platform's
    account("EP1003", "staff")
    PersonLink.objects.update(asked_by=clerks["there"])
    may("platform")  # anybody of the agency that set it
    PersonLink.objects.update(asked_by=clerks["platform"])
    may("there", "there too")
    PersonLink.objects.update(asked_by=None)  # a command
    may("there", "there too", "platform")


@pytest.mark.parametrize("how", ["made", "set"])
def test_who_registered_the_number_first_does_not_confirm_it(
    client, clerks, learned_there, how, time_machine
):
    """The other way round: the account made up is there before the person's own one has a number.
    Its agency is asked then, but not who registered the number, nor whoever he appoints."""
    number = account_named("EP1003").national_id
    Account.objects.filter(username="EP1003").update(id_hash=None, encrypted_id=None)
    if how == "made":
        ghost(number, clerks["here"])
    else:
        account_actions.set_national_id([account_named("IC1005")], number=number, by=clerks["here"])
    first = "IC9001" if how == "made" else "IC1005"
    account_actions.set_national_id([account_named("EP1003")], number=number, by=clerks["there"])
    link = PersonLink.objects.get(account__username="EP1003", other__username=first)
    assert queue(clerks["here"]) == []
    go(client, "IC1001")
    answer = client.post(f"/manage/reviews/person/{link.pk}/", {"decision": "approve"})
    assert answer.status_code == 404
    with pytest.raises(ActionRefused, match="不能由您決定"):
        deciding.decide_person_link(link, accept=True, comment="", by=clerks["here"])
    values = {"since": timezone.localdate(), "until": timezone.localdate()}
    delegating.delegate(username="IC1006", **values, by=clerks["here"])
    assert queue(account_named("IC1006")) == []
    go(client, first)
    assert HERS not in says(client.get("/my/hours/"))
    assert len(queue(clerks["here too"])) == len(queue(clerks["platform"])) == 1
    moment = timezone.now() + timedelta(days=31)
    time_machine.move_to(moment)
    assert len(queue(clerks["here"])) == 1


def test_who_made_the_clerks_accounts_bars_them_only_as_an_agency(clerks, number):
    """The platform appoints all clerks; nobody decides for the clerk who appointed them."""
    ghost(number, clerks["here"])
    for one in ("there", "there too"):
        separation.note_control(clerks[one], AccountControl.Kind.CREATED, clerks["platform"])
        separation.note_control(clerks[one], AccountControl.Kind.ROLE, clerks["here too"])
    PersonLink.objects.update(asked_by=clerks["platform"])
    [one] = queue(clerks["there"])
    PersonLink.objects.update(asked_by=clerks["here too"])
    assert queue(clerks["there"]) == []
    with pytest.raises(ActionRefused, match="不能由您決定"):
        one.decide(accept=True, comment="", by=clerks["there"])
    PersonLink.objects.update(asked_by=clerks["platform"])
    one.decide(accept=True, comment="", by=clerks["there"])


def test_who_comes_back_to_her_agency_is_confirmed_by_another_administrator(
    client, clerks, import_bytes, city
):
    old = next(person for person in city if person.username == "IC1005")
    import_bytes(
        data(row(national_id=old.national_id, name=old.name, title="從前的課"), encoding="utf-8")
    )
    accounts.assign(account_named("IC1005"), status=Status.LEFT, since=timezone.localdate(), by="x")
    ghost(old.national_id, clerks["here"], name=old.name)
    assert queue(clerks["here"]) == queue(clerks["there"]) == []
    [one] = queue(clerks["here too"])
    assert "姓名不同" not in one.title
    go(client, "IC9001")
    assert "從前的課" not in says(client.get("/my/hours/"))
    one.decide(accept=True, comment="", by=clerks["here too"])
    assert "從前的課" in says(client.get("/my/hours/"))


def test_a_delegate_decides_in_place_of_the_clerk_but_not_about_himself(clerks, number):
    today = timezone.localdate()
    for username in ("EP1002", "EP1003"):
        values = {"username": username, "since": today, "until": today}
        delegating.delegate(**values, by=clerks["there"])
    ghost(number, clerks["here"])
    assert queue(account_named("EP1003")) == []
    [one] = queue(account_named("EP1002"))
    one.decide(accept=True, comment="", by=account_named("EP1002"))
    event = newest("confirm_person_link")
    assert (event.actor, event.detail["in_place_of"]) == ("EP1002", "EP1001")


def test_many_are_decided_at_once(client, city, clerks):
    for n, username in enumerate(("EP1002", "EP1003")):
        person = next(one for one in city if one.username == username)
        ghost(person.national_id, clerks["here"], username=f"IC900{n}")
    go(client, "EP1001")
    posted = {"ids": [one.key for one in queue(clerks["there"])], "confirmed": "1"}
    client.post("/manage/reviews/batch/", {**posted, "decision": "approve", "comment": ""})
    assert (
        PersonLink.objects.filter(state="confirmed", account__username__startswith="IC900").count()
        == 2
    )


def test_three_accounts_of_a_person(clerks, number, account):
    """Of a person with two accounts each agency is asked; one yes is enough, but not against a no.
    An account in doubt is no ground to be asked: its agency would learn who has the number."""
    ghost(number, clerks["here"])
    person_links.confirm(link_of("IC9001"), by=clerks["there"])
    third = account("CU1002", "agency_admin")
    ghost(number, third, username="CU9001")
    asked = PersonLink.objects.filter(account__username="CU9001")
    assert {link.other.username for link in asked.waiting()} == {"IC9001", "EP1003"}
    assert (len(queue(clerks["here too"])), len(queue(clerks["there"]))) == (1, 1)
    refused = asked.get(other__username="IC9001")
    person_links.refuse(refused, comment="不是", by=clerks["here too"])
    link = asked.get(other__username="EP1003")
    with pytest.raises(ActionRefused, match="請由平台管理者決定"):
        person_links.confirm(link, by=clerks["there"])
    person_links.confirm(link, by=clerks["platform"])
    assert Account.objects.of_person(account_named("CU9001")).count() == 3
    person_links.revoke(link, reason="弄錯了", by=clerks["platform"])
    assert Account.objects.of_person(account_named("CU9001")).count() == 1
    assert Account.objects.of_person(account_named("EP1003")).count() == 2


def test_a_number_in_doubt_is_no_ground_to_be_asked(clerks, number, account):
    """A's ghost learns nothing when a third agency registers the person."""
    ghost(number, clerks["here"])
    ghost(number, account("CU1002", "agency_admin"), username="CU9001")
    assert queue(clerks["here"]) == []
    assert {one.thing.other.username for one in queue(clerks["platform"])} == {"EP1003"}


# --- What ends it --------------------------------------------------------------------------------


@pytest.fixture
def confirmed(clerks, learned_there, number):
    """IC9001 of A and EP1003 of B are one person."""
    Notice.objects.all().delete()
    ghost(number, clerks["here"])
    person_links.confirm(link_of("IC9001"), by=clerks["there"])
    Notice.objects.all().delete()
    return PersonLink.objects.get(account__username="IC9001")


@pytest.mark.parametrize("changed", ["IC9001", "EP1003"])
@pytest.mark.parametrize("to", ["", UNKNOWN])
def test_another_number_ends_it(client, clerks, confirmed, changed, to):
    by = clerks["here" if changed == "IC9001" else "there"]
    account_actions.set_national_id([account_named(changed)], number=to, by=by)
    confirmed.refresh_from_db()
    assert confirmed.state == "ended" and confirmed.ended_at
    assert {account_named("IC9001").person, account_named("EP1003").person} == {None}
    go(client, "IC9001")
    assert HERS not in says(client.get("/my/hours/"))
    for account in (confirmed.account, confirmed.other):
        assert account.notices.get().subject == "您的帳號與另一個帳號不再合併採計"
    assert newest("end_person_link").actor == by.username


def test_a_roster_that_changes_the_number_ends_it_and_a_key_rotation_does_not(confirmed, number):
    for account in Account.objects.filter(pk__in=[confirmed.account_id, confirmed.other_id]):
        account.national_id = account.national_id  # what `rotate_keys` does
        account.save(update_fields=["encrypted_id", "id_hash", "key_version"])
    assert Account.objects.of_person(account_named("IC9001")).count() == 2
    line = f"{A},示範市政府資訊中心,資訊科,IC9001,隨便,{{}},e@x.example,資訊人員,在職"
    accounts.import_roster("\n".join([HEAD, line.format(number), ""]).encode(), by="x")
    assert Account.objects.of_person(account_named("IC9001")).count() == 2
    accounts.import_roster("\n".join([HEAD, line.format(UNKNOWN), ""]).encode(), by="x")
    assert Account.objects.of_person(account_named("IC9001")).count() == 1


def test_an_edit_begun_before_the_confirmation_does_not_end_it(clerks, number):
    before = ghost(number, clerks["here"])
    person_links.confirm(link_of("IC9001"), by=clerks["there"])
    before.name = "新名字"
    account_actions.save_account(before, by=clerks["here"])
    assert Account.objects.of_person(account_named("IC9001")).count() == 2


def test_the_platform_revokes_a_wrong_one(client, clerks, confirmed):
    go(client, "IC1001")
    posted = {"ids": [confirmed.pk], "confirmed": "1", "reason": "查無此人"}
    assert client.post("/manage/person-links/revoke/", posted).status_code == 403
    go(client, "CU1001")
    page = f"/manage/person-links/{confirmed.pk}/"
    assert "撤銷確認" in says(client.get(page))
    client.post("/manage/person-links/revoke/", posted)
    confirmed.refresh_from_db()
    assert (confirmed.state, confirmed.comment) == ("revoked", "撤銷：查無此人")
    for account in (confirmed.account, confirmed.other):
        assert "各自採計" in account.notices.get().body
    assert newest("revoke_person_link").actor == "CU1001"
    assert "撤銷同一人的確認" in says(client.get(f"{page}history/"))
    go(client, "IC9001")
    assert HERS not in says(client.get("/my/hours/"))
    person_links.ask_missing()
    assert queue(clerks["there"]) == []


def test_what_was_known_at_a_moment(clerks, confirmed):
    """As known then: apart before the confirmation, together while it stood."""
    today, account = timezone.localdate(), account_named("IC9001")
    confirmed_at = confirmed.confirmed_at
    person_links.revoke(confirmed, reason="弄錯了", by=clerks["platform"])
    ended_at = PersonLink.objects.get(pk=confirmed.pk).ended_at
    instant = timedelta(microseconds=1)
    for moment, together in (
        (confirmed_at - instant, False),
        (confirmed_at, True),
        (ended_at - instant, True),
        (ended_at, False),
        (None, False),
    ):
        counted = [
            item for one in explanation.of_person(account, today, moment) for item in one.counted
        ]
        assert bool(counted) == together
        [line, *_] = (
            standing_table.table(on=today, known_at=moment)
            .filter(account=account.pk)
            .iter_rows(named=True)
        )
        assert bool(line["done"]) == together


# --- Transfers -----------------------------------------------------------------------------------


def come_back(clerks, number):
    """IC9001 of A has left; EP1003, of the same number, is asked for by A."""
    ghost(number, clerks["here"])
    accounts.assign(account_named("IC9001"), status=Status.LEFT, since=timezone.localdate(), by="x")
    other = account_named("EP1003")
    asked = {"username": "EP1003", "name": other.name, "department": None, "reason": "商調"}
    return requests.ask_for(**asked, since=timezone.localdate(), by=clerks["here"])


def test_a_transfer_that_both_agreed_to_is_a_confirmation(client, clerks, number, learned_there):
    transfer = come_back(clerks, number)
    go(client, "EP1001")
    page = says(client.get(f"/manage/reviews/transfer/{transfer.pk}/"))
    assert "IC9001" not in page  # of A's accounts B is told nothing
    deciding.decide_transfer(transfer, accept=True, comment="", by=clerks["there"])
    assert account_named("EP1003").agency.code == A
    assert Account.objects.of_person(account_named("EP1003")).count() == 2
    assert PersonLink.objects.get(account__username="IC9001").state == "confirmed"
    assert newest("confirm_person_link").actor == "EP1001"


def test_a_transfer_that_gives_away_shows_the_decider_her_own_account(client, clerks, number):
    accounts.assign(account_named("EP1003"), status=Status.LEFT, since=timezone.localdate(), by="x")
    ghost(number, clerks["here"])
    values = {"agency": clerks["there"].agency, "since": timezone.localdate(), "reason": "調出"}
    transfer = requests.give_away(username="IC9001", **values, by=clerks["here"])
    go(client, "EP1001")
    page = says(client.get(f"/manage/reviews/transfer/{transfer.pk}/"))
    assert "EP1003" in page and "確認為同一人" in page
    deciding.decide_transfer(transfer, accept=True, comment="", by=clerks["there"])
    assert Account.objects.of_person(account_named("IC9001")).count() == 2


def test_a_transfer_by_the_platform_is_a_confirmation(client, clerks, number):
    accounts.assign(account_named("EP1003"), status=Status.LEFT, since=timezone.localdate(), by="x")
    ghost(number, clerks["here"])
    go(client, "CU1001")
    today = f"{timezone.localdate().year - 1911}{timezone.localdate():-%m-%d}"
    asked = {"ids": [account_named("IC9001").pk], "confirmed": "1", "since": today}
    client.post("/manage/accounts/transfer/", {**asked, "agency": clerks["there"].agency_id})
    assert account_named("IC9001").agency.code == B
    assert Account.objects.of_person(account_named("IC9001")).count() == 2


def test_the_origin_does_not_learn_of_an_account_of_the_destination(clerks, number):
    ghost(number, clerks["here"])
    other = account_named("EP1003")
    asked = {"username": "EP1003", "name": other.name, "department": None, "reason": "商調"}
    transfer = requests.ask_for(**asked, since=timezone.localdate(), by=clerks["here"])
    with pytest.raises(ActionRefused) as refused:
        deciding.decide_transfer(transfer, accept=True, comment="", by=clerks["there"])
    assert "身分證字號" not in str(refused.value)
    assert Account.objects.of_person(account_named("EP1003")).count() == 1


# --- Order, sums, moments ------------------------------------------------------------------------


def sums():
    today = timezone.localdate()
    agencies = list(Agency.objects.all())
    kept = cached.board_counts(agencies, [today])
    lines = standing_table.table().select("account", "category", "years", "done").rows()
    totals = {pk: kept[pk, today].get_totals()[""].as_json() for pk in (a.pk for a in agencies)}
    return sorted(lines), totals


def test_any_order_of_confirming_moving_leaving_and_numbers_ends_in_the_same_sums(
    clerks, learned_there, number
):
    made, today = ghost(number, clerks["here"]), timezone.localdate()
    there = Agency.objects.get(code="382990003Z")
    steps = {
        "confirm": lambda: person_links.confirm(link_of("IC9001"), by=clerks["there"]),
        "move": lambda: accounts.assign(made, agency=there, since=today, by="x"),
        "leave": lambda: accounts.assign(
            account_named("EP1003"), status=Status.LEFT, since=today, by="x"
        ),
        "number": lambda: account_actions.set_national_id(
            [account_named("IC9001")], number=UNKNOWN, by=clerks["platform"]
        ),
    }
    for chosen, together in ((["confirm", "move", "leave"], True), (list(steps), False)):
        ends = []
        for order in permutations(chosen):
            with transaction.atomic():
                for name in order:
                    if name != "confirm" or PersonLink.objects.waiting().exists():
                        steps[name]()
                ends.append(sums())
                assert (Account.objects.of_person(account_named("IC9001")).count() == 2) == together
                transaction.set_rollback(True)
        assert all(end == ends[0] for end in ends)
        done = {account: hours for account, _, years, hours in ends[0][0] if years == 1}
        assert bool(done[made.pk]) == together


def test_one_account_takes_as_many_queries_as_several(client, confirmed):
    counts = []
    for username in ("EP1001", "EP1003"):
        go(client, username)
        client.get("/my/hours/")
        with CaptureQueriesContext(connection) as asked:
            client.get("/my/hours/")
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_accounts_that_got_a_number_in_the_same_moment_are_asked_about_later(clerks, number):
    made = ghost(UNKNOWN, clerks["here"])
    made.national_id = number
    made.save()  # neither saw the other
    assert person_links.ask_missing() == 1
    assert person_links.ask_missing() == 0
    assert len(queue(clerks["there"])) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
def test_two_confirmed_in_the_same_moment_are_one_person(clerks, number, account):
    ghost(number, clerks["here"])
    person_links.confirm(link_of("IC9001"), by=clerks["there"])
    third = account("CU1002", "agency_admin")
    ghost(number, third, username="CU9001")
    first, second = PersonLink.objects.filter(account__username="CU9001").order_by("pk")
    at_once(
        lambda: person_links.confirm(first, by=clerks["there"]),
        lambda: person_links.confirm(second, by=clerks["here"]),
    )
    assert Account.objects.of_person(account_named("CU9001")).count() == 3
    assert_persons_follow_from_links()


def assert_persons_follow_from_links():
    lowest = persons.lowest_of_groups(PersonLink.objects.standing().values_list("account", "other"))
    kept = {one.pk: one.person_id for one in Account.objects.exclude(person=None)}
    assert kept == lowest


# --- Silence -------------------------------------------------------------------------------------

_VARIES = (
    r'name="(csrfmiddlewaretoken|form_key|form_version)" value="[^"]*"',
    r'value="[^"]{40,}"',  # of a signed ticket
    r"\d\d:\d\d(:\d\d)?",
    r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}",  # of an application
    r"(?<=/)\d+(?=/)",
    r"\d+\W分",
    r"\b[0-9A-F]{8}\b",  # reference of an error page
)


def cells(workbook):
    sheets = openpyxl.load_workbook(io.BytesIO(workbook)).worksheets
    return "\n".join(str(row) for sheet in sheets for row in sheet.iter_rows(values_only=True))


def plain(answer):
    """An answer without tokens, numbers of things in addresses, and moments."""
    body = answer.getvalue() if answer.streaming else answer.content
    if body[:2] == b"PK":
        text = cells(body)
    elif answer.get("Content-Type", "").startswith("text/"):
        text = body.decode(errors="replace")
    else:
        text = str(len(body))
    for one in _VARIES:
        text = re.sub(one, "", text)
    return answer.status_code, re.sub(r"\d+", "", answer.get("Location", "")), text


@contextmanager
def same_ids():
    """Let what comes after a rollback get the ids again that were given before: PostgreSQL's
    sequences would go on, and the pages differ in ids."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', schemaname, sequencename), last_value FROM pg_sequences"
        )
        before = cursor.fetchall()
        yield
        for name, value in before:
            cursor.execute("SELECT setval(%s, %s, %s)", [name, value or 1, value is not None])


def test_nothing_tells_an_administrator_that_a_number_is_known_elsewhere(client, account, things):
    """Every address and every way, with a number of another agency and with an unknown one."""
    known = account_named("EP1004").national_id
    unknown = national_id.complete(f"{known[:6]}{(int(known[6:9]) + 1) % 1000:03}")
    assert known[:6] == unknown[:6]
    clerk = account("IC1001", "agency_admin")
    seen = {}
    for name, number in (("known", known), ("unknown", unknown)):
        with same_ids(), transaction.atomic():
            client.force_login(clerk)
            seen[name] = list(everything(client, clerk, things, number))
            transaction.set_rollback(True)
    pairs = list(zip(*seen.values(), strict=True))
    assert len(pairs) > 100
    assert [found for one, other in pairs for found in differences(one, other)] == []


def differences(one, other):
    """The lines in which two answers to the same request differ, for a reader."""
    if one == other:
        return []
    sides = [str(answer[1][2]).splitlines() for answer in (one, other)]
    pairs = [pair for pair in zip(*sides, strict=False) if len(set(pair)) > 1]
    return [(one[0], one[1][:2], other[1][:2], pairs[:3])]


def everything(client, clerk, things, number):
    """Set the number by each way; then what each address and the ghosts' own pages answer."""
    new = {"username": "IC9001", "name": "甲", "identities": ["general"], "since": "115-01-05"}
    yield "add", plain(client.post("/manage/accounts/add/", {**new, "number": number}))
    made = account_named("IC9001")
    yield "page", plain(client.get(f"/manage/accounts/{made.pk}/"))
    yield "history", plain(client.get(f"/manage/accounts/{made.pk}/history/"))
    accounts.assign(made, status=Status.LEFT, since=timezone.localdate(), by="x")
    ids = {"ids": [account_named("IC1005").pk], "confirmed": "1", "number": number}
    yield "set", plain(client.post("/manage/accounts/set_national_id/", ids))
    yield (
        "set history",
        plain(client.get(f"/manage/accounts/{account_named('IC1005').pk}/history/")),
    )
    accounts.assign(account_named("IC1005"), status=Status.LEFT, since=timezone.localdate(), by="x")
    line = f"{A},示範市政府資訊中心,資訊科,IC9002,丙,{number},e@x.example,資訊人員,在職"
    roster = "\n".join([HEAD, line, ""]).encode()
    for mode in ("dry_run", "import"):
        run = uploads.send(client, roster, source="roster", mode=mode)
        yield mode, plain(client.get(f"/manage/learning-map/runs/{run.pk}/"))
        yield mode, plain(client.get(f"/manage/learning-map/runs/{run.pk}/rows/?which=created"))
    accounts.assign(account_named("IC9002"), status=Status.LEFT, since=timezone.localdate(), by="x")
    application = requests.apply_for_account(
        **{"agency": clerk.agency, "department": "", "username": "IC9003", "name": "丁"},
        **{"number": number, "email": "x@ismp.example", "identities": "general"},
        **{"reason": "新到職", "source": "192.0.2.9"},
    )
    address = f"/manage/reviews/application/{application.pk}/"
    yield "application", plain(client.get(address))
    yield "approved", plain(client.post(address, {"decision": "approve", "comment": ""}))
    by_the_second = {"courses:attend", "courses:code", "courses:room"}  # a QR code
    for name, path in sorted(one for one in addresses() if one[0] not in by_the_second):
        yield name, plain(client.get(path.format(**things)))
    for search in (number, number[:6], made.name):
        yield "search", plain(client.get("/manage/accounts/", {"q": search, "field": "name"}))
    for username in ("IC9003", "IC1005"):
        owner = account_named(username)
        yield "board", plain(client.get(reverse("boards:person", args=[owner.pk])))
    Account.objects.filter(username="IC9003").update(status=Status.ACTIVE)
    client.force_login(account_named("IC9003"))
    for path in ("/", "/my/hours/", "/my/hours/claims/", "/notices/"):
        yield path, plain(client.get(path))
    paper = client.post("/my/hours/certificate/", {"start": "115-01-01", "end": "115-12-31"})
    yield "paper", plain(paper)
    client.force_login(clerk)
