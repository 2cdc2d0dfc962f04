"""The one door for tables from outside: the same rows whatever program wrote them."""

import csv
import io
import re
import zipfile
from datetime import date, datetime

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from ismp.courses.models import Session, SignUp
from ismp.imports.models import State
from ismp.security.models import Device
from ismp.ui import limits, reading
from ismp.ui.reading import file_types
from ismp.ui.reading.faults import FileRejected
from tests.support import uploads

TITLES = ("編號", "名稱", "數量")
ROWS = [["A-1", "甲，一", "1"], ["A-2", "乙", ""], ["A-3", "", ""]]


def written(codec="utf-8", separator=",", end="\r\n", before="", rows=ROWS):
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=end).writerows([TITLES, *rows])
    return (before + text.getvalue()).encode(codec)


def workbook(*sheets):
    """{name: rows}; a cell may be (value, format) or (formula, None, cached value)."""
    book, calculated = openpyxl.Workbook(), {}
    book.remove(book.active)
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for line, cells in enumerate(rows, 1):
            for column, cell in enumerate(cells, 1):
                value, style, *cached = cell if isinstance(cell, tuple) else (cell, None)
                place = sheet.cell(line, column, value)
                place.number_format = style or place.number_format
                calculated |= dict.fromkeys([place.coordinate] if cached else [], *cached)
    buffer = io.BytesIO()
    book.save(buffer)
    return with_values(buffer.getvalue(), calculated) if calculated else buffer.getvalue()


def with_values(data, values):
    """A workbook whose formulas were calculated: {place: value}."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            part = old.read(name).decode()
            if name.startswith("xl/worksheets/"):
                for place, value in values.items():
                    kind = "e" if str(value).startswith("#") else "n"
                    formula = rf'<c r="{place}"([^>]*)>(<f>.*?</f>)<v ?/?>(</v>)?</c>'
                    cell = rf'<c r="{place}"\1 t="{kind}">\2<v>{value}</v></c>'
                    part, count = re.subn(formula, cell, part)
                    assert count == 1
            new.writestr(name, part)
    return buffer.getvalue()


def read(data, **asked):
    table = reading.read(data, TITLES, limits=limits.of_tables(), required=TITLES[:1], **asked)
    return table, [(row.line, row.cells) for row in table.rows]


@pytest.mark.parametrize(
    "data",
    [
        *(written(codec) for codec in ("utf-8", "utf-8-sig", "cp950", "utf-16")),
        *(written("utf-16-le", before="\ufeff"), written("utf-16-be"))[:1],
        *(written(separator=one) for one in ";\t"),
        written(before="sep=;\r\n", separator=";"),
        *(written(end=end) for end in ("\r", "\n")),
        written().rstrip(),
        written() + b"\x1a",
        written(rows=[[*row, "", ""] for row in ROWS]),
        written(rows=[row[: 1 + (row[1] != "")] if not row[2] else row for row in ROWS]),
        written(rows=[[f'="{cell}"' for cell in row] for row in ROWS]),
        workbook(("a", [TITLES, *ROWS])),
        workbook(("說明", [["先看這裡"]]), ("清冊", [TITLES, *ROWS])),
        workbook(("a", [["*編\n號", "名　稱", "數量 "], ["A-1", "甲，一", 1], *ROWS[1:]])),
    ],
)
def test_the_same_rows_whatever_wrote_them(data):
    assert read(data)[1] == [(n, cells) for n, cells in enumerate(ROWS, 2)]


def test_characters_that_users_made_are_read():
    data = written("cp950").replace("甲".encode("cp950"), b"\xfa\x40")
    assert read(data)[1][0] == (2, ["A-1", "\ue000，一", "1"])


def test_lines_are_those_of_excel():
    assert [
        n for n, _ in read(b"\r\n".join(written().split(b"\r\n", 2)[:2]) + b"\r\n\r\nB,,\r\n")[1]
    ] == [2, 4]
    assert [n for n, _ in read(written(rows=[["A", "一\n二", ""], ["B", "", ""]]))[1]] == [2, 3]
    sheet = workbook(("a", [["清冊"], [], TITLES, [], ["A", "", ""], [], ["B", "", ""]]))
    assert [n for n, _ in read(sheet)[1]] == [5, 7]


def test_which_sheet_was_read_is_reported():
    table, _ = read(workbook(("說明", [["x"]]), ("一", [TITLES, *ROWS]), ("二", [TITLES])))
    assert (table.notes["sheet"], table.notes["other_sheets"]) == ("一", ["二"])
    assert read(written(separator=";"))[0].notes["separator"] == ";"


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ((123, "000000"), "000123"),
        ((1234, "0000-00"), "0012-34"),
        ((1e9, None), "1000000000"),
        ((1e9, "0.00E+00"), "1000000000"),
        ((2.5, "0"), "2.5"),
        ((1, "#,##0"), "1"),
        ((datetime(2026, 1, 5), "yyyy/m/d"), "115-01-05"),
        ((date(2026, 1, 5), '[$-404]e"年"m"月"d"日"'), "115-01-05"),
        ((True, None), "TRUE"),
        (("=1+1", None, 2), "2"),
        (("00012", None), "00012"),
    ],
)
def test_a_cell_is_read_as_it_is_shown(cell, shown):
    assert read(workbook(("a", [TITLES, [cell, "", ""]])))[1] == [(2, [shown, "", ""])]


def test_errors_and_formulas_without_a_value_are_reported_with_the_cell():
    book = openpyxl.Workbook()
    for cells in (TITLES, ["A", "#REF!", 1], ["B", "", "=A1*2"], ["C", "x", 1]):
        book.active.append(cells)
    buffer = io.BytesIO()
    book.save(buffer)
    table = reading.read(buffer.getvalue(), TITLES, limits=limits.of_tables(), required=TITLES)
    assert [table.bad_cells(row) for row in table.rows] == [
        {"名稱": "B2 是 #REF!"},
        {"數量": "C3 是 公式還沒有計算"},
        {},
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "空的"),
        (b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "密碼"),
        (b"\xd0\xcf\x11\xe0" + "Workbook".encode("utf-16-le"), ".xls"),
        (b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>', "XML 試算表"),
        (b"<html><table>", "網頁"),
        (b"%PDF-1.7", "PDF"),
        (b'{"a": 1}', "JSON"),
        ("編號,名稱\nA,\0b\n".encode(), "CSV"),
        ('編號,名稱\nA,"b\n'.encode(), "第 2 列的引號"),
        ("編號,名稱\nA,".encode() + b"x" * 200_000, "第 2 列有一格"),
        ("名稱\nA".encode(), "缺少編號"),
        ("編號,編號\nA,B".encode(), "兩次"),
        (b"PK\x03\x04" + b"x" * 99, "壓縮檔"),
        (workbook(("a", [TITLES, ROWS[0]]))[:-200], "壓縮檔|Excel"),
    ],
)
def test_what_is_no_table_is_refused_with_a_sentence(data, words):
    with pytest.raises(FileRejected, match=words) as refusal:
        read(data)
    assert str(refusal.value).endswith("。") and "Error" not in str(refusal.value)


def test_a_document_of_another_program_is_named(tmp_path):
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", "<x/>")
    assert ".ods" in file_types.kind_of_document(buffer.getvalue())


# --- The same of a list that is sent -------------------------------------------------------------

_HEAD = ("財產編號", "種類", "廠牌", "連網情形", "數量", "備註")


@pytest.mark.django_db
def test_a_cell_of_error_rejects_its_row_and_no_other(clerk):
    book = openpyxl.Workbook()
    for cells in (
        _HEAD,
        ["A-1", "硬體", "#N/A", "公務網路", 1],
        ["A-2", "硬體", "牌", "公務網路", "=A1"],
    ):
        book.active.append(cells)
    book.active.append([124, "硬體", "牌", "公務網路", 1])
    book.active["A4"].number_format = "000000"
    buffer = io.BytesIO()
    book.save(buffer)
    run = uploads.send(clerk, buffer.getvalue(), source="devices", name="a.xlsx")
    assert (run.state, run.created, run.reasons) == (State.COMPLETED, 1, {"cell": 2})
    assert Device.objects.get().asset_no == "000124"
    page = clerk.get(f"/manage/learning-map/runs/{run.pk}/rows/").content.decode()
    assert "C2 是 #N/A" in page


@pytest.mark.django_db
def test_blank_cells_at_the_end_may_be_missing_but_not_those_that_must_be_filled_in(clerk):
    lines = ["A-1,硬體,牌,公務網路", "A-2,硬體,,公務網路", "A-3,硬體,牌"]
    data = "\n".join([",".join(_HEAD), *lines]).encode()
    run = uploads.send(clerk, data, source="devices")
    assert (run.created, run.reasons) == (1, {"brand-missing": 1, "columns": 1})


@pytest.mark.django_db
@pytest.mark.parametrize("source", ["roster", "devices", "products"])
@pytest.mark.parametrize(
    "data",
    [
        b"\0\1\2\3",
        "財產編號\n\0".encode(),
        b"\xff\xfe\x00\xd8\x00\x00",
        b"\xd0\xcf\x11\xe0\0",
        b"PK\x05\x06" + b"\0" * 18,
    ],
)
def test_what_no_database_stores_is_refused_and_leaves_nothing(client, account, source, data):
    client.force_login(account("IC1001", "platform_admin"))
    run = uploads.send(client, data, source=source)
    assert run.state == State.REFUSED and run.reason.endswith("。"), run.reason
    assert (run.total, Device.objects.count()) == (0, 0)


@pytest.mark.django_db
def test_a_list_of_a_class_is_read_however_it_was_written(client, account, things):
    session = Session.objects.get(pk=things["session_id"])
    one = session.sign_ups.select_related("account").first()
    client.force_login(account("IC1003", "platform_admin"))

    def score(data, name="a.csv"):
        SignUp.objects.filter(pk=one.pk).update(standing="enrolled", score="70")
        asked = {"what": "scores", "file": SimpleUploadedFile(name, data)}
        place = f"/courses/teaching/sessions/{session.pk}/file/"
        page = client.post(place, asked, follow=True).content.decode()
        return SignUp.objects.get(pk=one.pk).score, page

    who = one.account.username
    for text in (
        f"公務帳號,成績\r{who},90\r",
        f"{who.lower()},90\n",
        f"公務帳號;成績\n{who}\u200b;９０\n",
        f"成績,姓名,公務帳號,,\n90,某人,{who}\n",
    ):
        assert score(text.encode("utf-8"))[0] == 90, text
        assert score(text.encode("utf-16"))[0] == 90, text
    assert score(workbook(("a", [["公務帳號", "成績"], [who, 90]])), "a.xlsx")[0] == 90
    kept, page = score(f"公務帳號,成績\n{who},\n".encode())
    assert kept == 70 and "空白，維持原來的" in page
    cleared, page = score(f"公務帳號,成績\n{who},清除\n".encode())
    assert cleared is None and "清除 1 人" in page
    for data, words in (
        (f"公務帳號,成績\n{who},90\n{who},80\n".encode(), "第 3 列"),
        (f"公務帳號,成績\n{who},101\n".encode(), "第 2 列"),
        (f"公務帳號\n{who}\n".encode(), "沒有「成績」這一欄"),
        (b"a\0b", "CSV"),
        (f"公務帳號,成績\n{who},".encode() + b"9" * 200_000, "第 2 列有一格"),
        (workbook(("a", [["公務帳號", "成績"], [who, ("=1/0", None, "#DIV/0!")]])), "B2 是"),
    ):
        unchanged, page = score(data)
        assert unchanged == 70 and words in page, words
