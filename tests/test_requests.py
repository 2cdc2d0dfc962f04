"""What people ask of the administrators: an account, a transfer, other identities."""

import re
import threading
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone
from files import data, row

from ismp.accounts import national_id
from ismp.accounts.models import Account, Agency
from ismp.audit.models import Event
from ismp.audit.trail import NotPossible
from ismp.hours import claiming
from ismp.hours.models import Record
from ismp.keyring import KeyRing
from ismp.requests import actions, deciding
from ismp.requests.models import AccountApplication, IdentityChange, State, Transfer
from ismp.ui.roc import roc_date

pytestmark = pytest.mark.django_db
APPLY, STATE, MINE = "/accounts/apply/", "/accounts/apply/state/", "/my/identities/"
NUMBER = national_id.complete("A28765432")
HERE, THERE = "382990001Z", "382990002Z"


def today():
    return timezone.localdate()


def says(answer):
    return answer.content.decode()


def agency(code=HERE):
    return Agency.objects.get(code=code)


def typed(**other):
    good = {
        **{"agency": agency().pk, "department": "資訊科", "username": "IC9001", "name": "新同仁"},
        **{"number": NUMBER, "email": "ic9001@ismp.example", "identities": ["it", "general"]},
        "reason": "新到職",
    }
    return {**good, **other}


@pytest.fixture
def apply(city):
    """Send an application as a stranger; returns it."""

    def send(**other):
        answer = Client().post(APPLY, typed(**other))
        assert answer.status_code == 302, says(answer)
        return AccountApplication.objects.latest("pk")

    return send


@pytest.fixture
def clerk_of(account):
    """The administrators of the first and the second agency, and of the platform."""
    return {
        "here": account("IC1001", "agency_admin"),
        "there": account("EP1001", "agency_admin"),
        "platform": account("CU1001", "platform_admin"),
    }


def queue(user):
    from ismp.reviews.queue import waiting_for

    return {one.title: one for one in waiting_for(user)}


# --- 帳號申請 ------------------------------------------------------------------------------------


def test_a_stranger_applies_and_sees_with_her_receipt_how_it_stands(client, city, clerk_of):
    assert APPLY in says(client.get("/accounts/login/"))
    assert client.post(APPLY, typed())["Location"] == STATE
    application = AccountApplication.objects.get()
    page = says(client.get(STATE))
    receipt = re.search(r">(\w{4}-\w{4}-\w{4})<", page)[1]
    asked = {"receipt": receipt.lower(), "username": "ic9001"}
    stranger = Client()
    assert "等候審核" in says(stranger.post(STATE, asked))
    for wrong in ({"username": "IC9002"}, {"receipt": "2222-2222-2222"}):
        page = says(stranger.post(STATE, {**asked, **wrong}))
        assert "查不到這件申請" in page
        assert "新同仁" not in page
    deciding.decide_application(application, accept=True, comment="歡迎", by=clerk_of["here"])
    page = says(stranger.post(STATE, asked))
    assert "歡迎" in page
    assert "一次性代碼" in page
    event = Event.objects.get(verb="apply_for_account")
    assert (event.actor, event.agency) == (actions.STRANGER, HERE)


def test_the_answer_is_the_same_whoever_is_known(client, city):
    """An account that there is, a number that there is, an application again: one answer."""
    known = city[0]
    answers = [
        Client().post(APPLY, typed(**other))
        for other in (
            {},
            {},
            {"username": known.username},
            {"number": known.national_id},
            {"username": known.username, "number": known.national_id, "name": known.name},
        )
    ]
    assert {(one.status_code, one["Location"]) for one in answers} == {(302, STATE)}
    assert AccountApplication.objects.count() == 5


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"agency": ""}, "請選擇機關"),
        ({"name": ""}, "請填寫姓名"),
        ({"number": ""}, "請填寫身分證字號"),
        ({"number": "A123456780"}, "檢查碼不對"),
        ({"username": "王小明"}, "只能用英文字母"),
        ({"email": "x"}, "電子郵件"),
        ({"identities": []}, "請選擇資安列管身分"),
        ({"reason": ""}, "請填寫理由"),
        ({"department": ""}, "請填寫部門"),
        ({"reason": "字" * 401}, "400"),
    ],
    ids=range(10),
)
def test_what_cannot_be_an_application(client, city, wrong, sentence):
    before = Event.objects.count()
    answer = client.post(APPLY, typed(**wrong))
    assert answer.status_code == 200
    assert sentence in says(answer)
    assert NUMBER not in says(answer)
    assert not AccountApplication.objects.exists()
    assert Event.objects.count() == before


def test_a_flood_from_one_address_is_stopped_for_an_hour(client, city, settings, monkeypatch):
    settings.APPLICATIONS_PER_HOUR = 2
    for _ in range(2):
        assert client.post(APPLY, typed()).status_code == 302
    answer = client.post(APPLY, typed())
    assert answer.status_code == 429
    assert "一小時後再試" in says(answer)
    assert client.post(APPLY, typed(), REMOTE_ADDR="192.0.2.9").status_code == 302
    spoofed = client.post(APPLY, typed(), headers={"X-Real-IP": "192.0.2.7"})
    assert spoofed.status_code == 429  # only our own proxy is believed
    settings.BEHIND_TLS = True
    told = {"headers": {"X-Real-IP": "192.0.2.8"}, "secure": True}
    assert client.post(APPLY, typed(), **told).status_code == 302
    later = timezone.now() + timedelta(minutes=61)
    monkeypatch.setattr(timezone, "now", lambda: later)
    settings.BEHIND_TLS = False
    assert client.post(APPLY, typed()).status_code == 302


def test_an_application_needs_the_token(city):
    answer = Client(enforce_csrf_checks=True).post(APPLY, typed())
    assert answer.status_code == 403
    assert not AccountApplication.objects.exists()


def test_the_page_tells_what_the_approval_does_and_it_does_it(
    client, apply, clerk_of, import_bytes
):
    waits = import_bytes(data(row(national_id=NUMBER), row(national_id=NUMBER, term="2")))
    assert waits["rejected"] == 2
    application = apply()
    client.force_login(clerk_of["here"])
    address = f"/manage/reviews/application/{application.pk}/"
    assert address in says(client.get("/manage/reviews/"))
    page = says(client.get(address))
    assert "待認領時數 2 筆" in page
    assert "應完成 3 小時" in page
    assert national_id.mask(NUMBER) in page
    assert NUMBER not in page
    answer = client.post(address, {"decision": "approve", "comment": ""})
    account = Account.objects.get(username="IC9001")
    assert answer["Location"] == f"/manage/accounts/{account.pk}/"
    assert (account.name, account.agency.code, account.identities) == ("新同仁", HERE, "it+general")
    assert account.department.name == "資訊科"
    assert account.national_id == NUMBER
    assert account.role == "staff"
    assert not account.has_usable_password()
    assert account.notices.get().subject == "您的帳號申請已核可"
    assert claiming.attach_due() == 2
    assert Record.objects.live().filter(account=account).count() == 2
    application.refresh_from_db()
    assert (application.state, application.national_id) == (State.APPROVED, "")
    assert application.id_hash is None


def test_a_refusal_needs_a_reason_and_forgets_the_number(client, apply, clerk_of):
    application = apply()
    client.force_login(clerk_of["here"])
    address = f"/manage/reviews/application/{application.pk}/"
    answer = client.post(address, {"decision": "refuse", "comment": " "})
    assert "請寫明理由" in says(answer)
    application.refresh_from_db()
    assert application.is_waiting
    client.post(address, {"decision": "refuse", "comment": "不是本機關同仁"})
    application.refresh_from_db()
    assert (application.state, application.comment) == (State.REFUSED, "不是本機關同仁")
    assert application.sealed_id is None
    assert not Account.objects.filter(username="IC9001").exists()
    with pytest.raises(IntegrityError), transaction.atomic():
        AccountApplication.objects.update(sealed_id=b"x")


def test_what_stands_against_an_account_is_told_before_and_stops_it(client, apply, city, clerk_of):
    taken, known = apply(username=city[1].username), apply(number=city[1].national_id)
    client.force_login(clerk_of["here"])
    for application, sentence in ((taken, "已經有人使用"), (known, "同一個身分證字號")):
        address = f"/manage/reviews/application/{application.pk}/"
        page = says(client.get(address))
        assert "目前不能核可" in page
        assert 'value="approve"' not in page
        answer = client.post(address, {"decision": "approve", "comment": ""})
        assert sentence in says(answer)
        application.refresh_from_db()
        assert application.is_waiting
        assert application.national_id


def test_two_deciders_give_one_outcome(apply, clerk_of):
    application = apply()
    deciding.decide_application(application, accept=True, comment="", by=clerk_of["here"])
    for accept in (True, False):
        with pytest.raises(NotPossible, match="已經有人決定過"):
            deciding.decide_application(
                application, accept=accept, comment="x", by=clerk_of["platform"]
            )
    assert Account.objects.filter(username="IC9001").count() == 1
    assert Event.objects.filter(verb="decide_application").count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
def test_two_deciders_at_the_same_moment_give_one_outcome(apply, clerk_of):
    application, ready, outcomes = apply(), threading.Barrier(2), []

    def decide(by, accept):
        ready.wait()
        try:
            told = {"accept": accept, "comment": "x", "by": by}
            deciding.decide_application(application, **told)
            outcomes.append("decided")
        except NotPossible as reason:
            outcomes.append(str(reason))
        finally:
            connection.close()

    sides = ((clerk_of["here"], True), (clerk_of["platform"], False))
    deciders = [threading.Thread(target=decide, args=side) for side in sides]
    for one in deciders:
        one.start()
    for one in deciders:
        one.join()
    assert outcomes[0] == "decided"
    assert "已經有人決定過" in outcomes[1]
    accounts = Account.objects.filter(username="IC9001").count()
    application.refresh_from_db()
    assert accounts == (application.state == State.APPROVED)
    assert Event.objects.filter(verb="decide_application").count() == 1


@pytest.fixture
def keys(tmp_path, settings):
    """A key ring of its own: the other tests keep theirs."""
    settings.KEYS = KeyRing.open(tmp_path / "keys")


def test_the_number_is_sealed_anew_with_a_new_key(keys, apply):
    application = apply()
    call_command("rotate_keys", new_key=True)
    call_command("rotate_keys")
    application.refresh_from_db()
    assert (application.key_version, application.national_id) == (2, NUMBER)


@pytest.mark.parametrize("role", ["staff", "teacher", "auditor", "agency_admin"])
def test_nobody_else_decides(client, apply, account, role):
    """Another agency's administrator, and each role of the own one that keeps no accounts."""
    application = apply()
    person = account("EP1001" if role == "agency_admin" else "IC1002", role)
    client.force_login(person)
    address = f"/manage/reviews/application/{application.pk}/"
    for answer in (client.get(address), client.post(address, {"decision": "approve"})):
        assert answer.status_code == (404 if role == "agency_admin" else 403)
    with pytest.raises(NotPossible, match="不是由您決定"):
        deciding.decide_application(application, accept=True, comment="", by=person)
    client.post(
        "/manage/reviews/batch/", {"decision": "approve", "ids": f"application-{application.pk}"}
    )
    application.refresh_from_db()
    assert application.is_waiting


def test_the_platform_decides_for_all(apply, clerk_of):
    application = apply()
    assert application.agency.name == queue(clerk_of["platform"])["IC9001 新同仁"].agency
    assert deciding.decide_application(
        application, accept=True, comment="", by=clerk_of["platform"]
    )


def test_decided_applications_are_forgotten_after_their_time(apply, clerk_of, monkeypatch):
    old, waiting = apply(), apply(username="IC9002", number="F123456784")
    deciding.decide_application(old, accept=False, comment="x", by=clerk_of["here"])
    assert actions.purge() == 0
    later = timezone.now() + timedelta(days=401)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert actions.purge() == 1
    assert AccountApplication.objects.get() == waiting
    assert Event.objects.get(verb="purge_applications").detail == {"count": 1}


# --- 機關異動 ------------------------------------------------------------------------------------


def come(by, username="EP1002", **other):
    name = Account.objects.get(username=username).name
    asked = {"name": name, "department": None, "since": today(), "reason": "商調", **other}
    return actions.ask_for(username=username, **asked, by=by)


def go(by, username="IC1002", to=THERE):
    told = {"agency": agency(to), "since": today(), "reason": "調出"}
    return actions.give_away(username=username, **told, by=by)


def test_only_when_the_other_side_agrees_the_person_moves(client, clerk_of):
    client.force_login(clerk_of["here"])
    person = Account.objects.get(username="EP1002")
    asked = {"username": "ep1002", "name": person.name, "department": "資訊科"}
    asked |= {"since": roc_date(today()), "reason": "商調"}
    answer = client.post("/manage/transfers/coming/", asked)
    transfer = Transfer.objects.get()
    assert answer["Location"] == f"/manage/transfers/{transfer.pk}/"
    assert "撤回申請" in says(client.get(answer["Location"]))
    assert "審核這件申請" not in says(client.get(answer["Location"]))
    assert not queue(clerk_of["here"])
    with pytest.raises(NotPossible, match="不是由您決定"):
        deciding.decide_transfer(transfer, accept=True, comment="", by=clerk_of["here"])
    client.force_login(clerk_of["there"])
    address = f"/manage/reviews/transfer/{transfer.pk}/"
    page = says(client.get(address))
    for told in (person.name, "資訊中心", "環境保護局", "列入的達標狀況", "整體"):
        assert told in page
    client.post(address, {"decision": "approve", "comment": "同意"})
    person.refresh_from_db()
    assert (person.agency.code, person.department.name) == (HERE, "資訊科")
    assert person.notices.get().body == "意見：同意"
    assert clerk_of["here"].notices.get().link == f"/manage/transfers/{transfer.pk}/"
    assert Event.objects.filter(verb="assign").count() == 1


def test_giving_away_waits_for_the_agency_that_receives(clerk_of):
    transfer = go(clerk_of["here"])
    assert (transfer.way, transfer.agency.code) == ("調出", THERE)
    deciding.decide_transfer(transfer, accept=False, comment="沒有缺額", by=clerk_of["there"])
    assert Account.objects.get(username="IC1002").agency.code == HERE
    assert not Event.objects.filter(verb="assign").exists()
    later = go(clerk_of["here"])  # it can be asked anew
    deciding.decide_transfer(later, accept=True, comment="", by=clerk_of["there"])
    assert Account.objects.get(username="IC1002").agency.code == THERE


def test_a_transfer_that_cannot_be(client, account, clerk_of):
    here = clerk_of["here"]
    for wrong in ({"username": "EP1002", "name": "別人"}, {"username": "IC1003"}):
        with pytest.raises(NotPossible, match="找不到這個公務帳號與姓名"):
            come(here, **wrong)
    with pytest.raises(NotPossible, match="找不到"):
        come(here, username="EP1009")  # she has left
    with pytest.raises(NotPossible, match="本機關沒有"):
        go(here, username="EP1002")
    with pytest.raises(NotPossible, match="不能為自己"):
        go(here, username="IC1001")
    with pytest.raises(NotPossible, match="現在的機關"):
        go(here, to=HERE)
    with pytest.raises(NotPossible, match="一年之內"):
        come(here, since=today() + timedelta(days=3_650))
    account("IC1003", "auditor")
    with pytest.raises(NotPossible, match="平台管理者維護"):
        go(here, username="IC1003")
    assert not Transfer.objects.exists()
    come(here)
    with pytest.raises(NotPossible, match="已有一件等候審核"):
        come(here)
    client.force_login(here)
    page = says(client.post("/manage/transfers/going/", {"username": "IC1004"}))
    assert "請選擇調往機關" in page
    assert "請填寫理由" in page


def test_who_has_left_meanwhile_does_not_move(clerk_of):
    from ismp.accounts import actions as accounts

    transfer = come(clerk_of["here"])
    accounts.assign(transfer.account, status="left", since=today(), by="x")
    with pytest.raises(NotPossible, match="不在原機關任職"):
        deciding.decide_transfer(transfer, accept=True, comment="", by=clerk_of["there"])
    deciding.decide_transfer(transfer, accept=False, comment="已離職", by=clerk_of["there"])


def test_the_side_that_asked_may_take_it_back_and_no_other(client, clerk_of):
    transfer = come(clerk_of["here"])
    address = f"/manage/transfers/{transfer.pk}/withdraw/"
    client.force_login(clerk_of["there"])
    assert client.post(address).status_code == 404
    client.force_login(clerk_of["here"])
    client.post(address)
    assert Transfer.objects.get().state == State.WITHDRAWN
    assert "已經決定了" in says(client.post(address, follow=True))
    with pytest.raises(NotPossible, match="已經有人決定過"):
        deciding.decide_transfer(transfer, accept=True, comment="", by=clerk_of["there"])


def test_a_third_agency_sees_no_transfer(client, account, clerk_of):
    transfer = come(clerk_of["here"])
    client.force_login(account("CU1002", "agency_admin"))
    assert client.get(f"/manage/transfers/{transfer.pk}/").status_code == 404
    assert client.get(f"/manage/reviews/transfer/{transfer.pk}/").status_code == 404


# --- 資安列管身分變更 ----------------------------------------------------------------------------


def ask(by, identities="security", **other):
    told = {"identities": identities, "since": today(), "reason": "職務調整", **other}
    return actions.ask_for_identities(**told, by=by)


def test_a_person_asks_and_her_administrator_decides(client, small, learned, account, clerk_of):
    learned(small["IC1002"], 3)
    person = account("IC1002")
    client.force_login(person)
    assert MINE in says(client.get("/my/hours/"))
    asked = {"identities": ["security"], "since": roc_date(today()), "reason": "調任資安"}
    assert client.post(MINE, asked)["Location"] == MINE
    change = IdentityChange.objects.get()
    assert "撤回申請" in says(client.get(MINE))
    client.force_login(clerk_of["here"])
    address = f"/manage/reviews/identities/{change.pk}/"
    page = says(client.get(address))
    assert "已達標（3／3 小時）" in page
    assert "未達標（0／12 小時）" in page
    assert "整體由「已達標」變成「未達標」" in page
    client.post(address, {"decision": "approve", "comment": "同意"})
    person.refresh_from_db()
    assert person.identities == "security"
    notice = person.notices.get()
    assert (notice.subject, notice.link) == ("資安列管身分變更申請：核可", MINE)
    client.force_login(person)
    page = says(client.get(MINE))
    assert "資安專職人員" in page
    assert "同意" in page


def test_what_cannot_be_asked(client, account):
    person = account("IC1002")
    with pytest.raises(NotPossible, match="和現在相同"):
        ask(person, person.identities)
    with pytest.raises(NotPossible, match="一年之內"):
        ask(person, "security+it", since=today() - timedelta(days=4_000))
    ask(person, "security+it")
    with pytest.raises(NotPossible, match="已有一件等候審核"):
        ask(person, "it+general")
    client.force_login(person)
    client.post(f"{MINE}withdraw/")
    client.post(f"{MINE}withdraw/")  # a second click does nothing
    assert IdentityChange.objects.get().state == State.WITHDRAWN
    assert "日期請寫成" in says(client.post(MINE, {"identities": ["it"], "since": "?"}))


def test_nobody_decides_for_herself_nor_for_those_above_her(account, clerk_of):
    here = clerk_of["here"]
    own = ask(here, "security+it+general")
    with pytest.raises(NotPossible, match="不是由您決定"):
        deciding.decide_identities(own, accept=True, comment="", by=here)
    above = ask(account("IC1002", "auditor"), "security+it+general")
    assert str(above.account) not in "".join(queue(here))
    with pytest.raises(NotPossible, match="不是由您決定"):
        deciding.decide_identities(above, accept=True, comment="", by=here)
    for one in (own, above):
        deciding.decide_identities(one, accept=True, comment="", by=clerk_of["platform"])


# --- National IDs --------------------------------------------------------------------------------


def test_a_number_in_any_text_is_in_clear_nowhere(client, city, clerk_of):
    from test_silence_forms import FORMS, database, told

    number = national_id.complete("A28765432")
    for written in FORMS.values():
        texts = {"department": written, "name": written, "reason": written}
        answer = client.post(APPLY, typed(number=number, **texts))
        assert answer.status_code == 302
        for field in ("username", "email"):
            value = written if field == "username" else f"{number}@ismp.example"
            back = client.post(APPLY, typed(number=number, **{field: value}))
            assert not told(says(back)), field
        assert not told(says(client.post(STATE, {"receipt": written, "username": written})))
    assert not told(database())
    client.force_login(clerk_of["here"])
    first = AccountApplication.objects.earliest("pk")
    client.post(
        f"/manage/reviews/application/{first.pk}/", {"decision": "refuse", "comment": number}
    )
    assert AccountApplication.objects.get(pk=first.pk).state == State.REFUSED
    assert not told(database())
    for address in (
        "applications/",
        f"applications/{first.pk}/",
        "reviews/",
        "reviews/?kind=帳號申請",
    ):
        assert not told(says(client.get(f"/manage/{address}"))), address
    rest = AccountApplication.objects.waiting().first()
    assert not told(says(client.get(f"/manage/reviews/application/{rest.pk}/")))
