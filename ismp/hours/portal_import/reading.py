"""From bytes to a table of text: what kind of file it is, its header, its encoding.

Knows the portal's columns (`layout`) and no meaning of a cell; no Django.  There is one kind of
failure: the file is refused, with one sentence that says what it is and what to do.  The records
are cut by `parsing`.

Source: docs/explain/laws.md, findings.
"""

import codecs
import csv
import io
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from ismp.accounts import national_id
from ismp.hours.portal_import import parsing
from ismp.hours.portal_import.layout import COLUMNS, UPLOAD_TEMPLATE_ONLY
from ismp.hours.portal_import.parsing import Header
from ismp.imports.rejection import OtherTypes, too_large
from ismp.ui.reading.faults import FileRejected
from ismp.ui.reading.raw import Limits

HEAD_BYTES = 64 * 1024
LINES_ABOVE_HEADER = 10
KNOWN_ENOUGH = 5
"""So many known column names make a record the header, whatever else it holds."""

_ALIASES = {
    re.sub(r"[\s*]", "", unicodedata.normalize("NFKC", title)): column.name
    for column in COLUMNS
    for title in (column.title, *column.aliases)
}
_SEPARATORS = ",;\t"


@dataclass(frozen=True)
class Table:
    """The file's records, read as they are asked for: memory stays flat."""

    slices: Iterator[pl.DataFrame]
    """Each has `line`, `width_ok` and the 22 columns as raw text; may raise FileRejected."""
    ignored: list[str]
    """Header names that are none of ours."""


def read(pieces: Iterable[bytes], limits: Limits) -> Table:
    """Read a CSV of the portal, given in pieces of any size.  Raises FileRejected."""
    rest = _counted(pieces, limits)
    first: list[bytes] = []
    while sum(map(len, first)) < 2 * HEAD_BYTES and (piece := next(rest, b"")):
        first.append(piece)
    head = b"".join(first)
    if not head:
        raise FileRejected("這個檔案是空的（0 位元組），請重新下載成績檔後再上傳。")
    PORTAL.refuse(head)
    header = _find_header(head)
    names, ignored = _columns(header, limits)
    return Table(parsing.slices(itertools.chain(first, rest), header, names, limits), ignored)


def _counted(pieces: Iterable[bytes], limits: Limits) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limits.max_bytes:
            raise FileRejected(too_large(limits))
        yield piece


# --- What the first bytes say ----------------------------------------------------------------

PORTAL = OtherTypes(
    "請上傳入口網下載的原始成績檔",
    sign_in_again="請重新登入入口網下載成績檔",
    as_it_came=True,
)


# --- The header proves the encoding ------------------------------------------------------------


def _find_header(data: bytes) -> Header:
    for codec in _candidates(data):
        head = data[: HEAD_BYTES * (2 if codec.startswith("utf-16") else 1)]
        text = head.decode(codec, "replace").replace("\x00", "")
        for separator in _SEPARATORS:
            if found := _header_in(text, codec, separator):
                return found
    raise FileRejected(
        "找不到成績檔的標題列（身分證字號、姓名……），檔案可能被編輯過或另存成別的編碼；"
        "請重新下載成績檔，不要開啟編輯，直接上傳。"
    )


def _candidates(data: bytes) -> Iterator[str]:
    if data.startswith(codecs.BOM_UTF8):
        yield "utf-8-sig"
    elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        yield "utf-16"
    else:
        yield from ("utf-8", "cp950", "utf-16-le", "utf-16-be")


def _header_in(text: str, codec: str, separator: str) -> Header | None:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for above, cells in enumerate(reader):
            if above > LINES_ABOVE_HEADER:
                return None
            known = {_ALIASES.get(_fold(cell)) for cell in cells} - {None}
            if len(known) >= KNOWN_ENOUGH or (len(known) > 1 and "national_id" in known):
                return Header(codec, separator, above, cells)
    except csv.Error:
        return None
    return None


def _fold(cell: str) -> str:
    plain = re.sub(r"[\s*\ufeff\u200b]", "", unicodedata.normalize("NFKC", cell))
    return plain.replace("身份", "身分")


def _columns(header: Header, limits: Limits) -> tuple[list[str | None], list[str]]:
    """The column name of each header cell, or None for a cell that is none of ours."""
    if len(header.cells) > limits.max_columns:
        raise FileRejected(
            f"標題列有 {len(header.cells)} 欄，超過上限 {limits.max_columns} 欄，"
            "請重新下載成績檔，不要編輯，直接上傳。"
        )
    folded = [_fold(cell) for cell in header.cells]
    names = [_ALIASES.get(cell) for cell in folded]
    if len(set(folded) & set(UPLOAD_TEMPLATE_ONLY)) > 1:
        raise FileRejected(
            "這是入口網的「上傳成績」範本，不是下載的成績檔；"
            "請到「人事單位 › 成績下載」下載成績檔後再上傳。"
        )
    for column in COLUMNS:
        if names.count(column.name) > 1:
            raise FileRejected(
                f"標題列的「{column.title}」出現兩次，請重新下載成績檔，不要編輯，直接上傳。"
            )
    missing = [column for column in COLUMNS if column.name not in names]
    if missing:
        titles = "、".join(column.title for column in missing)
        ticks = "、".join(f"「{column.tick}」" for column in missing if column.tick)
        todo = f"請在入口網的成績下載畫面勾選{ticks}，" if ticks else "請"
        raise FileRejected(f"檔案缺少欄位：{titles}。{todo}重新下載後再上傳。")
    unknown = (cell for cell, name in zip(folded, names, strict=True) if cell and not name)
    ignored = [national_id.hide(cell) for cell in unknown]
    return names, ignored
