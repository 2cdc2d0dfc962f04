"""The workbook that is sent while it is read: the same as one written whole, to every reader."""

import io
import threading
import zipfile
from xml.etree import ElementTree

import openpyxl
import polars as pl
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from openpyxl.utils import get_column_letter

from ismp.hours.listing import search as listing_search
from ismp.hours.listing.record_pages import RecordPages
from ismp.hours.portal_import.layout import NAMES
from ismp.ui.exports import responses, xlsx
from ismp.ui.exports.cells import unguarded
from ismp.ui.text.cell_names import column_index, column_letters
from tests.support.portal_files import PERSON, data, row

HEAD = [f"欄{n}" for n in range(30)]
ODD = [
    "=1+1", "+1", "-1", "@x", "<b>&amp;\"'", "  兩端空白 ", "換\n行", "回\r車", "\t", "_x0041_", "_x004",
    "𠮷堃煊", "\x00\x08壞\x1f\ufffe\uffff字", "https://example.invalid/", "0012", "x" * 40_000, "", "\x01",
]  # fmt: skip


def written(frames, head=HEAD):
    return b"".join(xlsx.workbook("學習時數", head, frames))


def sheet_of(frames, head, **style):
    pieces = xlsx.workbook("a", head, frames, **style)
    return openpyxl.load_workbook(io.BytesIO(b"".join(pieces))).active


def texts(book):
    return [[cell.value or "" for cell in row] for row in book.active.iter_rows()]


def test_every_text_comes_back_as_it_was():
    frame = pl.DataFrame(dict.fromkeys(HEAD, ODD))
    book = openpyxl.load_workbook(io.BytesIO(written([frame, frame.head(2)])))
    head, *rows = texts(book)
    assert head == HEAD
    assert len(rows) == len(ODD) + 2
    for text, cells in zip([*ODD, *ODD[:2]], rows, strict=True):
        plain = "".join(c for c in text if c not in "\x00\x01\x08\x1f\ufffe\uffff")[:32_767]
        assert {excel_reads(cell) for cell in cells} == {plain}
    assert {cell.data_type for cells in book.active.iter_rows() for cell in cells} <= {
        "s",
        "n",
        "inlineStr",
    }
    assert not any(cell.hyperlink for cells in book.active.iter_rows() for cell in cells)


def excel_reads(text):
    return text.replace("_x005F_", "_") if isinstance(text, str) else text


def test_the_head_stands_still_and_has_a_filter():
    book = openpyxl.load_workbook(io.BytesIO(written([pl.DataFrame({n: ["甲"] for n in HEAD})])))
    sheet = book.active
    assert (sheet.title, sheet.freeze_panes, sheet.auto_filter.ref) == ("學習時數", "A2", "A1:AD1")
    assert sheet["A1"].font.b and not sheet["A2"].font.b
    assert sheet["A2"].number_format == "@"


def test_numbers_are_numbers_and_marked_cells_are_red_even_when_empty():
    mark = xlsx.mark_of("b")
    frame = pl.DataFrame({"a": [7, 8], "b": ["甲", ""], mark: [False, True], "c": ["", "乙"]})
    sheet = openpyxl.load_workbook(io.BytesIO(written([frame], ["數", "字", "末"]))).active
    rows = list(sheet.iter_rows(min_row=2))
    assert [[cell.value for cell in row] for row in rows] == [[7, "甲", None], [8, None, "乙"]]
    red = {cell.coordinate for row in rows for cell in row if cell.fill.fgColor.rgb == "FFFFD9D6"}
    assert red == {"B3"}
    assert sheet["B3"].font.color.rgb == "FF8C1D18" and sheet["B3"].number_format == "@"


def test_rows_of_any_cells_come_back_as_they_were():
    rows = [[text, n, n / 8, None, n if n % 2 else "無"] for n, text in enumerate(ODD)] * 150
    frames = list(xlsx.frames_of(rows))
    assert len(frames) > 1
    sheet = sheet_of(frames, HEAD[:5])
    read = list(sheet.iter_rows(min_row=2, values_only=True))
    for (first, *cells), (text, *others) in zip(read, rows, strict=True):
        plain = "".join(c for c in text if c not in "\x00\x01\x08\x1f\ufffe\uffff")[:32_767]
        assert (excel_reads(first) or "", cells) == (plain, others)


def test_a_guard_of_ours_is_distinguished_from_a_text_that_begins_like_one():
    texts = ["'=1", "''@x", "'甲", "=1", "'", " '=1"]
    sheet = sheet_of(xlsx.frames_of([[text] for text in texts]), ["a"])
    read = [cell for (cell,) in sheet.iter_rows(min_row=2, values_only=True)]
    assert read == ["''=1", "'''@x", "'甲", "=1", "'", "''=1"]
    assert [unguarded(cell) for cell in read] == [text.strip() for text in texts]


def test_half_a_character_is_left_out():
    assert sheet_of(xlsx.frames_of([["甲\ud800乙"]]), ["a"])["A2"].value == "甲乙"


def test_what_is_filled_into_an_empty_cell_stays_a_text():
    sheet = sheet_of(xlsx.frames_of([["甲", 1], ["", None]]), ["a", "b"], fillable=True)
    styles = [[cell.number_format for cell in row] for row in sheet.iter_rows(min_row=2)]
    assert styles == [["@", "General"], ["@", "@"]]
    assert [cell.value for cell in sheet[3]] == [None, None]


def test_columns_have_the_names_that_excel_gives_them():
    names = [get_column_letter(n) for n in range(1, 16_385)]
    assert [column_letters(n) for n in range(16_384)] == names
    assert list(map(column_index, names)) == list(range(16_384))


@pytest.mark.parametrize("count", [0, 7, 8, 9, 20])
def test_no_row_is_lost_that_a_sheet_has_no_room_for(monkeypatch, count):
    monkeypatch.setattr(xlsx, "ROWS_OF_A_SHEET", 8)
    cells = [f"{n}" for n in range(count)]
    parts = [pl.DataFrame({"a": cells[n : n + 3]}) for n in range(0, count, 3)]
    book = openpyxl.load_workbook(io.BytesIO(written(parts, ["欄"])))
    assert book.sheetnames == ["學習時數", "學習時數 2", "學習時數 3"][: max(1, -(-count // 8))]
    tables = [[cell for (cell,) in sheet.iter_rows(values_only=True)] for sheet in book]
    assert tables == [["欄", *cells[n : n + 8]] for n in range(0, count or 1, 8)]
    assert {sheet.freeze_panes for sheet in book} == {"A2"}


def test_the_archive_is_in_order_and_can_be_cut_anywhere():
    whole = written([])
    archive = zipfile.ZipFile(io.BytesIO(whole))
    assert archive.testzip() is None
    for name in archive.namelist():
        ElementTree.fromstring(archive.read(name))
    for length in range(0, len(whole) - 22, 97):
        with pytest.raises(zipfile.BadZipFile):
            zipfile.ZipFile(io.BytesIO(whole[:length]))


def test_rows_are_sent_before_the_last_is_read():
    read = []

    def frames():
        for number in range(50):
            read.append(number)
            yield pl.DataFrame({name: [f"{number}-{n}" for n in range(500)] for name in HEAD})

    pieces = xlsx.workbook("a", HEAD, frames())
    assert next(pieces)[:2] == b"PK"
    assert not read
    sizes = [len(next(pieces)) for _ in range(10)]
    # The head and nine are sent; one is read while the one before is written.
    assert len(read) == 10
    assert sum(sizes) > 10_000


@pytest.mark.parametrize("taken", range(1, 5))
def test_nothing_goes_on_when_nobody_takes_it_any_more(taken):
    frame = pl.DataFrame({name: ["字"] * 500 for name in HEAD})
    pieces = xlsx.workbook("a", HEAD, [frame] * 9)
    for _ in range(taken):
        next(pieces)
    pieces.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("writing")]


def test_what_breaks_off_does_not_look_whole():
    def broken():
        yield b"1,2\r\n"
        raise ValueError

    pieces = responses.to_the_end(broken(), "沒有傳完".encode())
    assert [next(pieces), next(pieces).decode()] == [b"1,2\r\n", "沒有傳完"]
    with pytest.raises(ValueError):
        next(pieces)


@pytest.mark.django_db
@pytest.mark.parametrize("at_once", [1, 10_000])
def test_the_export_shows_what_the_page_shows(account, import_bytes, monkeypatch, at_once):
    monkeypatch.setattr(listing_search, "_BATCH", at_once)
    import_bytes(
        data(
            row(),
            row(term="2", classroom_hours="", total="1", ended_on="115-01-07"),
            row(term="3", unit="小時"),
            row(term="4", title='"引號"，逗點, \\N 與 \\. 反斜線', fee="NULL"),
        )
    )
    person = account("IC1001", "agency_admin")
    newest = RecordPages((None, None), agency=person.agency, user=person, using="default")
    frames = list(listing_search.frames(newest))
    shown = [[listing_search.cell(record, name) for name in NAMES] for record in newest[0:9]]
    assert [list(cells) for frame in frames for cells in frame.iter_rows()] == shown
    assert len(shown) == 4


@pytest.mark.django_db
def test_the_export_asks_once_who_somebody_is(account, import_bytes, monkeypatch):
    monkeypatch.setattr(listing_search, "_BATCH", 1)
    days = ("115-01-05", "115-01-06", "115-01-07")
    import_bytes(data(*(row(started_on=day, ended_on=day) for day in days)))
    person = account("IC1001", "agency_admin")
    newest = RecordPages((None, None), agency=person.agency, user=person, using="default")
    frames = listing_search.frames(newest)
    assert [*next(frames)["name"]] == [PERSON.name]
    with CaptureQueriesContext(connection) as asked:
        assert [len(frame) for frame in frames] == [1, 1]
    assert not [query for query in asked if "accounts_account" in query["sql"]]
