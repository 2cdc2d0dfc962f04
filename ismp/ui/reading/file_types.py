"""Detect file types by first bytes and parts, not by name; and say what to do about them.

`refuse_others` is for tables (CSV, workbooks), `media_type` for files that are kept as they come.
Knows no Django.
"""

import io
import re
import zipfile
from collections.abc import Iterable
from typing import IO

from ismp.ui.reading.faults import FileRejected

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "這是 PDF 檔，不是 {wanted}；{instead}。"),
    (b"Rar!", "這是 RAR 壓縮檔；請解壓縮後上傳裡面的檔案，或改用 ZIP。"),
    (b"7z\xbc\xaf\x27\x1c", "這是 7z 壓縮檔；請解壓縮後上傳裡面的檔案，或改用 ZIP。"),
    (b"\x1f\x8b", "這是 gzip 壓縮檔；請解壓縮後上傳裡面的檔案，或改用 ZIP。"),
    (b"\x89PNG", "這是圖片，不是 {wanted}；{instead}。"),
    (b"\xff\xd8\xff", "這是圖片，不是 {wanted}；{instead}。"),
    (b"GIF8", "這是圖片，不是 {wanted}；{instead}。"),
    (b"{\\rtf", "這是 RTF 文件，不是 {wanted}；{instead}。"),
    (b"SQLite format 3\x00", "這是資料庫檔，不是 {wanted}；{instead}。"),
)
_OLE = b"\xd0\xcf\x11\xe0"
_OLE_STREAMS: tuple[tuple[str, str], ...] = (
    (
        "EncryptedPackage",
        "這是有密碼的 Excel 檔（或加密的 Office 檔），無法讀取；"
        "請在 Excel 的「檔案 › 資訊 › 保護活頁簿」移除密碼後再匯入。",
    ),
    ("WordDocument", "這是 Word 檔，不是 {wanted}；{instead}。"),
    ("PowerPoint Document", "這是 PowerPoint 檔，不是 {wanted}；{instead}。"),
)
_OLD_EXCEL = "這是舊版 Excel 檔（.xls），不是 {wanted}；{instead}。"
_ZIPPED: tuple[tuple[str, str], ...] = (
    ("xl/workbook.bin", "這是 Excel 二進位活頁簿（.xlsb），不是 {wanted}；{convert}。"),
    ("word/", "這是 Word 檔（.docx），不是 {wanted}；{instead}。"),
    ("ppt/", "這是 PowerPoint 檔（.pptx），不是 {wanted}；{instead}。"),
    ("Index/Document.iwa", "這是 Apple Numbers（或 Pages）檔，不是 {wanted}；{convert}。"),
)
_OPEN_DOCUMENTS = {
    b"application/vnd.oasis.opendocument.spreadsheet": "OpenDocument 試算表（.ods）",
    b"application/vnd.oasis.opendocument.text": "OpenDocument 文件（.odt）",
}
_OPEN_DOCUMENT = "這是 {kind}，不是 {wanted}；{convert}。"
_SPREADSHEET_ML = re.compile(
    rb"urn:schemas-microsoft-com:office:spreadsheet|progid\s*=\s*[\"']Excel\.Sheet", re.IGNORECASE
)
_HTML = re.compile(rb"<(!doctype\s+html|html|head|meta|body|table|script)\b", re.IGNORECASE)
_HEAD = 64 * 1024
_LOCAL_HEADER = 30
"""Bytes before the name of an entry."""
_MEDIA_TYPES = {
    "application/pdf": (0, b"%PDF-"),
    "image/jpeg": (0, b"\xff\xd8\xff"),
    "image/png": (0, b"\x89PNG\r\n\x1a\n"),
    "video/mp4": (4, b"ftyp"),
    "video/webm": (0, b"\x1a\x45\xdf\xa3"),
}
"""How files of a media type begin: where, and with what."""
DOCUMENTS = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png"}
"""Media types of what people scan or print, with their endings."""
HEAD_BYTES = 4_096
"""How many first bytes `media_type` and `is_plain_text` are asked about."""


class FileTypeRejected(ValueError):
    """The file cannot be kept; the text is one sentence in Chinese."""


def head_of(file: IO[bytes]) -> bytes:
    """Return the first bytes of an uploaded file, and stand at its beginning again."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    return head


def media_type(head: bytes) -> str:
    """Detect the type of a file that is kept as it comes; empty when unknown."""
    for found, (at, signature) in _MEDIA_TYPES.items():
        if head[at:].startswith(signature):
            return found
    return ""


def is_archive(head: bytes) -> bool:
    """Whether a file is a ZIP, as Office documents are too."""
    return head.startswith(b"PK\x03\x04")


def is_plain_text(head: bytes) -> bool:
    """Whether a file may be text: it holds no NUL and does not begin as markup."""
    return b"\0" not in head and not head.lstrip().startswith(b"<")


def refuse_others(
    data: bytes, *, wanted: str, instead: str, sign_in_again: str = "", as_it_came: bool = False
) -> None:
    """Raise FileRejected when a file is no table of text: say what it is and what to do.

    `wanted` is what the file should be (「CSV」), `instead` what to do, `sign_in_again` what to do
    about a page of a portal that was saved in its place.  A file that must come `as_it_came` from
    a portal is not to be saved as another kind.  Whoever takes workbooks too asks `is_workbook`
    first.
    """
    sentences = words(wanted, instead, as_it_came=as_it_came)
    for signature, sentence in _SIGNATURES:
        if data.startswith(signature):
            raise FileRejected(sentence.format(**sentences))
    if data.startswith(_OLE):
        raise FileRejected(_of_ole(data).format(**sentences))
    if is_archive(data):
        raise FileRejected(_of_zip(data).format(**sentences))
    _refuse_markup(_start_of(data), sentences, sign_in_again or instead)


def words(wanted: str, instead: str, *, as_it_came: bool = False) -> dict[str, str]:
    """The kind of file that the sentences ask for."""
    convert = f"請用 Excel 或 LibreOffice 開啟，另存成 {wanted} 再匯入"
    return {"wanted": wanted, "instead": instead, "convert": instead if as_it_came else convert}


def is_workbook(data: bytes) -> bool:
    """Whether the bytes are an .xlsx (or .xlsm): an archive with a workbook of XML inside."""
    return "xl/workbook.xml" in names_of(data)


def names_of(data: bytes) -> list[str]:
    """The names in an archive; empty for what is none or is damaged."""
    if not data.startswith(b"PK"):
        return []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError):
        return []


def share_bytes(entries: Iterable[zipfile.ZipInfo]) -> bool:
    """Whether entries of an archive overlap: one kernel under thousands of names is a bomb.

    A name stands before its bytes too, in a codec that takes half of UTF-8's at least.
    """
    end = 0
    for entry in sorted(entries, key=lambda one: one.header_offset):
        if entry.header_offset < end:
            return True
        name_bytes = len(entry.filename.encode()) // 2
        end = entry.header_offset + _LOCAL_HEADER + name_bytes + entry.compress_size
    return False


def kind_of_document(data: bytes) -> str:
    """The sentence about an archive that is a document of another program; empty for others."""
    return kind_of_archive(names_of(data), data[:200])


def kind_of_archive(names: list[str], head: bytes) -> str:
    """The same by the names in it and its first 200 bytes."""
    if "mimetype" in names:
        for kind, words in _OPEN_DOCUMENTS.items():
            if kind in head:
                return _OPEN_DOCUMENT.replace("{kind}", words)
        if "META-INF/manifest.xml" in names:
            return _OPEN_DOCUMENT.replace("{kind}", "OpenDocument 檔")
    for start, sentence in _ZIPPED:
        if any(name.startswith(start) for name in names):
            return sentence
    return ""


def _of_zip(data: bytes) -> str:
    if sentence := kind_of_document(data):
        return sentence
    if is_workbook(data):
        return "這是 Excel 檔（.xlsx），不是 {wanted}；{instead}。"
    return "這是壓縮檔或新版 Excel 檔，不是 {wanted}；{instead}。"


def _of_ole(data: bytes) -> str:
    """The names of the streams stand in the directory, in UTF-16."""
    for name, sentence in _OLE_STREAMS:
        if name.encode("utf-16-le") in data:
            return sentence
    return _OLD_EXCEL


def _start_of(data: bytes) -> bytes:
    """The first characters in ASCII, whatever the encoding, without a byte order mark."""
    head = data[:_HEAD]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", "replace").encode("ascii", "replace")
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()


def _refuse_markup(start: bytes, sentences: dict[str, str], sign_in_again: str) -> None:
    if start.startswith(b"<"):
        if _SPREADSHEET_ML.search(start):
            sentence = "這是 Excel 2003 的 XML 試算表，不是 {wanted}；{convert}。"
            raise FileRejected(sentence.format(**sentences))
        if _HTML.match(start) or _HTML.search(start[:1024]):
            raise FileRejected(
                f"這是網頁，不是 {sentences['wanted']}，可能是登入逾時存下來的畫面，"
                f"或是把網頁存成試算表的檔名；{sign_in_again}。"
            )
        if start.startswith(b"<?xml"):
            raise FileRejected("這是 XML 檔，不是 {wanted}；{instead}。".format(**sentences))
    if re.match(rb'[\[{]\s*["{\[]', start):
        raise FileRejected("這是 JSON 檔，不是 {wanted}；{instead}。".format(**sentences))
