"""帳號申請: a stranger asks for an account; told nothing, decided once, the number forgotten."""

import re
import shutil
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Account, Agency
from ismp.applications.actions import asking, deciding
from ismp.applications.models import AccountApplication, State
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.errors import ActionRefused
from ismp.hours.models import Record
from ismp.hours.records import unclaimed
from ismp.reviews.queue import waiting_for
from ismp.storage.keyring import KeyRing
from tests.support.canary import FORMS, announced, database
from tests.support.concurrency import at_once
from tests.support.portal_files import data, row

pytestmark = pytest.mark.django_db
APPLY, STATE = "/accounts/apply/", "/accounts/apply/state/"
NUMBER = national_id.complete("A28765432")
HERE = "382990001Z"


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
    assert (event.actor, event.agency) == (asking.STRANGER, HERE)


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


def test_a_flood_from_one_address_is_stopped_for_an_hour(client, city, settings, time_machine):
    settings.APPLICATIONS_PER_HOUR = 2
    for _ in range(2):
        assert client.post(APPLY, typed()).status_code == 302
    answer = client.post(APPLY, typed())
    assert answer.status_code == 429
    assert "一小時後再試" in says(answer)
    assert client.post(APPLY, typed(), REMOTE_ADDR="192.0.2.9").status_code == 302
    colleague = {"number": national_id.complete("B22987001"), "username": "IC7777"}
    assert client.post(APPLY, typed(**colleague)).status_code == 302  # in the same office
    settings.APPLICATIONS_OF_AGENCY_PER_HOUR = 3
    colleague["number"] = national_id.complete("B22987002")
    assert client.post(APPLY, typed(**colleague)).status_code == 429
    there = Agency.objects.get(code="382990002Z").pk  # others may sit behind the same address
    assert client.post(APPLY, typed(agency=there)).status_code == 302
    settings.APPLICATIONS_OF_ADDRESS_PER_HOUR = 4
    assert client.post(APPLY, typed(agency=there)).status_code == 429
    settings.APPLICATIONS_OF_ADDRESS_PER_HOUR = 200
    spoofed = client.post(APPLY, typed(), headers={"X-Real-IP": "192.0.2.7"})
    assert spoofed.status_code == 429  # only our own proxy is believed
    settings.BEHIND_TLS = True
    values = {"headers": {"X-Real-IP": "192.0.2.8"}, "secure": True}
    assert client.post(APPLY, typed(), **values).status_code == 302
    later = timezone.now() + timedelta(minutes=61)
    time_machine.move_to(later)
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
    assert account.notices.filter(subject="您的帳號申請已核可").count() == 1
    assert unclaimed.attach_due() == 2
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
    assert application.encrypted_id is None
    assert not Account.objects.filter(username="IC9001").exists()
    with pytest.raises(IntegrityError), transaction.atomic():
        AccountApplication.objects.update(encrypted_id=b"x")


def test_what_stands_against_an_account_is_reported_before_and_stops_it(
    client, apply, city, clerk_of
):
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
        with pytest.raises(ActionRefused, match="已經有人決定過"):
            deciding.decide_application(
                application, accept=accept, comment="x", by=clerk_of["platform"]
            )
    assert Account.objects.filter(username="IC9001").count() == 1
    assert Event.objects.filter(verb="decide_application").count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
def test_two_deciders_at_the_same_moment_give_one_outcome(apply, clerk_of):
    application = apply()

    def decide(by, accept):
        return deciding.decide_application(application, accept=accept, comment="x", by=by)

    outcomes = at_once(
        lambda: decide(clerk_of["here"], True), lambda: decide(clerk_of["platform"], False)
    )
    refused = [one for one in outcomes if isinstance(one, str)]
    assert len(refused) == 1 and "已經有人決定過" in refused[0]
    accounts = Account.objects.filter(username="IC9001").count()
    application.refresh_from_db()
    assert accounts == (application.state == State.APPROVED)
    assert Event.objects.filter(verb="decide_application").count() == 1


@pytest.fixture
def keys(tmp_path, settings):
    """The keys in a file of their own: the other tests keep theirs."""
    (tmp_path / "keys").mkdir(mode=0o700)
    shutil.copy(settings.KEYS.path, tmp_path / "keys")
    settings.KEYS = KeyRing.open(tmp_path / "keys")


def test_the_number_is_encrypted_anew_with_a_new_key(keys, apply):
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
    with pytest.raises(ActionRefused, match="不是由您決定"):
        deciding.decide_application(application, accept=True, comment="", by=person)
    client.post(
        "/manage/reviews/batch/", {"decision": "approve", "ids": f"application-{application.pk}"}
    )
    application.refresh_from_db()
    assert application.is_waiting


def test_the_platform_decides_for_all(apply, clerk_of):
    application = apply()
    [waiting] = waiting_for(clerk_of["platform"])
    assert (waiting.title, waiting.thing) == ("IC9001 新同仁", application)
    assert deciding.decide_application(
        application, accept=True, comment="", by=clerk_of["platform"]
    )


def test_decided_applications_are_forgotten_after_their_time(apply, clerk_of, time_machine):
    old, waiting = apply(), apply(username="IC9002", number="F123456784")
    deciding.decide_application(old, accept=False, comment="x", by=clerk_of["here"])
    assert asking.purge() == 0
    later = timezone.now() + timedelta(days=401)
    time_machine.move_to(later)
    assert asking.purge() == 1
    assert AccountApplication.objects.get() == waiting
    assert Event.objects.get(verb="purge_applications").detail == {"count": 1}


def test_what_nobody_decides_is_closed_with_its_reason_and_without_its_number(
    client, apply, clerk_of, time_machine
):
    late, young, now = apply(), apply(username="IC9002", number="F123456784"), timezone.now()
    AccountApplication.objects.filter(pk=young.pk).update(asked_at=now + timedelta(days=2))
    assert asking.expire() == 0
    time_machine.move_to(now + timedelta(days=31))
    assert (asking.expire(), asking.expire()) == (1, 0)
    late.refresh_from_db()
    young.refresh_from_db()
    assert (late.state, late.encrypted_id, late.id_hash) == (State.EXPIRED, None, None)
    assert young.is_waiting and young.national_id == "F123456784"
    event = Event.objects.get(verb="expire_application")
    assert (event.actor, event.subject, event.detail) == (trail.SYSTEM, late.audit_subject, {})
    assert [one.thing for one in waiting_for(clerk_of["here"])] == [young]
    with pytest.raises(ActionRefused, match="已經有人決定"):
        deciding.decide_application(late, accept=True, comment="", by=clerk_of["here"])
    asked = {"receipt": late.receipt, "username": late.username}
    page = says(client.post(STATE, asked))
    assert "逾期結案" in page and "超過 30 天沒有審核" in page and "重新申請" in page
    assert "還在審核" not in page
    client.force_login(clerk_of["here"])
    page = says(client.get(f"/manage/applications/{late.pk}/history/"))
    assert "帳號申請逾期結案" in page
    time_machine.move_to(now + timedelta(days=31 + 401))
    assert asking.purge() == 1 and not AccountApplication.objects.filter(pk=late.pk).exists()


# --- National IDs --------------------------------------------------------------------------------


def test_a_number_in_any_text_is_in_clear_nowhere(client, city, clerk_of):
    number = national_id.complete("A28765432")
    for written in FORMS.values():
        texts = {"department": written, "name": written, "reason": written}
        answer = client.post(APPLY, typed(number=number, **texts))
        assert answer.status_code == 302
        for field in ("username", "email"):
            value = written if field == "username" else f"{number}@ismp.example"
            back = client.post(APPLY, typed(number=number, **{field: value}))
            assert not announced(says(back)), field
        assert not announced(says(client.post(STATE, {"receipt": written, "username": written})))
    assert not announced(database())
    client.force_login(clerk_of["here"])
    first = AccountApplication.objects.earliest("pk")
    client.post(
        f"/manage/reviews/application/{first.pk}/", {"decision": "refuse", "comment": number}
    )
    assert AccountApplication.objects.get(pk=first.pk).state == State.REFUSED
    assert not announced(database())
    for address in (
        "applications/",
        f"applications/{first.pk}/",
        "reviews/",
        "reviews/?kind=帳號申請",
    ):
        assert not announced(says(client.get(f"/manage/{address}"))), address
    rest = AccountApplication.objects.waiting().first()
    assert not announced(says(client.get(f"/manage/reviews/application/{rest.pk}/")))
