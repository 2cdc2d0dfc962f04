"""Inventories of devices by the import kit: judged row by row, tried, brought in, announced, refused."""

import io
import re
import struct
import zipfile
from datetime import date, timedelta
from functools import partial

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.utils import timezone
from hypothesis import given, settings, strategies

from ismp.accounts.models import Account
from ismp.accounts.roles import RIGHTS, Right, Role
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.imports import report, running
from ismp.imports.models import ImportRun, State
from ismp.security.devices.actions import decisions as decision_actions
from ismp.security.devices.actions import devices as device_actions
from ismp.security.devices.actions import products as product_actions
from ismp.security.models import (
    Decision,
    Device,
    DeviceKind,
    Network,
    RestrictedProduct,
    asset_key,
)
from ismp.ui.text.roc_dates import roc_date
from tests.support import uploads

pytestmark = pytest.mark.django_db
RUNS = "/manage/learning-map/runs/"
HEADER = (
    "財產編號,種類,品項,廠牌,型號,序號,數量,放置地點,保管單位,保管人,連網情形,購置日期,預計汰換日期"
)


def line(
    number="A-1", *, kind="硬體", brand="ASUS", quantity="1", network="公務網路", bought="113-05-01"
):
    return f"{number},{kind},筆電,{brand},M1,SN1,{quantity},三樓,資訊科,王小明,{network},{bought},"


def csv_of(*lines, header=HEADER, codec="utf-8-sig"):
    return "\r\n".join([header, *lines, ""]).encode(codec)


@pytest.fixture
def handler(account):
    return account("EP1001", "agency_admin")


@pytest.fixture
def send(client, handler):
    """Send an inventory in the browser and let the worker bring it in; returns its run."""
    client.force_login(handler)
    return partial(uploads.send, client, source="devices", name="清冊.csv")


def counts(run):
    assert run.state == State.COMPLETED, run.reason
    return (run.created, run.updated, run.unchanged, run.rejected)


def test_an_inventory_comes_in_again_changes_nothing_and_corrects(send, account):
    product = RestrictedProduct(brand="Hikvision", letter="示範", issued_on=date(2025, 3, 31))
    product_actions.restrict([product], by=account("IC1001", "platform_admin"))
    data = csv_of(line(), line("A-2", brand="Hikvision"))
    trial = send(data, mode="dry_run")
    assert not Device.objects.exists()
    assert counts(send(data)) == counts(trial) == (2, 0, 0, 0)
    assert Device.objects.restricted().get().asset_no == "A-2"
    backwards = csv_of(*data.decode("utf-8-sig").splitlines()[:0:-1], codec="cp950")
    assert counts(send(backwards)) == (0, 0, 2, 0)
    assert counts(send(csv_of(line("A-2", quantity="3")))) == (0, 1, 0, 0)
    assert not Device.objects.restricted().exists() and Device.objects.count() == 2


ROWS = [
    (line(""), "asset-missing"),
    (line(kind="植物"), "kind"),
    (line(brand=" "), "brand-missing"),
    (line(network="不知道"), "network"),
    (line(quantity="0"), "quantity"),
    (line(quantity="-3"), "quantity"),
    (line(quantity="３"), "quantity"),
    (line(bought="去年"), "date-invalid"),
    (line(bought="113-02-30"), "date-invalid"),
    (line(brand="x" * 101), "too-long"),
    (line() + ",多的", "columns"),
    ("A-9,硬體", "columns"),
]


@pytest.mark.parametrize(("bad", "code"), ROWS)
def test_a_bad_row_is_named_and_the_others_go_on(send, bad, code):
    run = send(csv_of(line("B-1"), bad))
    assert counts(run) == (1, 0, 0, 1)
    assert [(one["line"], one["code"]) for one in report.rejections(run)] == [(3, code)]


def test_the_same_number_twice_keeps_the_first(send):
    run = send(csv_of(line(), line(brand="Acer")))
    assert counts(run) == (1, 0, 0, 1) and run.reasons == {"duplicate-in-file": 1}
    assert Device.objects.get().brand == "ASUS"


FILES = [
    (b"", "是空的"),
    (b"\r\n", "標題缺少"),
    (csv_of(line(), header=HEADER.replace("廠牌", "牌子")), "缺少廠牌"),
    (csv_of(line(), header=HEADER.replace("品項", "廠牌")), "出現兩次"),
    (csv_of(line() + '"'), "引號不成對"),
    (b"PK\x03\x04broken", "已損壞|無法開啟"),
    (b"\xff\xff\xff", "編碼"),
    (b"%PDF-1.7", "這是 PDF 檔.*請用下載的範本"),
    (b"\xd0\xcf\x11\xe0xls", "舊版 Excel 檔.*請用下載的範本"),
    (b"<!doctype html><html>", "這是網頁.*請用下載的範本"),
]


@pytest.mark.parametrize(("data", "sentence"), FILES)
def test_a_file_that_is_not_in_order_is_refused_whole(send, data, sentence):
    run = send(data)
    assert run.state == State.REFUSED
    assert re.search(sentence, run.reason), run.reason
    assert not Device.objects.exists()
    event = Event.objects.get(verb="take_in_devices")
    assert (event.subject, event.detail["state"]) == (f"run:{run.pk}", "refused")


def workbook(*rows):
    book = openpyxl.Workbook()
    for cells in (HEADER.split(","), *rows):
        book.active.append(cells)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


NOTEBOOK = [1001, "硬體", "", "ASUS", "", "", 2, "", "", "", "未連網", date(2024, 5, 1), None]


def test_an_excel_file_is_read_with_its_dates_and_numbers(send):
    assert counts(send(workbook(NOTEBOOK), name="清冊.xlsx")) == (1, 0, 0, 0)
    held = Device.objects.get()
    assert (held.asset_no, held.quantity, held.bought_on) == ("1001", 2, date(2024, 5, 1))


def test_a_run_of_devices_tells_each_row_and_why_not(send, client):
    send(csv_of(line("A-1"), line("A-2")))
    bad = line("A-3", network="x", bought="去年")
    run = send(csv_of(line("A-1", brand="Acer"), line("A-2"), line("A-4"), bad), mode="dry_run")
    assert counts(run) == (1, 1, 1, 1)
    page = client.get(f"{RUNS}{run.pk}/").content.decode()
    assert "試匯入完成" in page and "正式匯入這個檔案" in page
    assert "連網情形無法辨認" in page and "管制設備" in page
    rows = client.get(f"{RUNS}{run.pk}/rows/").content.decode()
    assert rows.count("<tr>") == 5 and "廠牌「ASUS」改為「Acer」" in rows
    rejected = client.get(f"{RUNS}{run.pk}/rows/?which=rejected").content.decode()
    assert "A-3" in rejected and "A-4" not in rejected and "連網情形只能是" in rejected
    answer = client.get(f"{RUNS}{run.pk}/report/")
    head, event = openpyxl.load_workbook(io.BytesIO(answer.getvalue())).active.iter_rows()
    titles = [cell.value for cell in head]
    assert titles[1:-4] == HEADER.split(",")
    cells = dict(zip(titles, event, strict=True))
    assert (cells["檔案列號"].value, cells["財產編號"].value) == (5, "A-3")
    red = [title for title, cell in cells.items() if cell.fill.fgColor.rgb[2:] == "FFD9D6"]
    assert red == ["連網情形"]
    real = client.post(f"{RUNS}{run.pk}/commit/")["Location"]
    running.perform(int(real.split("/")[-2]))
    assert Device.objects.get(asset_no="A-1").brand == "Acer" and Device.objects.count() == 3
    assert "設備清冊不能整份復原" in client.get(real).content.decode()
    event = Event.objects.filter(verb="take_in_devices").latest("number")
    assert event.detail == {"created": 1, "updated": 1, "unchanged": 1, "rejected": 1}
    assert event.subject == f"run:{real.split('/')[-2]}"


def test_the_menu_shows_where_a_run_stands(send, client):
    of_devices, of_hours = send(csv_of(line())), uploads.send(client, b"x")
    current = re.compile(r'aria-current="page">([^<]*)<')
    for part in ("", "rows/"):
        page = client.get(f"{RUNS}{of_devices.pk}/{part}").content.decode()
        assert current.findall(page) == ["管制設備"]
        page = client.get(f"{RUNS}{of_hours.pk}/{part}").content.decode()
        assert current.findall(page) == ["單一機關終身學習時數管理"]
    page = client.get("/manage/devices/import/").content.decode()
    assert current.findall(page) == ["管制設備"] and page.count('class="crumbs"') == 1


def test_runs_of_devices_stand_with_the_devices_and_with_nobody_else(send, client, account):
    run = send(csv_of(line()))
    there = f"runs/{run.pk}/"
    assert there in client.get("/manage/devices/import/").content.decode()
    for elsewhere in (RUNS, "/manage/accounts/roster/"):
        assert there not in client.get(elsewhere).content.decode()
    client.force_login(account("CU1001", "agency_admin"))
    assert there not in client.get("/manage/devices/import/").content.decode()
    for part in ("", "rows/", "report/", "progress/"):
        assert client.get(f"{RUNS}{run.pk}/{part}").status_code == 404
    client.force_login(account("CU1001", "auditor"))
    assert client.get(f"{RUNS}{run.pk}/").status_code == 200
    assert client.post(f"{RUNS}{run.pk}/commit/").status_code == 403


@pytest.mark.parametrize(
    ("view", "start"), [(Right.VIEW_SECURITY, Right.EDIT_SECURITY), (Right.VIEW_HOURS, None)]
)
def test_each_kind_of_file_asks_for_its_own_rights(send, client, monkeypatch, view, start):
    """Who may see devices and no hours sees the runs of devices only, and the other way round."""
    ours, hours = send(csv_of(line())), uploads.send(client, b"x", name="hours.csv")
    only = frozenset({Right.MANAGE, view, start} - {None})
    monkeypatch.setitem(RIGHTS, Role.AGENCY_ADMIN, only)
    seen = {run.pk for run in (ours, hours) if client.get(f"{RUNS}{run.pk}/").status_code == 200}
    assert seen == ({ours.pk} if start else {hours.pk})
    assert ImportRun.objects.visible_to(ours_sender(ours)).get().pk in seen
    sent = {"source": "devices", "mode": "import", "file": SimpleUploadedFile("a.csv", b"x")}
    assert client.post(uploads.UPLOAD, sent).status_code == (302 if start else 403)
    sent = {"mode": "import", "file": SimpleUploadedFile("a.csv", b"x")}
    assert client.post(uploads.UPLOAD, sent).status_code == 403


def ours_sender(run):
    return Account.objects.get(username=run.started_by)


def test_who_lost_her_right_meanwhile_brings_in_nothing(handler, client, account):
    client.force_login(handler)
    sent = {"source": "devices", "file": SimpleUploadedFile("a.csv", csv_of(line()))}
    client.post(uploads.UPLOAD, sent)
    account(handler.username, "auditor")
    run = ImportRun.objects.get()
    running.perform(run.pk)
    run.refresh_from_db()
    assert run.state == State.REFUSED and "沒有匯入設備清冊的權限" in run.reason
    assert not Device.objects.exists()


def test_no_national_id_in_an_inventory_is_shown(send, client):
    number = "A123456789"
    run = send(csv_of(line(brand=f"牌{number}"), line("", brand=number)))
    for part in ("", "rows/", "report/"):
        answer = client.get(f"{RUNS}{run.pk}/{part}").getvalue()
        if part == "report/":
            with zipfile.ZipFile(io.BytesIO(answer)) as book:
                answer = b"".join(book.read(name) for name in book.namelist())
        assert number.encode() not in answer, part


def repacked(data, change):
    """A workbook whose parts are changed: `change` takes name and bytes and returns bytes."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as book,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as changed,
    ):
        for name in book.namelist():
            changed.writestr(name, change(name, book.read(name)))
    return buffer.getvalue()


def with_cell(place, row="2"):
    far = f'<row r="{row}"><c r="{place}" t="n"><v>1</v></c></row></sheetData>'.encode()

    def change(name, part):
        return part.replace(b"</sheetData>", far) if "worksheets/" in name else part

    return repacked(workbook(NOTEBOOK), change)


def understated():
    """Says of its largest part that it is small."""
    huge = repacked(workbook(NOTEBOOK), lambda name, part: part + b" " * 3 * 1024 * 1024)
    size = struct.pack("<I", 10)
    with zipfile.ZipFile(io.BytesIO(huge)) as book:
        for part in book.infolist():
            huge = huge.replace(struct.pack("<I", part.file_size), size)
    return huge


HOSTILE = [
    (lambda: with_cell("XFD3"), "超過 100,000 列或 60 欄"),
    (lambda: with_cell("A1048576", row="1048576"), "超過 100,000 列或 60 欄"),
    (lambda: with_cell("", row="1048576").replace(b'r=""', b""), "超過 100,000 列或 60 欄"),
    (lambda: repacked(workbook(NOTEBOOK), lambda name, part: b" " * 2 * 1024 * 1024), "超過 1 MB"),
    (understated, "超過 1 MB"),
    (lambda: workbook(NOTEBOOK)[:-500], "已損壞|無法開啟"),
    (lambda: repacked(workbook(NOTEBOOK), lambda name, part: b"<x"), "無法開啟"),
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_workbook_that_would_fill_the_memory_is_refused_before_it_is_opened(
    send, settings, number
):
    made, sentence = HOSTILE[number]
    settings.UPLOAD_MAX_BYTES = 1024 * 1024
    run = send(made(), name="清冊.xlsx")
    assert run.state == State.REFUSED and not Device.objects.exists()
    assert re.search(sentence, run.reason), run.reason


# --- What a file does not carry, and what people decided -----------------------------------------

FOUR_COLUMNS = "財產編號,種類,廠牌,連網情形"


def test_columns_that_a_file_does_not_have_stay_and_are_named(send, client):
    whole = line(quantity="5") + "118-05-01"
    send(csv_of(whole))
    run = send(csv_of("A-1,硬體,ASUS,公務網路", header=FOUR_COLUMNS))
    assert counts(run) == (0, 0, 1, 0)
    held = Device.objects.get()
    assert (held.quantity, held.bought_on, held.retire_by) == (
        5,
        date(2024, 5, 1),
        date(2029, 5, 1),
    )
    page = client.get(f"{RUNS}{run.pk}/").content.decode()
    assert "檔案裡沒有這些欄位" in page
    for title in set(HEADER.split(",")) - set(FOUR_COLUMNS.split(",")):
        assert title in page


def test_an_empty_cell_clears_but_no_device_is_of_no_quantity(send):
    send(csv_of(line(quantity="5") + "118-05-01"))
    assert counts(send(csv_of(line(quantity="", bought="")))) == (0, 1, 0, 0)
    held = Device.objects.get()
    assert (held.quantity, held.bought_on, held.retire_by) == (5, None, None)


def test_a_wrapped_title_is_read_and_what_is_not_used_is_named(send, client):
    header = HEADER.replace("購置日期", "*購置\n日期").replace("品項", "備註")
    book = openpyxl.Workbook()
    for cells in (header.split(","), line("A-1").split(",")):
        book.active.append(cells)
    buffer = io.BytesIO()
    book.save(buffer)
    run = send(buffer.getvalue(), name="清冊.xlsx")
    assert counts(run) == (1, 0, 0, 0)
    assert Device.objects.get().bought_on == date(2024, 5, 1)
    assert "已略過：備註" in client.get(f"{RUNS}{run.pk}/").content.decode()


@pytest.fixture
def listed(account):
    product = RestrictedProduct(brand="Hikvision", letter="示範", issued_on=date(2025, 3, 31))
    product_actions.restrict([product], by=account("IC1001", "platform_admin"))


def decided(handler, day):
    """A restricted device that is to be retired by a day."""
    held = Device(
        agency=handler.agency, asset_no="Z-1", kind="hardware", brand="Hikvision", network="offline"
    )
    device_actions.save_device(held, by=handler)
    decision_actions.decide(held, kind=Decision.Kind.RETIRE, retire_by=day, by=handler)
    return held


@pytest.mark.parametrize("written", ["", "119-12-31"])
def test_a_file_does_not_move_the_day_that_was_decided(send, client, handler, listed, written):
    today = timezone.localdate()
    day = today + timedelta(days=20)
    held = decided(handler, day)
    row = f"Z-1,硬體,,Hikvision,,,1,,,,未連網,,{written}"
    run = send(csv_of(row))
    held.refresh_from_db()
    assert held.retire_by == day
    rows = client.get(f"{RUNS}{run.pk}/rows/").content.decode()
    assert "不採用" in rows
    page = client.get(f"/manage/devices/{held.pk}/").content.decode()
    assert ("119-12-31；已決定的汰換期限" in page) == bool(written)
    assert counts(send(csv_of(row))) == (0, 0, 1, 0)  # again, nothing changes
    Device.objects.update(retire_by=None)  # even so, what was decided becomes overdue
    assert not Device.objects.all().overdue(day).exists()
    assert Device.objects.all().overdue(day + timedelta(days=1)).get() == held


def test_a_file_buys_no_device_after_it_was_retired(send, client, handler):
    send(csv_of(line("A-1")))
    day = timezone.localdate() - timedelta(days=30)
    device_actions.retire(Device.objects.all(), on=day, by=handler)
    late = roc_date(day + timedelta(days=1))
    run = send(csv_of(line("A-1", bought=late, quantity="3")))
    held = Device.objects.get()
    assert (held.bought_on, held.quantity, held.retired_on) == (date(2024, 5, 1), 3, day)
    assert "不採用" in client.get(f"{RUNS}{run.pk}/rows/").content.decode()
    assert counts(send(csv_of(line("A-1", bought=late, quantity="3")))) == (0, 0, 1, 0)


def test_what_a_file_changed_stands_in_the_history_of_each_device(send, client, handler):
    send(csv_of(line("A-1"), line("A-2"), line("A-3")))
    send(csv_of(line("A-1", quantity="3"), line("A-2", brand="Acer"), line("A-3")))
    events = Event.objects.filter(verb="save_device")
    assert [events.filter(detail__new=new).count() for new in (True, False)] == [3, 2]
    held = Device.objects.get(asset_no="A-1")
    page = client.get(f"/manage/devices/{held.pk}/history/").content.decode()
    assert "數量 1 → 3" in page
    assert list(trail.faults()) == []


def test_a_device_is_one_whatever_is_invisible_wide_or_small_in_its_number(send):
    run = send(csv_of(line("Y-1"), line("Y-1\u200b"), line("Ｙ-1"), line("y-1")))
    assert counts(run) == (1, 0, 0, 3) and run.reasons == {"duplicate-in-file": 3}
    assert counts(send(csv_of(line("y-1\u200b")))) == (0, 0, 1, 0)
    assert Device.objects.get().asset_no == "Y-1"


def test_a_choice_is_known_whatever_is_invisible_in_it(send):
    run = send(csv_of(line("Y-2", kind="硬體\u200b"), line("Y-3", network="公務 網路")))
    assert counts(run) == (2, 0, 0, 0)


# --- What the platform writes it reads again -----------------------------------------------------


def exported(client, how):
    answer = client.get("/manage/devices/export/", {"format": how})
    return b"".join(answer.streaming_content)


_TEXT = strategies.text(
    strategies.sampled_from("'=+-@ aZ0９台灣，,\"\n　\u200b"), min_size=1, max_size=8
).filter(lambda text: text.strip().replace("\u200b", ""))


_DAYS = strategies.dates(date(1950, 1, 1), date(2900, 1, 1))


@settings(max_examples=15)
@given(
    strategies.lists(
        strategies.fixed_dictionaries(
            {
                "asset_no": _TEXT,
                "kind": strategies.sampled_from(DeviceKind.values),
                "brand": _TEXT,
                "model": _TEXT,
                "place": _TEXT,
                "quantity": strategies.integers(1, 10**6),
                "network": strategies.sampled_from(Network.values),
                "bought_on": strategies.none() | _DAYS,
                "retire_by": strategies.none() | _DAYS,
            }
        ),
        min_size=1,
        max_size=8,
        unique_by=lambda one: asset_key(one["asset_no"]),
    ).filter(lambda some: all(asset_key(one["asset_no"]) for one in some))
)
@pytest.mark.parametrize("how", ["csv", "xlsx"])
def test_the_list_that_is_downloaded_changes_nothing_when_it_is_imported(
    client, handler, how, facts
):
    with transaction.atomic():
        client.force_login(handler)
        Device.objects.bulk_create(Device(agency=handler.agency, **one) for one in facts)
        run = uploads.send(client, exported(client, how), source="devices", name=f"清冊.{how}")
        assert counts(run) == (0, 0, len(facts), 0), run.reasons
        transaction.set_rollback(True)


def test_rows_of_other_agencies_are_not_taken(client, account):
    platform = account("IC1001", "platform_admin")
    for person in (platform, account("EP1001", "agency_admin")):
        device = Device(
            agency=person.agency, asset_no="S-1", kind="hardware", brand="示範牌", network="offline"
        )
        device_actions.save_device(device, by=person)
    client.force_login(platform)
    run = uploads.send(client, exported(client, "csv"), source="devices", name="清冊.csv")
    assert counts(run) == (0, 0, 1, 1) and run.reasons == {"other-agency": 1}
