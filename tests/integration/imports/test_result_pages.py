"""The pages around an import: each number with its rows, the password, the list's own tools."""

import re
from datetime import date

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from ismp.imports import running
from ismp.imports.models import ImportRun, State
from tests.support.portal_files import data, packed
from tests.support.portal_files import row_of_today as row

pytestmark = pytest.mark.django_db
MAP = "/manage/learning-map/"
BY_SCRIPT = {"headers": {"Accept": "application/json"}}


def text_of(client, address):
    return client.get(address).content.decode()


def test_each_number_of_the_result_leads_to_its_rows(clerk, import_bytes):
    import_bytes(data(row(term="same"), row(term="changed")))
    file = data(
        row(term="same"),
        row(term="changed", score="90"),
        row(term="new", name="某他人", title="新課程A123456789結尾"),
        row(total="9", title="不合的課程"),
    )
    run = import_bytes(file)["run"]
    page = text_of(clerk, f"{MAP}runs/{run.pk}/")
    for which in ("", "created", "updated", "unchanged", "rejected", "names"):
        assert f"?which={which}" in page
        rows = text_of(clerk, f"{MAP}runs/{run.pk}/rows/?which={which}")
        assert rows.count("<tr>") == 1 + (4 if which == "" else 1)
    assert "不合的課程" in text_of(clerk, f"{MAP}runs/{run.pk}/rows/?which=rejected&code=hours-sum")
    names = text_of(clerk, f"{MAP}runs/{run.pk}/rows/?which=names")
    assert "某他人" in names
    assert "A12345****結尾" in names


def test_rows_of_a_refused_file_and_of_an_odd_question(clerk, import_bytes):
    refused = import_bytes(b"")["run"]
    assert "沒有明細" in text_of(clerk, f"{MAP}runs/{refused.pk}/rows/?which=rejected")
    run = import_bytes(data(row()))["run"]
    address = f"{MAP}runs/{run.pk}/rows/?which=<script>&code='&page=99"
    assert "沒有這樣的列" in text_of(clerk, address)


def test_the_script_gets_the_window_and_the_page(clerk):
    file = SimpleUploadedFile("成績.csv", data(row()))
    answer = clerk.post(f"{MAP}upload/", {"mode": "dry_run", "file": file}, **BY_SCRIPT).json()
    run = ImportRun.objects.get()
    assert answer == {
        "page": f"{MAP}runs/{run.pk}/",
        "window": f"{MAP}runs/{run.pk}/progress/",
    }
    assert "可安心關閉視窗" in text_of(clerk, answer["window"])
    running.perform(run.pk)
    assert "試匯入完成" in text_of(clerk, answer["window"])
    none = clerk.post(f"{MAP}upload/", {}, **BY_SCRIPT)
    assert none.status_code == 400
    assert "請先選擇" in none.json()["error"]


def test_an_archive_asks_for_its_password_and_then_goes_on(clerk):
    file = SimpleUploadedFile("成績.zip", packed({"a.csv": data(row())}, b"Abc12345"))
    clerk.post(f"{MAP}upload/", {"mode": "import", "file": file})
    run = ImportRun.objects.get()
    assert run.state == State.PASSWORD
    wrong = clerk.post(
        f"{MAP}runs/{run.pk}/password/", {"password": "x"}, headers={"HX-Request": "true"}
    )
    assert "密碼不正確" in wrong.content.decode()
    clerk.post(f"{MAP}runs/{run.pk}/password/", {"password": "Abc12345"})
    running.perform(run.pk)
    run.refresh_from_db()
    assert (run.state, run.created) == (State.COMPLETED, 1)


def test_columns_are_remembered_for_the_person_and_lead_back(clerk, client, account, import_bytes):
    import_bytes(data(row()))
    back = f"{MAP}agency-hours/?per_page=20"
    answer = clerk.post(f"{MAP}columns/", {"columns": ["title"], "back": back})
    assert answer["Location"] == back
    assert clerk.post(f"{MAP}columns/", {"back": "https://evil.example/"})["Location"] == (
        f"{MAP}agency-hours/"
    )
    clerk.post(f"{MAP}columns/", {"columns": ["title"], "back": back})
    assert re.findall(r'scope="col" class="c-(\w+)"', text_of(clerk, back)) == [
        "national_id",
        "name",
        "title",
    ]
    client.force_login(account("IC1002", "agency_admin"))
    assert text_of(client, back).count('scope="col" class=') == 22


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "還沒有任何學習時數"),
        ("start=090-01-01&end=090-12-31", "搜尋期間 090-01-01 ~ 090-12-31"),
        ("q=zz", "沒有公務帳號內有「zz」"),
        ("q=zz&start=090-01-01&end=090-12-31", "搜尋期間"),
        ("field=title&q=舊課", f"都不在 {date.today().year - 1911}-"),
        ("start=99-99-99", "請先更正"),
    ],
)
def test_an_empty_list_names_the_filter_in_the_way(clerk, import_bytes, query, words):
    if query:
        old = {"started_on": "113-01-05", "ended_on": "113-01-05", "title": "舊課"}
        import_bytes(data(row(), row(**old)))
    page = text_of(clerk, f"{MAP}agency-hours/?{query}")
    assert "沒有任何資料" in page
    assert words in page


@pytest.mark.parametrize("typed", ["115-01-01", "1150101", "115/1/1", "民國115年1月1日"])
def test_dates_are_shown_back_as_the_platform_writes_them(clerk, typed):
    page = clerk.get(f"{MAP}agency-hours/", {"start": typed}).content.decode()
    assert 'name="start" value="115-01-01"' in page


def test_deleting_without_a_tick_offers_the_whole_query_as_a_choice(clerk, import_bytes):
    import_bytes(data(row(), row(term="2")))
    page = clerk.post(f"{MAP}hours/delete/", {"q": ""}).content.decode()
    assert "沒有勾選任何一筆" in page
    assert "全部 2 筆" in page
    page = clerk.post(f"{MAP}hours/delete/", {"q": "", "everything": "1"}).content.decode()
    assert "刪除 2 筆時數？" in page


def test_the_sample_is_a_file_the_import_takes(clerk, import_bytes):
    assert import_bytes(clerk.get(f"{MAP}help/sample/").content)["total"] == 10


def test_the_trail_speaks_chinese_searches_and_verifies(client, account, import_bytes):
    import_bytes(data(row()))
    client.force_login(account("IC1001", "auditor"))
    page = text_of(client, "/manage/trail/?verb=import_hours&q=382990001Z&verify=1")
    assert "匯入時數" in page
    assert "新增 1" in page
    assert "軌跡完整" in page
    assert "沒有這樣的軌跡" in text_of(client, "/manage/trail/?q=nobody")


def test_a_failed_sign_in_stands_in_the_trail_without_any_number(client, city):
    from ismp.audit.models import Event

    client.post("/accounts/login/", {"username": "A123456789", "password": "x"})
    client.post("/accounts/login/", {"username": "ic1001", "password": "x"})
    failed = Event.objects.filter(verb="sign_in_failed").values_list("actor", flat=True)
    assert set(failed) == {"A12345****", "ic1001"}


def test_a_part_that_renews_itself_takes_a_signed_out_page_to_the_sign_in(client, import_bytes):
    run = import_bytes(data(row()))["run"]
    page = f"http://testserver{MAP}runs/{run.pk}/"
    answer = client.get(
        f"{MAP}runs/{run.pk}/progress/", headers={"HX-Request": "true", "HX-Current-URL": page}
    )
    assert answer["HX-Redirect"] == f"/accounts/login/?next={MAP}runs/{run.pk}/"
