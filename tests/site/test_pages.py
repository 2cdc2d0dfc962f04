"""The pages through HTTP: who may, what they show, how many queries they take."""

import io

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from ismp.accounts import verbs
from ismp.audit import trail
from ismp.courses.models import Course
from ismp.hours.models import Deletion, Record
from ismp.imports import running
from ismp.imports.models import ImportRun, State
from ismp.portal.models import Ticket
from tests.support.portal_files import data, row
from tests.support.rights import EVERYBODYS, MATRIX, OPEN, POST_ONLY, ROLES, WITH_SETTING, addresses

pytestmark = pytest.mark.django_db


def test_every_address_is_in_the_matrix():
    assert {name for name, _ in addresses()} == set(MATRIX) | POST_ONLY | OPEN | WITH_SETTING


@pytest.mark.parametrize("role", [*ROLES, None])
def test_rights(client, account, things, role):
    if role:
        client.force_login(account("IC1001", role))
    for name, address in addresses():
        answer = client.get(address.format(**things))
        if name in OPEN:
            assert answer.status_code in {200, 302}
        elif name in WITH_SETTING:
            assert answer.status_code == 404
        elif role is None:
            assert answer.status_code == 302 and "/accounts/login/" in answer["Location"], name
        elif name in POST_ONLY:
            assert (answer.status_code, answer["Allow"]) == (405, "POST"), name
            assert "請回上一頁" in answer.content.decode(), name
        else:
            allowed = role in MATRIX[name]
            assert answer.status_code in ({200, 286} if allowed else {403}), name
            assert "no-store" in answer["Cache-Control"]
            assert "unsafe-inline" not in answer["Content-Security-Policy"]


def test_another_agencys_things_do_not_exist(client, account, things):
    """Every address that names a thing: 404 to another agency, whatever the method."""
    before = (Record.objects.live().count(), ImportRun.objects.count())
    client.force_login(account("EP1001", "agency_admin"))
    of_things = [(name, a) for name, a in addresses() if "{" in a and name not in EVERYBODYS]
    assert len(of_things) >= 8
    for name, address in of_things:
        place = address.format(**things)
        allowed = {404} if "agency_admin" in MATRIX.get(name, {"agency_admin"}) else {403}
        if name not in POST_ONLY:
            assert client.get(place).status_code in allowed, name
        assert client.post(place).status_code in {404, 405, *allowed}, name
    assert not Deletion.objects.exclude(restored_at=None).exists()
    assert before == (Record.objects.live().count(), ImportRun.objects.count())
    assert row()[1] not in client.get("/manage/learning-map/agency-hours/").content.decode()


def test_the_clerks_job(client, account, django_capture_on_commit_callbacks):
    client.force_login(account("IC1001", "agency_admin"))
    file = SimpleUploadedFile("成績.csv", data(row(), row(total="9")))
    answer = client.post("/manage/learning-map/upload/", {"mode": "import", "file": file})
    run = ImportRun.objects.get()
    assert answer["Location"] == f"/manage/learning-map/runs/{run.pk}/"
    assert "可安心關閉視窗" in client.get(answer["Location"]).content.decode()
    running.perform(run.pk)
    page = client.get(answer["Location"]).content.decode()
    assert "匯入完成" in page
    assert "數位時數加實體時數不等於訓練總數" in page
    listed = client.get("/manage/learning-map/agency-hours/").content.decode()
    assert "資通安全通識" in listed
    assert "成功匯入資料為 1 筆" in listed
    assert row()[0] not in listed
    assert client.get(f"{answer['Location']}report/").getvalue()[:2] == b"PK"
    client.post(f"{answer['Location']}undo/")
    assert not Record.objects.live().exists()


def test_an_upload_without_the_token_is_refused(account, import_bytes):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(account("IC1001", "agency_admin"))
    answer = client.post(
        "/manage/learning-map/upload/", {"file": SimpleUploadedFile("a.csv", b"x")}
    )
    assert answer.status_code == 403
    assert "過期" in answer.content.decode()
    assert not ImportRun.objects.exclude(state=State.RECEIVING).exists()


@pytest.mark.parametrize(
    "query",
    ["start=99-99-99", "start=115-12-31&end=115-01-01", "page=x&per_page=7"],
)
def test_odd_questions_get_an_answer(client, account, query):
    client.force_login(account("IC1001", "agency_admin"))
    assert client.get(f"/manage/learning-map/agency-hours/?{query}").status_code == 200


def test_a_national_id_in_the_search_leaves_the_address_at_once(client, account):
    client.force_login(account("IC1001", "agency_admin"))
    asked = {"field": "name", "q": "a１23456789"}
    answer = client.get("/manage/learning-map/agency-hours/", asked, follow=True)
    assert answer.redirect_chain == [("/manage/learning-map/agency-hours/?field=name", 302)]
    assert "不要輸入身分證字號" in answer.content.decode()


LISTS = (
    "/",
    "/my/hours/",
    "/search/",
    "/support/",
    "/manage/support/",
    "/manage/trail/",
    "/manage/learning-map/agency-hours/?per_page=200",
    "/manage/learning-map/hours/?per_page=200",
    "/manage/learning-map/hours/deleted/",
    "/manage/learning-map/runs/",
    "/manage/learning-map/waiting/",
    "/manage/learning-map/runs/{run}/rows/",
    "/manage/learning-map/rules/",
)


def test_every_list_takes_the_same_queries_for_one_row_and_for_three_hundred(
    client, account, import_bytes
):
    person = account("IC1001", "platform_admin")
    client.force_login(person)
    counts = []
    for rows in (1, 300):
        run = import_bytes(data(*(row(term=str(n)) for n in range(rows))))["run"]
        Record.objects.update(account=person)
        copies = [ImportRun(agency=run.agency, filename="f.csv") for _ in range(rows)]
        ImportRun.objects.bulk_create(copies)
        Deletion.objects.bulk_create([Deletion(agency=run.agency, by="x") for _ in range(rows)])
        for _ in range(rows):
            trail.record(verbs.SIGN_IN, actor="x")
        values = {"account": person, "agency": run.agency, "subject": "x", "body": "x"}
        Ticket.objects.bulk_create([Ticket(**values, contact="x") for _ in range(rows)])
        offered = {"kind": "online", "category": "522", "hours": 1, "state": "open"}
        courses = [Course(**offered, agency=run.agency, title=f"{n}") for n in range(rows)]
        Course.objects.bulk_create(courses)
        taken = {}
        for address in LISTS:
            client.get("/")  # what a first request alone asks for
            with CaptureQueriesContext(connection) as queries:
                assert client.get(address.format(run=run.pk)).status_code == 200
            taken[address] = len(queries)
        counts.append(taken)
    assert counts[0] == counts[1]


def test_five_failures_lock_the_account(client, account):
    person = account("IC1001")
    person.set_password("right-password-1")
    person.save()
    for _ in range(5):
        answer = client.post("/accounts/login/", {"username": "ic1001", "password": "x"})
    answer = client.post("/accounts/login/", {"username": "IC1001", "password": "right-password-1"})
    assert answer.status_code == 429
    assert "鎖定" in answer.content.decode()


def test_sign_in_whatever_the_case_but_never_by_national_id(client, account):
    person = account("IC1001")
    person.set_password("right-password-1")
    person.save()
    answer = client.post("/accounts/login/", {"username": row()[0], "password": "x"})
    assert "不是身分證字號" in answer.content.decode()
    answer = client.post("/accounts/login/", {"username": "ic1001", "password": "right-password-1"})
    assert answer.status_code == 302


def test_idle_people_are_signed_out_and_polling_does_not_count(client, account, monkeypatch):
    from ismp.accounts.sign_in import middleware

    client.force_login(account("IC1001", "agency_admin"))
    now = [1000.0]
    monkeypatch.setattr(middleware.time, "time", lambda: now[0])
    client.get("/manage/")
    now[0] += 1000
    assert client.get("/manage/learning-map/runs/1/progress/").status_code == 404
    now[0] += 300
    answer = client.get("/manage/")
    assert answer.status_code == 302 and "login" in answer["Location"]


def test_export_is_whole_and_harmless(client, account, import_bytes):
    import_bytes(data(*(row(term=str(n), title="=1+1") for n in range(60))))
    client.force_login(account("IC1001", "agency_admin"))
    address = "/manage/learning-map/hours/export/?per_page=20&format="
    lines = b"".join(client.get(address + "csv").streaming_content).decode("utf-8-sig").splitlines()
    assert len(lines) == 61
    assert lines[0].startswith("公務帳號,姓名,學習類別")
    assert "'=1+1" in lines[1]
    book = openpyxl.load_workbook(
        io.BytesIO(b"".join(client.get(address + "xlsx").streaming_content))
    )
    cells = [cell for cells in book.active.iter_rows() for cell in cells]
    assert len(cells) == 61 * 22
    assert {cell.data_type for cell in cells} <= {"s", "n"}


def test_delete_asks_first_and_can_be_restored(client, account, import_bytes):
    import_bytes(data(row(), row(term="2")))
    client.force_login(account("IC1001", "agency_admin"))
    chosen = {"ids": [Record.objects.get(term="2").pk]}
    page = client.post("/manage/learning-map/hours/delete/", chosen).content.decode()
    assert "1 筆" in page
    assert Record.objects.live().count() == 2
    client.post(
        "/manage/learning-map/hours/delete/", {**chosen, "confirmed": "1", "reason": "誤植"}
    )
    assert Record.objects.live().get().term == "1"
    deletion = Deletion.objects.get()
    client.post(f"/manage/learning-map/hours/deleted/{deletion.pk}/restore/")
    assert Record.objects.live().count() == 2
    client.force_login(account("EP1001", "agency_admin"))
    client.post("/manage/learning-map/hours/delete/", {**chosen, "confirmed": "1", "reason": "x"})
    assert Record.objects.live().count() == 2


def test_a_database_that_is_away_is_reported_as_such(clerk, monkeypatch):
    def away(*_):
        raise OperationalError("connection refused")

    monkeypatch.setattr(ImportRun.objects, "visible_to", away)
    clerk.raise_request_exception = False
    answer = clerk.get("/manage/learning-map/runs/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "請等幾秒" in answer.content.decode()
    assert "refused" not in answer.content.decode()
