"""Exports: whole or not at all, and numbers as numbers."""

import io
import re
import zipfile

import openpyxl
import pytest
from django.db import OperationalError

from ismp.hours.listing import search as listing_search
from ismp.ui.exports import responses, xlsx
from ismp.ui.resources import resource
from tests.support.examples import modules
from tests.support.portal_files import data
from tests.support.portal_files import row_of_today as row

pytestmark = pytest.mark.django_db
EXPORT = "/manage/learning-map/hours/export/"


@pytest.fixture
def manager(client, account):
    client.force_login(account("IC1001", "platform_admin"))
    return client


@pytest.fixture
def two(import_bytes):
    import_bytes(data(row(fee="1200"), row(term="2", fee="免費")))


def broken_after(count):
    """A reading that breaks off after so many parts, as when the database goes away."""

    def frames(newest, **asked):
        for number, frame in enumerate(whole(newest, **asked)):
            if number == count:
                raise OperationalError
            yield frame
        raise OperationalError

    whole = listing_search.frames
    return frames


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("count", [0, 1])
def test_an_export_that_breaks_off_is_an_error_page(clerk, two, monkeypatch, kind, count):
    monkeypatch.setattr(listing_search, "_BATCH", 1)
    monkeypatch.setattr(listing_search, "frames", broken_after(count))
    clerk.raise_request_exception = False
    answer = clerk.get(EXPORT, {"format": kind})
    assert answer.status_code == 503
    assert "請等幾秒" in answer.content.decode()


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_list_that_breaks_off_is_an_error_page(manager, things, monkeypatch, kind):
    def broken(*_, **__):
        yield "\ufeff".encode()
        raise OperationalError

    # Before a row is read: a cursor that an exception keeps would be closed in another test.
    monkeypatch.setattr(resource, "csv_lines", broken)
    monkeypatch.setattr(xlsx, "workbook", broken)
    manager.raise_request_exception = False
    for module in modules():
        answer = manager.get(module.address("export"), {"format": kind})
        assert answer.status_code == 503, module.name


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_what_is_too_long_to_be_held_does_not_look_whole(clerk, two, monkeypatch, kind):
    monkeypatch.setattr(listing_search, "_BATCH", 1)
    monkeypatch.setattr(listing_search, "frames", broken_after(1))
    monkeypatch.setattr(responses, "_HELD_BYTES", 1)
    answer = clerk.get(EXPORT, {"format": kind})
    assert "Content-Length" not in answer
    got = b""
    with pytest.raises(OperationalError):
        for piece in answer.streaming_content:
            got += piece
    if kind == "csv":
        assert got.decode("utf-8-sig").endswith("檔案沒有傳完，請重新下載。\r\n")
    else:
        with pytest.raises(zipfile.BadZipFile):
            zipfile.ZipFile(io.BytesIO(got))


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_export_says_how_long_it_is(clerk, two, kind):
    answer = clerk.get(EXPORT, {"format": kind})
    assert int(answer["Content-Length"]) == len(answer.getvalue())


def test_hours_and_fees_are_numbers(clerk, two):
    book = openpyxl.load_workbook(io.BytesIO(clerk.get(EXPORT).getvalue()))
    head, *rows = book.active.iter_rows(values_only=True)
    reported = [dict(zip(head, cells, strict=True)) for cells in rows]
    assert {one["費用"] for one in reported} == {1200, "免費"}
    assert all(isinstance(one["訓練總數"], int | float) for one in reported)
    assert not any(
        isinstance(one[title], str) for one in reported for title in ("數位時數", "實體時數")
    )


def test_hours_of_every_list_are_numbers(manager, things):
    for module in modules():
        answer = manager.get(module.address("export"))
        book = openpyxl.load_workbook(io.BytesIO(answer.getvalue()))
        head, *rows = book.active.iter_rows(values_only=True)
        for cells in rows:
            for title, cell in zip(head, cells, strict=True):
                if re.search("時數|費用|成績|數量", title) and isinstance(cell, str):
                    assert not re.fullmatch(r"[0-9.]+", cell), (module.name, title)


@pytest.mark.parametrize(
    ("text", "number"),
    [("3", 3), ("2.5", 2.5), ("-1", -1), ("0", 0), ("007", "007"), ("1e3", "1e3"), ("", "")],
)
def test_what_is_a_number(text, number):
    pieces = xlsx.workbook("a", ["b"], xlsx.frames_of([[text]]), {"0"})
    sheet = openpyxl.load_workbook(io.BytesIO(b"".join(pieces))).active
    assert sheet["A2"].value == (None if number == "" else number)


def test_codes_stay_texts(clerk, import_bytes):
    import_bytes(data(row(fee="007", term="007")))
    book = openpyxl.load_workbook(io.BytesIO(clerk.get(EXPORT).getvalue()))
    head, cells = book.active.iter_rows(values_only=True)
    values = dict(zip(head, cells, strict=True))
    assert (values["費用"], values["期別"]) == ("007", "007")
