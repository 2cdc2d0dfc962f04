"""Encodings, structure, headers and containers: what is read, what is refused and how."""

import io
import zipfile

import pytest

from tests.support.portal_files import TITLES, data, packed, row, text

pytestmark = pytest.mark.django_db
NAMES = ["許功蓋", "王堃", "林喆", "陳碁銹"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_unicode_encoding(import_bytes, encoding):
    rows = [row(term=str(n), title=name) for n, name in enumerate(NAMES)]
    assert import_bytes(text(*rows).encode(encoding))["created"] == 4


def test_cp950_with_user_defined_and_broken_characters(import_bytes):
    plain = data(row(title="許功蓋"), row(title="x")).replace(b'"x"', b'"\xfa@\xff"')
    result = import_bytes(plain)
    assert result["created"] == 2
    from ismp.hours.models import Record

    assert set(Record.objects.values_list("title", flat=True)) == {"許功蓋", "\ue000\ufffd"}


def test_header_in_one_encoding_and_body_in_another(import_bytes):
    head, body = text(row(title="許功蓋")).split("\r\n", 1)
    assert import_bytes(head.encode("cp950") + b"\r\n" + body.encode("utf-8"))["created"] == 1


@pytest.mark.parametrize(
    "content",
    [
        text(row(), end="\n"),
        text(row(), end="\r"),
        text(row()).rstrip(),
        text(row()) + "\r\n   \r\n",
        text(row(title="甲\r\n乙")),
        text(row(title='甲"乙')),
        text(row(), separator=";"),
        text(row(), separator="\t"),
        "sep=,\r\n" + text(row()),
        "終身學習時數\r\n\r\n" + text(row()),
        text(row()) + "\x1a",
        text(row(title="甲\u2028乙")),
        text(row(national_id='="' + row()[0] + '"')),
        text(row(), head=["身份證號*", *TITLES[1:]]),
        text([*row(), "x"], head=[*TITLES, "備註"]),
        text(row()[::-1], head=TITLES[::-1]),
        text([*row(), ""]),
    ],
    ids=range(17),
)
def test_structures_that_are_read(import_bytes, content):
    result = import_bytes(content.encode())
    assert (result["total"], result["created"], result["rejected"]) == (1, 1, 0), result


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "空的"),
        (data(), "沒有任何一列"),
        (text(row()).split("\r\n", 1)[1].encode(), "標題列"),
        (text(row()).encode("gb18030"), "標題列"),
        (text(row(), row()).encode()[:-31], "引號"),
        (text(row()).replace('"資通安全通識"', '"資通"安全"').encode(), "第 2 列"),
        (text(row(), head=[*TITLES[:21], TITLES[0]]).encode(), "兩次"),
        (text(row(), head=[*TITLES, *map(str, range(60))]).encode(), "上限"),
        (b"PK\x03\x04xl/", "損壞"),
        (b"\xd0\xcf\x11\xe0", "Excel"),
        (b"%PDF-1.7", "PDF"),
        (b"<!DOCTYPE html><p>", "網頁"),
        (b"Rar!\x1a", "RAR"),
    ],
    ids=range(13),
)
def test_files_that_are_refused(import_bytes, content, words):
    from ismp.audit.models import Event
    from ismp.hours.models import Record
    from ismp.imports.models import ImportRun

    result = import_bytes(content)
    assert result["state"] == "refused"
    assert words in result["reason"]
    assert not Record.objects.exists()
    assert ImportRun.objects.get().state == "refused"
    assert Event.objects.filter(verb="import_hours").count() == 1


@pytest.mark.parametrize("index", range(22))
def test_each_missing_column_is_named(import_bytes, index):
    keep = [i for i in range(22) if i != index]
    head, cells = [TITLES[i] for i in keep], [row()[i] for i in keep]
    result = import_bytes(text(cells, head=head).encode())
    assert result["state"] == "refused"
    assert TITLES[index] in result["reason"]
    if TITLES[index] in {"課程類別", "部門單位"}:
        tick = {"課程類別": "匯出課程類別欄位", "部門單位": "匯出部門單位"}[TITLES[index]]
        assert f"勾選「{tick}」" in result["reason"]  # as the portal itself names its boxes


def test_too_many_or_too_few_fields(import_bytes):
    result = import_bytes(text(row()[:-1], [*row(), "x"], row()).encode())
    assert [(r["line"], r["code"]) for r in result["rejections"]] == [
        (2, "columns"),
        (3, "columns"),
    ]


def test_archives_that_are_read(import_bytes):
    assert import_bytes(packed({"a.csv": data(row()), "Thumbs.db": b"x"}))["created"] == 1
    locked = packed({"a.csv": data(row())}, b"Abc12345")
    assert import_bytes(locked, password="Abc12345")["unchanged"] == 1
    for password in (None, "wrong"):
        assert "密碼" in import_bytes(locked, password=password)["reason"]


@pytest.mark.parametrize(
    "entries",
    [
        {"a.csv": b"x", "b.csv": b"y"},
        {"a.txt": b"x", "b.txt": b"y"},
        {"a.csv": packed({"b.csv": b"x"})},
        {"../a.csv": b"x"},
        {"a.zip": b"x"},
    ],
    ids=["two", "none", "nested", "traversal", "archive"],
)
def test_archives_that_are_refused(import_bytes, entries):
    assert import_bytes(packed(entries))["state"] == "refused"


def test_an_archive_that_unpacks_beyond_the_limit(import_bytes, settings):
    settings.UPLOAD_MAX_BYTES = 10_000
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"0" * 1_000_000)
    assert "MB" in import_bytes(buffer.getvalue())["reason"]


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


OPEN_DOCUMENT = {
    "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
    "content.xml": "<x/>",
}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped(**OPEN_DOCUMENT), "OpenDocument 試算表"),
        (zipped(**{"Index/Document.iwa": b"x"}), "Numbers"),
        (zipped(**{"word/document.xml": "<x/>"}), "Word"),
        (b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "有密碼的 Excel"),
        (b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?><a/>', "XML 試算表"),
        (b'[{"a": 1}]', "JSON"),
    ],
)
def test_a_file_of_another_type_is_named_for_what_it_is(import_bytes, content, words):
    result = import_bytes(content)
    assert result["state"] == "refused"
    assert words in result["reason"], result["reason"]


def test_what_a_mac_puts_beside_a_file_is_no_csv(import_bytes):
    content = zipped(
        **{"成績.csv": data(row()), "._成績.csv": b"\0\5\x16\7", "__MACOSX/._a.csv": b""}
    )
    assert import_bytes(content)["created"] == 1
