"""The type of a file by its first bytes, whatever its name says."""

import io
import zipfile

import pytest

from ismp.ui.reading import file_types

PDF, PNG = b"%PDF-1.7\n", b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (PDF, "application/pdf"),
        (b"%PDF", ""),
        (b" %PDF-1.7", ""),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (PNG, "image/png"),
        (b"\x89PNG\n", ""),
        (b"\0\0\0\x20ftypisom", "video/mp4"),
        (b"\x1a\x45\xdf\xa3", "video/webm"),
        (b"PK\x03\x04", ""),
        (b"", ""),
    ],
)
def test_the_type_of_a_file_that_is_kept(head, found):
    assert file_types.media_type(head) == found


def test_who_looks_at_the_head_leaves_the_file_at_its_beginning():
    file = io.BytesIO(PDF + b"x" * 9_999)
    file.seek(7)
    assert file_types.head_of(file) == PDF + b"x" * (file_types.HEAD_BYTES - len(PDF))
    assert file.tell() == 0


@pytest.mark.parametrize(
    ("head", "text", "archive"),
    [
        ("說明".encode(), True, False),
        (b"", True, False),
        (b"a\0b", False, False),
        (b" \n<html>", False, False),
        (b"PK\x03\x04x", True, True),
        (b"PK\x05\x06", True, False),
    ],
)
def test_texts_and_archives(head, text, archive):
    assert (file_types.is_plain_text(head), file_types.is_archive(head)) == (text, archive)


def test_entries_of_an_archive_that_share_bytes():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("名稱.csv", "內容" * 99)
        archive.writestr("b.csv", "")
    entries = zipfile.ZipFile(file).infolist()
    assert not file_types.share_bytes(entries)
    entries[1].header_offset -= 200
    assert file_types.share_bytes(entries)
