"""報修: from the report to the answer, who sees it, and what the support bundle tells."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from ismp.accounts import national_id
from ismp.audit.models import Event
from ismp.imports import running
from ismp.imports.models import ImportRun
from ismp.notifications.models import Notice
from ismp.portal import actions
from ismp.portal.models import Ticket
from tests.support.portal_files import data, row

pytestmark = pytest.mark.django_db
CANARY = national_id.complete("A28765432")
NAME = "金絲雀囀"
REPORT = {"subject": "看不懂", "place": "首頁", "body": "我是紅燈", "contact": "分機 12"}


@pytest.fixture
def desk(account):
    return account("IC1002", "platform_admin")


@pytest.fixture
def staff(client, account, desk):
    client.force_login(account("EP1002"))
    return client


def text_of(client, address):
    return client.get(address).content.decode()


def test_a_report_is_answered_closed_and_taken_up_again(staff, client, account, desk):
    assert "分機 8500" in text_of(staff, "/support/new/")
    answer = staff.post("/support/new/", {**REPORT, "body": f"我的{CANARY}是紅燈"}, follow=True)
    ticket = Ticket.objects.get()
    address = f"/support/{ticket.pk}/"
    assert answer.redirect_chain == [(address, 302)]
    assert ticket.body == f"我的{CANARY[:6]}****是紅燈"
    assert "待處理" in text_of(staff, "/support/")
    assert Notice.objects.get(account=desk).link == address

    client.force_login(desk)
    assert "看不懂" in text_of(client, "/manage/support/")
    client.post(address, {"mode": "answer", "body": f"請看首頁的說明 {CANARY}"})
    client.post(address, {"mode": "close"})
    assert "看不懂" not in text_of(client, "/manage/support/")
    assert "看不懂" in text_of(client, "/manage/support/?state=closed")

    client.force_login(ticket.account)
    page = text_of(client, address)
    assert "客服" in page and f"請看首頁的說明 {CANARY[:6]}****" in page and "已結案" in page
    notices = list(Notice.objects.filter(account=ticket.account).values_list("subject", flat=True))
    assert len(notices) == 2 and not any(ticket.account.name in subject for subject in notices)
    client.post(address, {"mode": "answer", "body": "還是不懂"})
    ticket.refresh_from_db()
    assert (ticket.state, ticket.closed_at) == (Ticket.State.OPEN, None)
    verbs = Event.objects.filter(subject=f"ticket:{ticket.pk}").values_list("verb", flat=True)
    assert list(verbs)[::-1] == ["open_ticket", "answer_ticket", "close_ticket", "answer_ticket"]


def test_closing_twice_says_so(staff, account):
    ticket = actions.open_ticket(**REPORT, run=None, by=account("EP1002"))
    address = f"/support/{ticket.pk}/"
    staff.post(address, {"mode": "close"})
    page = staff.post(address, {"mode": "close"}, follow=True).content.decode()
    assert "已經結案" in page
    assert Event.objects.filter(verb="close_ticket").count() == 1


def test_each_sees_her_own_the_clerk_her_agencys_the_desk_all(client, account, desk):
    ticket = actions.open_ticket(**REPORT, run=None, by=account("EP1002"))
    address = f"/support/{ticket.pk}/"
    for username, role, status, listed in (
        ("EP1002", "staff", 200, None),
        ("EP1003", "staff", 404, None),
        ("EP1001", "agency_admin", 200, True),
        ("CU1001", "agency_admin", 404, False),
        ("CU1001", "auditor", 200, True),
        ("IC1002", "platform_admin", 200, True),
    ):
        client.force_login(account(username, role))
        assert client.get(address).status_code == status, (username, role)
        if listed is not None:
            assert (REPORT["subject"] in text_of(client, "/manage/support/?state=all")) is listed


def test_only_the_person_and_the_desk_write_into_a_ticket(client, account, desk):
    ticket = actions.open_ticket(**REPORT, run=None, by=account("EP1002"))
    for username, role in (("EP1001", "agency_admin"), ("CU1001", "auditor")):
        client.force_login(account(username, role))
        page = client.post(f"/support/{ticket.pk}/", {"mode": "answer", "body": "x"})
        assert page.status_code == 200 and 'name="body"' not in page.content.decode()
        client.post(f"/support/{ticket.pk}/", {"mode": "close"})
    ticket.refresh_from_db()
    assert ticket.state == Ticket.State.OPEN and not ticket.answers.exists()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"subject": ""}, "請用一句話寫下"),
        ({"subject": "長" * 101}, "「什麼事」超過 100 字"),
        ({"body": "長" * 4_001}, "「說明」超過 4,000 字"),
        ({"contact": " "}, "請留下分機或電子郵件"),
        ({"run": "999"}, "找不到這次匯入"),
        ({"run": "x"}, "找不到這次匯入"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(staff, changed, words):
    page = staff.post("/support/new/", {**REPORT, **changed}).content.decode()
    assert page.count('role="alert"') == 1 and words in page
    assert not Ticket.objects.exists()


def test_an_error_page_leads_to_a_report_with_its_code(staff):
    page = text_of(staff, "/nowhere/")
    assert "登入平台" not in page  # the person is signed in
    reference = page.partition("?reference=")[2][:8]
    assert f"參考代碼 {reference}" in text_of(staff, f"/support/new/?reference={reference}")


def test_another_agencys_import_is_not_attached(client, account, import_bytes):
    run = import_bytes(data(row()))["run"]
    client.force_login(account("EP1001", "agency_admin"))
    assert "匯入編號" not in text_of(client, f"/support/new/?run={run.pk}")
    page = client.post("/support/new/", {**REPORT, "run": run.pk}).content.decode()
    assert "找不到這次匯入" in page


@pytest.fixture
def canary_run(clerk, import_bytes):
    """A run whose file names a canary in every cell, in its name and in a column of its own."""
    table = data(
        *(
            row(national_id=CANARY, name=NAME, title=f"{NAME}{CANARY}{n}", organizer_name=NAME)
            for n in range(3)
        ),
        row(name=NAME, term=CANARY),
    )
    lines = table.decode("cp950").splitlines()
    table = "".join(
        f'{line},"{NAME if number else NAME + CANARY}"\r\n' for number, line in enumerate(lines)
    ).encode("cp950", "replace")
    file = SimpleUploadedFile(f"{NAME}{CANARY}.csv", table)
    clerk.post("/manage/learning-map/upload/", {"mode": "import", "file": file})
    run = ImportRun.objects.get()
    running.perform(run.pk)
    run.refresh_from_db()
    return run


def test_an_import_is_reported_with_its_bundle_and_without_anybodys_data(clerk, canary_run):
    assert canary_run.rejected == 3 and canary_run.notes["ignored"]
    assert f"/support/new/?run={canary_run.pk}" in text_of(clerk, canary_run.get_absolute_url())
    form = text_of(clerk, f"/support/new/?run={canary_run.pk}")
    assert (
        f"匯入編號 {canary_run.pk}（匯入完成）" in form and CANARY not in form and NAME not in form
    )
    page = clerk.post("/support/new/", {**REPORT, "run": canary_run.pk}, follow=True)
    address = f"/support/imports/{canary_run.pk}/"
    assert address in page.content.decode()

    answer = clerk.get(address)
    text = answer.content.decode()
    for secret in (CANARY, CANARY[:6], NAME, NAME[:2]):
        assert secret not in text
    reported = json.loads(text)
    assert reported["state"] == "completed"
    assert reported["counts"] == {
        name: getattr(canary_run, name)
        for name in ("total", "created", "updated", "unchanged", "rejected")
    }
    assert reported["lines"] == {"no-account": [2, 3, 4]}
    assert reported["sha256"] == canary_run.sha256 and len(reported["sha256"]) == 64
    assert reported["ignored_columns"] == 1 and reported["other_names"] == 1
    assert {"upload", "rows", "rejected"} <= {kept["kind"] for kept in reported["kept"]}
    assert "export_bundle" in Event.objects.values_list("verb", flat=True)


def test_the_bundle_of_a_refused_file_says_why(clerk, import_bytes):
    run = import_bytes(b"%PDF-1.7", filename=f"{NAME}.pdf")["run"]
    reported = clerk.get(f"/support/imports/{run.pk}/").json()
    assert (reported["state"], reported["lines"]) == ("refused", {})
    assert "PDF" in reported["sentence"] and NAME not in str(reported)
