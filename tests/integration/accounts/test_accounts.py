"""帳號管理: who may change whose account, what holds from when, a new password by code."""

from datetime import timedelta

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.test import Client
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.actions import accounts as account_actions
from ismp.accounts.actions import postings
from ismp.accounts.models import Account, Agency, Posting
from ismp.accounts.roles import Role
from ismp.audit.models import Event
from ismp.errors import ActionRefused
from ismp.ui.text import roc_dates
from tests.support.accounts import account_named
from tests.support.portal_files import PERSON

pytestmark = pytest.mark.django_db
HERE = "/manage/accounts/"
NUMBER = national_id.complete("A12399887")
ACTIONS = ("change", "transfer", "leave", "return", "appoint", "end_sessions", "set_national_id")


def day(days):
    return roc_dates.roc_date(timezone.localdate() + timedelta(days=days))


def do(client, action, *usernames, **typed):
    ids = [account_named(name).pk for name in usernames]
    return client.post(f"{HERE}{action}/", {"ids": ids, "confirmed": "1", **typed})


def says(answer):
    return answer.content.decode()


NEW = {"username": "IC7001", "name": "方新進", "identities": ["it"], "since": "115-03-01"}


def test_a_new_account_serves_from_its_day_and_is_found_by_its_number(clerk):
    answer = clerk.post(f"{HERE}add/", {**NEW, "number": NUMBER.lower(), "department": "資訊科"})
    new = account_named("IC7001")
    assert answer["Location"] == f"{HERE}{new.pk}/"
    assert (new.national_id, new.department.name, new.identities) == (NUMBER, "資訊科", "it")
    assert not new.has_usable_password()
    assert new.postings.get().since == roc_dates.parse("115-03-01")
    page = says(clerk.get(f"{HERE}{new.pk}/"))
    assert national_id.mask(NUMBER) in page and NUMBER not in page
    assert "新增帳號" in says(clerk.get(f"{HERE}{new.pk}/history/"))


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"username": "ic1002"}, "已經有人使用"),
        ({"username": NUMBER}, "不是身分證字號"),
        ({"username": "王 小明"}, "只能用英文字母"),
        ({"number": PERSON.national_id}, "同一個身分證字號"),
        ({"number": "A123456780"}, "檢查碼不對"),
        ({"department": "沒有這科"}, "沒有使用中的部門"),
        ({"since": "99-99-99"}, "日期請寫成"),
        ({"since": ""}, "請填寫到職日"),
        ({"identities": []}, "請選擇資安列管身分"),
        ({"email": "x"}, "電子郵件"),
    ],
    ids=range(10),
)
def test_what_cannot_be_an_account(clerk, typed, sentence):
    before = (Account.objects.count(), Event.objects.count())
    answer = clerk.post(f"{HERE}add/", {**NEW, **typed})
    assert sentence in says(answer)
    assert before == (Account.objects.count(), Event.objects.count())
    assert not typed.get("number") or typed["number"] not in says(answer)


def test_a_change_and_a_transfer_hold_from_their_day(client, account):
    clerk = Client()
    clerk.force_login(account("IC1001", "agency_admin"))
    do(clerk, "change", "IC1002", "IC1003", identities=["security"], since=day(0))
    assert {account_named("IC1002").identities, account_named("IC1003").identities} == {"security"}
    do(clerk, "change", "IC1002", department="人事室", since=day(0))
    assert (account_named("IC1002").department.name, account_named("IC1002").identities) == (
        "人事室",
        "security",
    )
    there = Agency.objects.get(code="382990003Z")
    assert do(clerk, "transfer", "IC1002", agency=there.pk, since=day(0)).status_code == 403
    client.force_login(account("EP1001", "platform_admin"))
    do(client, "transfer", "IC1002", agency=there.pk, since=day(5))
    assert account_named("IC1002").agency.code == "382990001Z"
    do(client, "transfer", "IC1002", agency=there.pk, since=day(0), replace="on")
    assert (account_named("IC1002").agency, account_named("IC1002").department) == (there, None)
    assert clerk.get(f"{HERE}{account_named('IC1002').pk}/").status_code == 404
    postings = account_named("IC1002").postings
    assert postings.on(timezone.localdate() - timedelta(1)).get().agency.code == "382990001Z"


def test_a_bad_change_says_what_is_missing(clerk, client, account):
    assert "請填要變更的" in says(do(clerk, "change", "IC1002", since=day(0)))
    assert "沒有使用中的部門" in says(do(clerk, "change", "IC1002", department="?", since=day(0)))
    client.force_login(account("IC1001", "platform_admin"))
    assert "請選擇調往機關" in says(do(client, "transfer", "IC1002", since=day(0)))
    both = do(client, "change", "IC1002", "EP1002", department="人事室", since=day(0))
    assert "分屬不同機關" in says(both)


def test_who_left_cannot_sign_in_and_can_come_back(clerk):
    theirs = Client()
    theirs.force_login(account_named("IC1002"))
    assert theirs.get("/").status_code == 200
    do(clerk, "leave", "IC1002", since=day(0))
    assert theirs.get("/").status_code == 302
    do(clerk, "return", "IC1002", since=day(0))
    assert account_named("IC1002").is_active


def test_nobody_comes_back_beside_another_account_of_her_own(clerk, account):
    """The person of IC1009 left and serves elsewhere; another account here has that number now."""
    old = account_named("IC1009")
    clerk.post(f"{HERE}add/", {**NEW, "number": old.national_id})
    answer = do(clerk, "return", "IC1009", since=day(0))
    assert "同一個身分證字號" in says(answer)
    assert not account_named("IC1009").is_active


def test_leave_without_pay_is_noted_and_withdrawn(clerk):
    person = account_named("IC1002")
    wrong = {"since": "115-05-01", "until": "115-04-01", "reason": "育嬰"}
    assert "早於起日" in says(do(clerk, "grant_leave", "IC1002", **wrong))
    do(clerk, "grant_leave", "IC1002", since="115-01-01", reason=f"育嬰 {PERSON.national_id}")
    leave = person.leaves.get()
    assert PERSON.national_id not in leave.reason
    found = clerk.get(HERE, {"leave": "now"}).context["page"]
    assert list(found) == [person]
    assert "請填寫理由" in says(do(clerk, "withdraw_leave", "IC1002", leave=leave.pk))
    do(clerk, "withdraw_leave", "IC1002", leave=leave.pk, reason="登錯人")
    assert "登錯人" in says(clerk.get(f"{HERE}{person.pk}/"))
    assert not clerk.get(HERE, {"leave": "now"}).context["page"].object_list


# --- Who may touch whom --------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["platform_admin", "auditor"])
def test_an_agency_administrator_touches_nobody_above_her(clerk, account, role):
    account("IC1002", role)
    before = (Event.objects.count(), Posting.objects.count())
    typed = {"since": day(0), "identities": ["it"], "role": "staff", "number": NUMBER}
    typed |= {"agency": Agency.objects.get(code="382990003Z").pk, "identified": "on"}
    for action in {*ACTIONS, "reset_password"} - {"transfer"}:  # that is the platform's own
        assert "請由平台管理者維護" in says(do(clerk, action, "IC1002", **typed)), action
    edit = {"name": "改名", "email": ""}
    assert "請由平台管理者維護" in says(
        clerk.post(f"{HERE}{account_named('IC1002').pk}/edit/", edit)
    )
    assert before == (Event.objects.count(), Posting.objects.count())
    page = says(clerk.get(f"{HERE}{account_named('IC1002').pk}/"))
    assert not [action for action in ACTIONS if f"{HERE}{action}/" in page]


def test_nobody_touches_her_own_account(clerk):
    for action in ("appoint", "leave", "end_sessions"):
        answer = do(clerk, action, "IC1001", role="staff", since=day(0))
        assert "不能變更自己的帳號" in says(answer)
    assert account_named("IC1001").role == Role.AGENCY_ADMIN


def test_whom_one_may_appoint_to_what(clerk, client, account):
    do(clerk, "appoint", "IC1002", "IC1003", role="agency_admin")
    assert {account_named("IC1002").role, account_named("IC1003").role} == {"agency_admin"}
    answer = do(clerk, "appoint", "IC1002", role="platform_admin")
    assert "請選擇角色" in says(answer) or "有效" in says(answer)
    assert account_named("IC1002").role == "agency_admin"
    client.force_login(account("CU1001", "platform_admin"))
    do(client, "appoint", "IC1002", role="auditor")
    assert account_named("IC1002").role == "auditor"


@pytest.mark.parametrize("how", ["transfer", "roster"])
def test_the_role_of_an_agency_ends_with_a_move(account, city, how):
    person = account("IC1002", "agency_admin")
    if how == "transfer":
        there = Agency.objects.get(code="382990002Z")
        postings.assign(person, agency=there, since=timezone.localdate(), by="x")
    else:
        head = "機關代碼,機關名稱,部門,公務帳號,姓名,身分證字號,電子郵件,資安列管身分,狀態"
        line = "382990002Z,示範市政府環境保護局,,IC1002,某人,,,,在職"
        postings.import_roster(f"{head}\n{line}\n".encode(), by="x")
    assert (account_named("IC1002").agency.code, account_named("IC1002").role) == (
        "382990002Z",
        "staff",
    )


# --- Passwords and sessions ----------------------------------------------------------------------


def test_ended_sessions_are_over_everywhere_and_the_password_stays(clerk):
    person = account_named("IC1002")
    person.set_password("right-password-1")
    person.save()
    theirs = [Client(), Client()]
    for one in theirs:
        one.post("/accounts/login/", {"username": "IC1002", "password": "right-password-1"})
        assert one.get("/").status_code == 200
    do(clerk, "end_sessions", "IC1002")
    assert [one.get("/").status_code for one in theirs] == [302, 302]
    again = {"username": "IC1002", "password": "right-password-1"}
    assert theirs[0].post("/accounts/login/", again)["Location"] == "/"


def test_a_number_that_is_put_right_is_never_written_back(clerk):
    answer = do(clerk, "set_national_id", "IC1002", number="A123456780")
    assert "檢查碼" in says(answer) and "A123456780" not in says(answer)
    do(clerk, "set_national_id", "IC1002", number=NUMBER)
    assert account_named("IC1002").national_id == NUMBER
    with pytest.raises(ActionRefused, match="同一個身分證字號"):
        account_actions.set_national_id(
            [account_named("IC1003")], number=NUMBER, by=account_named("IC1001")
        )
    do(clerk, "set_national_id", "IC1002", number="")
    assert account_named("IC1002").id_hash is None


@pytest.mark.parametrize("former", [(47_104, 1, 1), (102_400, 2, 8)])
def test_an_older_hash_is_accepted_and_renewed_at_the_next_sign_in(city, settings, former):
    """Of our first figures, and of Django's own."""
    settings.PASSWORD_HASHERS = ["ismp.accounts.sign_in.hashers.Argon2id"]
    hasher = Argon2PasswordHasher()
    hasher.memory_cost, hasher.time_cost, hasher.parallelism = former
    stored = hasher.encode("right-password-1", hasher.salt())
    Account.objects.filter(username="IC1002").update(password=stored)
    typed = {"username": "IC1002", "password": "wrong-password-1"}
    assert Client().post("/accounts/login/", typed).status_code == 200
    assert account_named("IC1002").password == stored
    typed["password"] = "right-password-1"
    for _ in range(2):  # by the old one, then by the new one
        assert Client().post("/accounts/login/", typed).status_code == 302
        assert "$m=19456,t=2,p=1$" in account_named("IC1002").password
