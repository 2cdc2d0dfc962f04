"""Guessing passwords and codes: slowed down where it comes from, without locking the owner out."""

import re
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.test import Client, RequestFactory
from django.utils import timezone

from ismp.accounts import codes
from ismp.accounts.actions import accounts as account_actions
from ismp.accounts.models import Account, ResetCode
from ismp.audit import origin
from ismp.audit.models import Event

pytestmark = pytest.mark.django_db
LOGIN, RESET, OWN = "/accounts/login/", "/accounts/reset/", "/accounts/password/"
RIGHT = "right-password-1"
STRANGER, OWNER, OFFICE = "198.51.100.7", "192.0.2.5", "192.0.2.80"


@pytest.fixture
def people(city):
    """Everybody of the city has the same password."""
    one = Account.objects.first()
    one.set_password(RIGHT)
    Account.objects.update(password=one.password)
    return [person.username for person in city if person.active]


def sign_in(username, password=RIGHT, address=OWNER):
    typed = {"username": username, "password": password}
    return Client().post(LOGIN, typed, REMOTE_ADDR=address).status_code


def pass_time(**time):
    """All failures happened that much earlier."""
    for row in AccessAttempt.objects.all():
        earlier = row.attempt_time - timedelta(**time)
        AccessAttempt.objects.filter(pk=row.pk).update(attempt_time=earlier)


def failures():
    return Event.objects.filter(verb="sign_in_failed")


def test_the_owner_signs_in_while_a_stranger_hammers(people):
    answers = [sign_in("IC1001", "x", STRANGER) for _ in range(20)]
    assert answers == [200] * 4 + [429] * 16
    assert sign_in("IC1001") == 302
    assert sign_in("IC1001", RIGHT, STRANGER) == 429
    assert failures().count() == 5  # what is refused unseen floods nothing
    assert [event.detail["locked"] for event in failures().order_by("number")] == [False] * 4 + [
        True
    ]


def test_a_lock_is_not_prolonged_and_ends_after_fifteen_minutes(people):
    for _ in range(6):
        sign_in("IC1001", "x")
    begun = AccessAttempt.objects.get().attempt_time
    pass_time(minutes=14)
    for _ in range(3):
        assert sign_in("IC1001", "x") == 429
    assert AccessAttempt.objects.get().attempt_time == begun - timedelta(minutes=14)
    pass_time(minutes=1.1)
    assert sign_in("IC1001") == 302
    assert not AccessAttempt.objects.exists()


def test_the_page_of_a_lock_says_how_long_it_lasts(people):
    for _ in range(5):
        sign_in("IC1001", "x")
    pass_time(minutes=5)
    typed = {"username": "IC1001", "password": RIGHT}
    answer = Client().post(LOGIN, typed, REMOTE_ADDR=OWNER)
    assert "請 10 分鐘後再試" in answer.content.decode()


def test_one_account_guessed_from_many_addresses(people, settings):
    settings.SIGN_IN_FAILURES_OF_ACCOUNT = 12
    assert sign_in("IC1001") == 302
    for host in range(4):
        for _ in range(4):
            sign_in("IC1001", "x", f"198.51.100.{host}")
    assert sign_in("IC1001", RIGHT, "198.51.100.99") == 429
    assert sign_in("IC1001", RIGHT, OWNER) == 302  # from an address of an earlier sign-in
    assert sign_in("IC1002", RIGHT, "198.51.100.99") == 302


def test_one_guess_for_each_of_many_accounts(people, settings):
    answers = [sign_in(f"nobody{n}", "x", STRANGER) for n in range(100)]
    first = answers.index(429)
    assert first <= settings.SIGN_IN_ACCOUNTS_OF_ADDRESS
    assert set(answers[first:]) == {429}
    assert sign_in("IC1001", RIGHT, STRANGER) == 429
    assert sign_in("IC1001", RIGHT, OWNER) == 302
    pass_time(minutes=5.1)
    assert sign_in("IC1001", RIGHT, STRANGER) == 302


def test_an_office_behind_one_address_is_not_shut_out(people, settings):
    """Hundreds mistype once and sign in then; and one of them guesses others' passwords."""
    settings.SIGN_IN_ACCOUNTS_OF_ADDRESS = 10
    for username in people[:30]:
        assert sign_in(username, "x", OFFICE) == 200
        assert sign_in(username, RIGHT, OFFICE) == 302
    for n in range(20):
        sign_in(f"nobody{n}", "x", OFFICE)
    assert sign_in(people[40], RIGHT, OFFICE) == 429  # never seen here
    assert {sign_in(username, RIGHT, OFFICE) for username in people[:30]} == {302}


def test_addresses_of_one_subscriber_count_as_one(people):
    for host in range(5):
        sign_in("IC1001", "x", f"2001:db8:1:2::{host}")
    assert sign_in("IC1001", RIGHT, "2001:db8:1:2:ffff::1") == 429
    assert sign_in("IC1001", RIGHT, "2001:db8:1:3::1") == 302


def test_the_trail_is_not_flooded_and_keeps_no_name_that_nobody_has(people):
    names = ["我的密碼是 Secret-123", "flood\r\nFAKE LOG LINE", "x" * 50, "IC1001' OR 1=1"]
    for name in names * 5:
        sign_in(name, "x", STRANGER)
    assert [event.actor for event in failures()] == ["（沒有這個帳號）"]
    stored = str([*Event.objects.values(), *AccessAttempt.objects.values()])
    assert not [name for name in (*names, "Secret-123", "FAKE") if name in stored]
    sign_in("ic1001", "x", STRANGER)
    assert failures().first().actor == "ic1001"
    assert failures().first().subject == "account:IC1001"


# --- From where ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trusted", "peer", "reported", "address"),
    [
        ((False, []), "192.0.2.1", {"X-Forwarded-For": "198.51.100.1"}, "192.0.2.1"),
        ((False, []), "127.0.0.1", {"X-Real-IP": "198.51.100.1"}, "127.0.0.1"),
        ((True, []), "127.0.0.1", {"X-Real-IP": "198.51.100.1"}, "198.51.100.1"),
        ((True, []), "10.0.0.3", {"X-Forwarded-For": "6.6.6.6, 198.51.100.1"}, "198.51.100.1"),
        ((True, []), "8.8.8.8", {"X-Real-IP": "198.51.100.1"}, "8.8.8.8"),
        ((True, ["10.0.0.3/32"]), "10.0.0.4", {"X-Real-IP": "198.51.100.1"}, "10.0.0.4"),
        ((False, ["10.0.0.3/32"]), "10.0.0.3", {"X-Real-IP": "198.51.100.1"}, "198.51.100.1"),
        ((True, []), "127.0.0.1", {"X-Real-IP": "<script>"}, "127.0.0.1"),
        ((True, []), "127.0.0.1", {}, "127.0.0.1"),
        ((True, []), "::ffff:127.0.0.1", {"X-Real-IP": "2001:DB8::1"}, "2001:db8::1"),
        ((False, []), "", {}, ""),
    ],
    ids=range(11),
)
def test_whose_word_on_the_address_counts(settings, trusted, peer, reported, address):
    settings.BEHIND_TLS, settings.PROXIES = trusted
    request = RequestFactory().get("/", headers=reported, REMOTE_ADDR=peer)
    assert origin.client_address(request) == address


def test_a_forged_header_does_not_escape_the_count(people):
    for n in range(5):
        Client().post(
            LOGIN,
            {"username": "IC1001", "password": "x"},
            headers={"X-Forwarded-For": f"203.0.113.{n}", "X-Real-IP": f"203.0.113.{n}"},
            REMOTE_ADDR=STRANGER,
        )
    assert sign_in("IC1001", RIGHT, STRANGER) == 429


# --- One-time codes ------------------------------------------------------------------------------


@pytest.fixture
def code(clerk):
    code = codes.new()
    owner = Account.objects.get(username="IC1002")
    account_actions.store_reset_code(owner, code, timedelta(hours=1))
    return codes.grouped(code)


def try_code(code, address=OWNER, username="IC1002"):
    new = "correct horse battery"
    typed = {"username": username, "code": code, "password": new, "again": new}
    return Client().post(RESET, typed, REMOTE_ADDR=address)


def test_a_stranger_burns_no_code(code):
    answers = [try_code("WRNG-WRNG-WRNG", STRANGER).status_code for _ in range(20)]
    assert answers == [200] * 5 + [429] * 15
    assert ResetCode.objects.count() == 1
    failed = Event.objects.filter(verb="reset_failed")
    assert set(failed.values_list("actor", "subject", "address")) == {
        ("ic1002", "account:IC1002", STRANGER)
    }
    assert failed.count() == 5
    assert try_code(code)["Location"] == LOGIN


def test_wrong_codes_cost_more_time_each(code):
    for _ in range(5):
        try_code("WRNG-WRNG-WRNG")
    waits = []
    for _ in range(6):
        answer = try_code(code)
        assert answer.status_code == 429
        waits.append(int(re.search(r"請 (\d+) 分鐘後再試", answer.content.decode())[1]))
        pass_time(minutes=waits[-1])
        assert try_code("WRNG-WRNG-WRNG").status_code == 200
    assert waits == [1, 2, 4, 8, 15, 15]
    pass_time(minutes=15)
    assert try_code(code)["Location"] == LOGIN


def test_a_code_that_was_never_issued_is_answered_alike(people):
    for username in ("IC1003", "nobody"):
        answers = [try_code("WRNG-WRNG-WRNG", username=username) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert "代碼不對" in answers[0].content.decode()
    actors = Event.objects.filter(verb="reset_failed").values_list("actor", flat=True)
    assert sorted(actors) == ["ic1003"] * 5 + ["（沒有這個帳號）"]


# --- The old password ----------------------------------------------------------------------------


def test_the_old_password_is_guessed_no_oftener_than_at_the_door(people):
    client = Client(REMOTE_ADDR=OWNER)
    client.post(LOGIN, {"username": "IC1001", "password": RIGHT})
    new = "correct horse battery"

    def change(old):
        typed = {"old_password": old, "new_password1": new, "new_password2": new}
        return client.post(OWN, typed)

    assert "舊密碼不對" in change("x").content.decode()
    assert [change("x").status_code for _ in range(5)] == [200] * 3 + [429] * 2
    assert change(RIGHT).status_code == 429
    failed = Event.objects.filter(verb="fail_old_password")
    assert failed.count() == 5
    assert set(failed.values_list("actor", "address")) == {("ic1001", OWNER)}
    assert not failures().exists()
    assert sign_in("IC1001", RIGHT, OWNER) == 429  # the same account from the same place
    pass_time(minutes=15.1)
    assert change(RIGHT).status_code == 302
    assert sign_in("IC1001", new) == 302


# --- How long a session lasts --------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    from ismp.accounts.sign_in import middleware

    now = [timezone.now().timestamp()]
    monkeypatch.setattr(middleware.time, "time", lambda: now[0])
    return now


@pytest.mark.parametrize("way", ["door", "forced"])
def test_a_session_ends_twelve_hours_after_signing_in(people, account, clock, way):
    client = Client()
    if way == "door":
        client.post(LOGIN, {"username": "IC1001", "password": RIGHT})
    else:
        client.force_login(account("IC1001"))
    for _ in range(12 * 6):
        assert client.get("/").status_code == 200
        clock[0] += 600
    clock[0] += 1
    answer = client.get("/my/hours/", follow=True)
    assert answer.redirect_chain == [("/accounts/login/?next=/my/hours/", 302)]
    assert "登入已滿 12 小時" in answer.content.decode()
    client.post(LOGIN, {"username": "IC1001", "password": RIGHT})
    assert client.get("/").status_code == 200


def test_a_new_password_does_not_prolong_the_session(people, clock):
    client = Client()
    client.post(LOGIN, {"username": "IC1001", "password": RIGHT})
    for _ in range(71):
        clock[0] += 600
        assert client.get("/").status_code == 200
    new = "correct horse battery"
    typed = {"old_password": RIGHT, "new_password1": new, "new_password2": new}
    assert client.post(OWN, typed).status_code == 302
    assert client.get("/").status_code == 200
    clock[0] += 601
    assert client.get("/").status_code == 302


def test_a_part_of_a_page_takes_the_whole_page_to_the_sign_in(account, clock):
    client = Client()
    client.force_login(account("IC1001", "agency_admin"))
    client.get("/")
    clock[0] += 12 * 3600 + 1
    values = {"HX-Request": "true", "HX-Current-URL": "http://testserver/manage/"}
    answer = client.get("/manage/learning-map/runs/1/progress/", headers=values)
    assert answer["HX-Redirect"] == "/accounts/login/?next=/manage/"


@pytest.mark.parametrize("odd", ["http://[", "http://[::1", "\x00", "//", "https://a]b/"])
def test_an_odd_address_of_the_page_is_no_fault_of_ours(client, odd):
    answer = client.get("/", headers={"HX-Request": "true", "HX-Current-URL": odd})
    assert answer.status_code == 200
    assert answer["HX-Redirect"].startswith("/accounts/login/")
