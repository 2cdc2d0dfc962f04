"""重設密碼: the code goes to the owner, never to who asked; who may have a hand in it; what is told."""

import re
import smtplib
from datetime import timedelta

import pytest
from django.core.mail.backends.smtp import EmailBackend
from django.test import Client
from django.utils import timezone

from ismp.accounts.actions import accounts as account_actions
from ismp.accounts.actions import password_resets, postings
from ismp.accounts.models import Account, PasswordReset, ResetCode
from ismp.applications.actions import asking as requests
from ismp.applications.actions import delegating
from ismp.audit.models import Event
from ismp.errors import ActionRefused
from ismp.external_hours.models import ExternalClaim
from ismp.notifications import actions as notices
from ismp.notifications.models import Letter, Notice
from ismp.reviews.queue import waiting_for
from ismp.security.models import Decision
from tests.support.accounts import account_named
from tests.support.smtp import text_of
from tests.support.things import claim_of, of_security

pytestmark = pytest.mark.django_db
HERE = "/manage/accounts/"
QUEUE = "/manage/reviews/"
CODE = re.compile(r"\b[2-9A-HJ-NP-TV-Z]{4}(?:-[2-9A-HJ-NP-TV-Z]{4}){2}\b")
PASSWORD = "correct horse battery"


def says(answer):
    return answer.content.decode()


def signed_in(username):
    browser = Client()
    browser.force_login(account_named(username))
    return browser


def ask(asker, owner, **typed):
    """Press 重設密碼 on the owner's account; returns the page that answers."""
    given = {"ids": account_named(owner).pk, "confirmed": "1", "identified": "on", **typed}
    return says(signed_in(asker).post(f"{HERE}reset_password/", given, follow=True))


def confirm(person, owner, decision="approve", comment=""):
    reset = PasswordReset.objects.filter(account__username=owner).latest("pk")
    given = {"decision": decision, "comment": comment}
    return signed_in(person).post(f"{QUEUE}reset/{reset.pk}/", given, follow=True)


def set_by(code, username, password=PASSWORD, again=None):
    typed = {"username": username, "code": code, "password": password, "again": again or password}
    return Client().post("/accounts/reset/", typed)


def can_sign_in(username, password):
    answer = Client().post("/accounts/login/", {"username": username, "password": password})
    return answer.status_code == 302


@pytest.fixture
def people(account):
    """Two administrators of the first agency, two of the platform, and a member of staff with a
    password and a session."""
    for name in ("IC1001", "IC1002"):
        account(name, "agency_admin")
    for name in ("EP1001", "CU1001"):
        account(name, "platform_admin")
    staff = account("IC1003")
    for one in (staff, account_named("IC1002")):
        one.set_password("right-password-1")
        one.save()
    return staff


def unchanged(username):
    return (
        account_named(username).check_password("right-password-1")
        and not ResetCode.objects.exists()
    )


# --- By e-mail -----------------------------------------------------------------------------------


def test_the_code_is_mailed_to_the_owner_and_shown_to_nobody(people, mailbox):
    theirs = signed_in("IC1003")
    page = ask("IC1001", "IC1003")
    [(to, letter)] = mailbox.letters
    code = CODE.search(text_of(letter))[0]
    assert to == ["ic1003@ismp.example"]
    assert "i***@ismp.example" in page and "ic1003@ismp.example" not in page.split("<h1>")[1]
    assert code not in page and not CODE.search(page)
    assert people.name not in text_of(letter)
    assert not account_named("IC1003").has_usable_password()
    assert theirs.get("/").status_code == 302  # sessions end
    everything = " ".join(
        str(list(model.objects.values()))
        for model in (Event, Notice, PasswordReset, ResetCode, Letter)
    )
    assert code not in everything and code.replace("-", "") not in everything
    assert set_by(code, "ic1003")["Location"] == "/accounts/login/"
    assert can_sign_in("IC1003", PASSWORD)
    events = Event.objects.filter(subject="account:IC1003").exclude(verb="create_by_roster")
    verbs = events.order_by("number")
    assert list(verbs.values_list("verb", "actor")) == [
        ("reset_password", "IC1001"),
        ("set_password", "IC1003"),
    ]


def test_a_mailed_code_lasts_longer_than_a_spoken_one(people, mailbox, settings):
    ask("IC1001", "IC1003")
    issued = ResetCode.objects.get()
    hours = (issued.expires_at - timezone.now()).total_seconds() / 3600
    assert 23 < hours <= 24
    ResetCode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    code = CODE.search(text_of(mailbox.letters[0][1]))[0]
    assert "過期" in says(set_by(code, "IC1003"))


@pytest.mark.parametrize("fault", ["refused", "away", "broken"])
def test_a_letter_that_nobody_took_changes_nothing_and_falls_to_a_second_person(
    fault, people, mailbox, settings, monkeypatch
):
    if fault == "refused":
        mailbox.refused.add("ic1003@ismp.example")
    elif fault == "away":
        settings.EMAIL_PORT = 1
    else:

        def send(self, messages):
            raise smtplib.SMTPServerDisconnected

        monkeypatch.setattr(EmailBackend, "send_messages", send)
    page = ask("IC1001", "IC1003")
    assert "沒有寄出" in page and "等候另一位管理者確認" in page
    assert unchanged("IC1003") and not mailbox.letters
    assert [one.kind for one in waiting_for(account_named("IC1002"))] == ["重設密碼"]
    page = says(confirm("IC1002", "IC1003"))
    code = CODE.search(page)[0]
    assert "沒有寄出" in page and set_by(code, "IC1003").status_code == 302


def test_no_lock_waits_for_the_mail_server(people, mailbox, monkeypatch):
    from django.db import connection

    depth = len(connection.savepoint_ids)
    seen = []
    send = EmailBackend.send_messages

    def watched(self, messages):
        seen.append(len(connection.savepoint_ids))
        return send(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", watched)
    ask("IC1001", "IC1003")
    ask("IC1001", "IC1002")
    confirm("EP1001", "IC1002")
    assert seen == [depth, depth]


# --- By a second person --------------------------------------------------------------------------


def test_without_an_address_a_second_administrator_prints_the_code(people):
    Account.objects.filter(username="IC1003").update(email="")
    theirs = signed_in("IC1003")
    page = ask("IC1001", "IC1003")
    assert "等候另一位管理者確認" in page and "沒有電子郵件" in page and "IC1002" in page
    assert not CODE.search(page)
    assert unchanged("IC1003") and theirs.get("/").status_code == 200  # no lock-out by asking
    asker = signed_in("IC1001")
    reset = PasswordReset.objects.get()
    assert "重設密碼" not in [one.kind for one in waiting_for(account_named("IC1001"))]
    decide = {"decision": "approve", "comment": ""}
    assert asker.post(f"{QUEUE}reset/{reset.pk}/", decide).status_code == 404
    with pytest.raises(ActionRefused, match="與您自己有關"):
        password_resets.approve(reset, by=account_named("IC1001"))
    assert "不要交給申請的人" in says(signed_in("IC1002").get(f"{QUEUE}reset/{reset.pk}/"))
    page = says(confirm("IC1002", "IC1003"))
    code = CODE.search(page)[0]
    assert "不要交給申請重設的" in page
    assert theirs.get("/").status_code == 302 and not account_named("IC1003").has_usable_password()
    assert set_by(code, "IC1003")["Location"] == "/accounts/login/"
    events = Event.objects.filter(subject="account:IC1003").exclude(verb="create_by_roster")
    found = events.order_by("number")
    assert list(found.values_list("verb", "actor")) == [
        ("ask_reset", "IC1001"),
        ("approve_reset", "IC1002"),
        ("reset_password", "IC1002"),
        ("set_password", "IC1003"),
    ]
    for page in (says(asker.get("/notices/")), says(asker.get(f"/manage/resets/{reset.pk}/"))):
        assert not CODE.search(page)


@pytest.mark.parametrize(
    "case",
    [
        ("staff", "IC1001", True, None, ()),
        ("staff", "IC1001", False, "EP1001", ("IC1001", "CU1003")),
        ("staff", "EP1001", False, "IC1001", ("EP1001",)),
        ("teacher", "IC1001", True, None, ()),
        ("agency_admin", "IC1001", True, "IC1002", ("IC1001", "IC1003")),
        ("agency_admin", "IC1001", False, "EP1001", ("IC1001",)),
        ("agency_admin", "EP1001", True, None, ()),
        ("agency_admin", "EP1001", False, "IC1002", ("EP1001",)),
        ("platform_admin", "EP1001", True, "CU1001", ("EP1001", "IC1001", "IC1003")),
        ("platform_admin", "EP1001", False, "CU1001", ("EP1001", "IC1002")),
        ("auditor", "EP1001", True, "CU1001", ("EP1001", "IC1001")),
    ],
)
def test_whose_yes_is_needed(case, people, account, request):
    """`confirmed_by` None: the owner's e-mail is enough."""
    owner, asker, mail, confirmed_by, not_by = case
    box = request.getfixturevalue("mailbox") if mail else None
    account("IC1003", owner)
    page = ask(asker, "IC1003")
    assert not CODE.search(page)
    if confirmed_by is None:
        assert len(box.letters) == 1 and PasswordReset.objects.get().state == "issued"
        return
    assert unchanged("IC1003") and not (box and box.letters)
    for other in not_by:
        assert confirm(other, "IC1003").status_code in {403, 404}, other
    assert unchanged("IC1003")
    page = says(confirm(confirmed_by, "IC1003"))
    assert bool(CODE.search(page)) is not mail
    assert len(box.letters if box else []) == int(mail)
    assert PasswordReset.objects.get().decided_by.username == confirmed_by


def test_an_agency_administrator_asks_for_nobody_above_and_of_no_other_agency(people, account):
    account("IC1003", "auditor")
    assert "請由平台管理者維護" in ask("IC1001", "IC1003")
    given = {"ids": account_named("EP1003").pk, "confirmed": "1", "identified": "on"}
    assert signed_in("IC1001").post(f"{HERE}reset_password/", given).status_code == 404
    assert "不能變更自己的帳號" in ask("IC1001", "IC1001")
    assert not PasswordReset.objects.exists()


def test_where_nobody_could_confirm_nothing_is_asked(people, account):
    for name in ("IC1002", "EP1001", "CU1001"):
        account(name)
    page = ask("IC1001", "IC1003")
    assert "沒有另一位可以確認" in page and "changepassword" in page
    assert not PasswordReset.objects.exists() and unchanged("IC1003")


def test_asking_twice_is_said_and_refusing_needs_a_reason(people):
    ask("IC1001", "IC1003")
    assert "已有一件等候確認" in ask("IC1001", "IC1003")
    assert "請寫明理由" in says(confirm("IC1002", "IC1003", "refuse"))
    confirm("IC1002", "IC1003", "refuse", "本人沒有要求")
    assert PasswordReset.objects.get().state == "refused" and unchanged("IC1003")
    assert account_named("IC1001").notices.filter(body="本人沒有要求").count() == 1
    assert confirm("IC1002", "IC1003").status_code == 404


def test_who_comes_second_learns_that_it_is_decided(people):
    ask("IC1001", "IC1003")
    reset = PasswordReset.objects.get()
    password_resets.approve(reset, by=account_named("IC1002"))
    for action in (password_resets.approve, password_resets.refuse):
        with pytest.raises(ActionRefused, match="已經有人決定"):
            action(reset, comment="x", by=account_named("EP1001"))


def test_a_request_that_nobody_decides_ends(people, time_machine):
    ask("IC1001", "IC1003")
    moment = timezone.now() + timedelta(days=8)
    time_machine.move_to(moment)
    assert "過期" in says(confirm("IC1002", "IC1003"))
    assert password_resets.expire() == 1 and password_resets.expire() == 0
    assert PasswordReset.objects.get().state == "expired" and unchanged("IC1003")
    assert Event.objects.get(verb="expire_reset").detail["account"] == "IC1003"
    assert not waiting_for(account_named("IC1002"))


def test_resets_are_decided_in_person_one_by_one(people, account):
    """Neither many at once nor by a delegate: the code stands on a page for one."""
    ask("IC1001", "IC1003")
    reset = PasswordReset.objects.get()
    page = says(signed_in("IC1002").get(QUEUE, {"kind": "重設密碼"}))
    assert "重設密碼" in page and 'name="ids"' not in page
    ids = {"ids": f"reset-{reset.pk}", "decision": "approve", "confirmed": "1"}
    signed_in("IC1002").post(f"{QUEUE}batch/", ids)
    today = timezone.localdate()
    delegating.delegate(username="IC1004", since=today, until=today, by=account_named("IC1002"))
    assert confirm("IC1004", "IC1003").status_code == 404
    assert unchanged("IC1003")


def test_who_left_gets_no_code(people):
    ask("IC1001", "IC1003")
    postings.assign(account_named("IC1003"), status="left", since=timezone.localdate(), by="x")
    assert "不在職" in says(confirm("IC1002", "IC1003"))
    with pytest.raises(ActionRefused, match="不在職"):
        password_resets.ask(account_named("IC1003"), by=account_named("IC1001"))


# --- Nobody gets at a code by a detour -----------------------------------------------------------


def test_an_administrator_becomes_no_colleague_to_decide_his_own(people, mailbox):
    """S2 as it was done, with and without mail: reset the second administrator, sign in with it,
    approve one's own exception and claim."""
    of_security(account_named("IC1001"))
    claim, decision = claim_of(account_named("IC1001")), Decision.objects.get()
    page = ask("IC1001", "IC1002")
    assert not CODE.search(page) and not mailbox.letters and unchanged("IC1002")
    notice = account_named("IC1002").notices.get(kind="reset")
    assert "申請重設" in notice.subject and "IC1001" in notice.body
    confirm("EP1001", "IC1002")
    [(to, letter)] = mailbox.letters
    assert to == ["ic1002@ismp.example"]
    code = CODE.search(text_of(letter))[0]
    assert set_by(code, "IC1002").status_code == 302  # the owner has read the letter
    browser = signed_in("IC1002")
    for kind, thing in (("claim", claim), ("exception", decision)):
        answer = browser.post(f"{QUEUE}{kind}/{thing.pk}/", {"decision": "approve", "comment": "x"})
        assert answer.status_code == 404, kind
    given = {"ids": claim.pk, "confirmed": "1", "category": "522", "given": "3", "comment": "x"}
    page = says(browser.post("/manage/learning-map/claims/approve/", given))
    assert "30 天內" in page
    assert (
        ExternalClaim.objects.get().state == "pending" and Decision.objects.get().state == "pending"
    )


@pytest.mark.parametrize("how", ["form", "roster"])
def test_who_changes_an_address_does_not_get_the_code_there(how, people, mailbox):
    if how == "form":
        given = {"name": account_named("IC1003").name, "email": "mine@ismp.example"}
        signed_in("IC1001").post(f"{HERE}{account_named('IC1003').pk}/edit/", given)
    else:
        from ismp.accounts import demo_data

        person = next(one for one in demo_data.city() if one.username == "IC1003")
        line = demo_data.roster_csv([person]).replace("ic1003@", "mine@")
        postings.import_roster(line.encode(), sender=account_named("IC1001"), by="IC1001")
    assert account_named("IC1003").email == "mine@ismp.example"
    notice = account_named("IC1003").notices.get(kind="reset")
    assert "電子郵件已變更" in notice.subject and "IC1001" in notice.body
    assert notices.send_letters() == 1
    [(to, letter)] = mailbox.letters
    assert to == ["ic1003@ismp.example"] and "IC1003" in text_of(letter)
    for asker in ("IC1001", "EP1001"):
        PasswordReset.objects.all().delete()
        page = ask(asker, "IC1003")
        assert "變更過" in page and "等候另一位管理者確認" in page
        assert unchanged("IC1003")
    assert confirm("IC1001", "IC1003").status_code == 404  # who changed it is no second person
    page = says(confirm("IC1002", "IC1003"))
    assert CODE.search(page)  # handed over, not mailed to that address
    assert [to for to, _ in mailbox.letters if to == ["mine@ismp.example"]] == []


def test_an_address_that_is_the_askers_own_is_not_the_owners(people, mailbox):
    Account.objects.filter(username="IC1003").update(email=account_named("IC1001").email.upper())
    assert "和申請人的相同" in ask("IC1001", "IC1003")
    assert not mailbox.letters


def test_a_puppet_confirms_nothing_for_its_maker(people):
    ghost = Account(agency=account_named("IC1001").agency, username="ghost1", name="隨便")
    account_actions.save_account(ghost, by=account_named("IC1001"))
    signed_in("IC1001").post(
        f"{HERE}appoint/", {"ids": ghost.pk, "confirmed": "1", "role": "agency_admin"}
    )
    page = ask("IC1001", "IC1003")
    assert "ghost1" not in page and "IC1002" in page
    assert confirm("ghost1", "IC1003").status_code == 404
    with pytest.raises(ActionRefused, match="30 天內"):
        password_resets.approve(PasswordReset.objects.get(), by=account_named("ghost1"))
    assert unchanged("IC1003")


def test_one_human_with_two_accounts_is_no_second_person(people):
    Account.objects.filter(username="EP1001").update(id_hash=account_named("IC1001").id_hash)
    ask("IC1001", "IC1003")
    assert confirm("EP1001", "IC1003").status_code == 404
    with pytest.raises(ActionRefused, match="與您自己有關"):
        password_resets.approve(PasswordReset.objects.get(), by=account_named("EP1001"))


# --- First passwords -----------------------------------------------------------------------------


def application():
    return requests.apply_for_account(
        agency=account_named("IC1001").agency,
        department="",
        username="IC8001",
        name="申請人",
        number="F123456784",
        email="new@home.example",
        identities="general",
        reason="新到職",
        source="1",
    )


def test_an_applicants_first_code_is_mailed_to_the_applicant(people, mailbox):
    one = application()
    decide = {"decision": "approve", "comment": ""}
    page = signed_in("IC1001").post(f"{QUEUE}application/{one.pk}/", decide, follow=True)
    [(to, letter)] = mailbox.letters
    code = CODE.search(text_of(letter))[0]
    assert to == ["new@home.example"]
    assert "n***@home.example" in says(page) and code not in says(page)
    assert set_by(code, "IC8001").status_code == 302


def test_without_mail_an_applicants_first_code_waits_for_a_second_person(people):
    one = application()
    decide = {"decision": "approve", "comment": ""}
    page = signed_in("IC1001").post(f"{QUEUE}application/{one.pk}/", decide, follow=True)
    assert "等候另一位管理者確認" in says(page) and not CODE.search(says(page))
    assert confirm("IC1001", "IC8001").status_code == 404
    assert CODE.search(says(confirm("IC1002", "IC8001")))


def test_many_applicants_at_once_get_their_codes_and_a_delegate_lets_them(people, mailbox, account):
    today = timezone.localdate()
    delegating.delegate(username="IC1004", since=today, until=today, by=account_named("IC1001"))
    one = application()
    ids = {"ids": f"application-{one.pk}", "decision": "approve", "confirmed": "1"}
    page = says(signed_in("IC1004").post(f"{QUEUE}batch/", ids))
    assert "已核可 1 件" in page
    assert [to for to, _ in mailbox.letters] == [["new@home.example"]]


def test_the_first_code_of_an_account_made_by_hand_takes_the_same_way(people, mailbox):
    new = {"username": "IC7001", "name": "方新進", "identities": ["it"], "since": "115-03-01"}
    signed_in("IC1001").post(f"{HERE}add/", {**new, "email": "fang@ismp.example"})
    assert not CODE.search(ask("IC1001", "IC7001"))
    assert [to for to, _ in mailbox.letters] == [["fang@ismp.example"]]
    signed_in("IC1001").post(f"{HERE}add/", {**new, "username": "IC7002"})
    assert "沒有電子郵件" in ask("IC1001", "IC7002")


# --- The owner is told ---------------------------------------------------------------------------


def test_the_owner_learns_of_each_step_on_the_site_and_by_letter(people, mailbox):
    Account.objects.filter(username="IC1003").update(role="agency_admin")
    ask("IC1001", "IC1003")
    confirm("IC1002", "IC1003")
    code = CODE.search(text_of(mailbox.letters[0][1]))[0]
    set_by(code, "IC1003")
    received = list(account_named("IC1003").notices.filter(kind="reset").order_by("pk"))
    assert [one.subject for one in received] == [
        "有管理者申請重設您的密碼",
        "您的密碼已被重設",
        "您已用一次性代碼設定新密碼",
    ]
    assert "IC1001" in received[1].body and "IC1002" in received[1].body
    page = says(signed_in("IC1003").get("/notices/"))
    assert all(one.subject in page for one in received)
    assert notices.send_letters() == 3
    letters = [text_of(letter) for to, letter in mailbox.letters[1:] if "ic1003" in to[0]]
    assert len(letters) == 3
    names = [account_named(name).name for name in ("IC1001", "IC1002", "IC1003")]
    assert not [name for name in names for letter in letters if name in letter]


def test_letters_wait_for_a_server_that_is_away_and_go_once(
    people, mailbox, settings, time_machine
):
    account_actions.tell_of_email(
        [(people, "old@ismp.example"), (people, "gone@ismp.example")], None
    )
    mailbox.refused.add("gone@ismp.example")
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1
    assert notices.send_letters() == 0
    settings.EMAIL_PORT = port
    moment = timezone.now() + timedelta(minutes=3)
    time_machine.move_to(moment)
    assert notices.send_letters() == 1 and notices.send_letters() == 0
    assert [to for to, _ in mailbox.letters] == [["old@ismp.example"]]
    assert not Letter.objects.filter(ended_at=None).exists()


def test_without_a_mail_server_no_letter_is_kept(people):
    account_actions.tell_of_email([(people, "old@ismp.example")], None)
    assert not Letter.objects.exists() and notices.send_letters() == 0


# --- The code ------------------------------------------------------------------------------------


@pytest.fixture
def code(people):
    """A code that an administrator prints, by whose confirmation."""
    ask("IC1001", "IC1003")
    return CODE.search(says(confirm("IC1002", "IC1003")))[0]


def test_a_code_sets_a_password_once_however_it_is_typed(code):
    assert set_by(code.lower().replace("-", " "), "ic1003")["Location"] == "/accounts/login/"
    assert account_named("IC1003").check_password(PASSWORD)
    assert "代碼不對" in says(set_by(code, "IC1003", "another password here"))


def test_a_reset_is_asked_for_by_the_person_himself(people):
    assert "請填寫" in ask("IC1001", "IC1003", identified="")
    assert not PasswordReset.objects.exists()


def test_only_the_newest_code_is_good_for_a_time_and_for_one_account(code):
    ask("IC1001", "IC1003")
    newest = CODE.search(says(confirm("IC1002", "IC1003")))[0]
    assert "代碼不對" in says(set_by(code, "IC1003"))
    assert "代碼不對" in says(set_by(newest, "IC1004"))
    ResetCode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "過期" in says(set_by(newest, "IC1003"))


def test_a_weak_or_mistyped_password_leaves_the_code_good(code):
    assert "兩次輸入" in says(set_by(code, "IC1003", again="something else entirely"))
    assert "12" in says(set_by(code, "IC1003", "short"))
    assert set_by(code, "IC1003")["Location"] == "/accounts/login/"


def test_who_left_meanwhile_gets_no_new_password(code):
    postings.assign(account_named("IC1003"), status="left", since=timezone.localdate(), by="x")
    assert "代碼不對" in says(set_by(code, "IC1003"))
