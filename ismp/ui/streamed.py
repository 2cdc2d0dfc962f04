"""A workbook of any length, sent while it is being read: no row waits for the last one.

Writers of .xlsx keep a file until it is whole, because a workbook is an archive; but an archive can
be written front to back.  So the sheet is put together here, whole columns at a time, as text cells
and whole numbers only (never a formula, never a link), and zipped on its way.  Opens as
`workbook.write` would.
"""

import logging
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any
from xml.sax.saxutils import escape, quoteattr

import polars as pl

from ismp.ui.workbook import MAX_CELL

logger = logging.getLogger(__name__)

_FAST = 1
_NO_XML = bytes(set(range(32)) - {0x09, 0x0A, 0x0D})
"""Bytes of characters that XML cannot hold; the other two such characters are below."""
_NO_CHARACTERS = ("\ufffe".encode(), "\uffff".encode())
_LIKE_AN_ESCAPE = r"_(x[0-9A-Fa-f]{4}_)"
"""Excel reads `_x0041_` in a text as A."""


class _Sent:
    """What the archive has written and nobody has taken yet; it cannot be gone back in."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing to do: what is written is there."""

    def taken(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def to_the_end(pieces: Iterable[bytes], last_words: bytes) -> Iterator[bytes]:
    """The pieces; if they break off, what is sent must not look whole: `last_words` say so.

    (A workbook without its end does not open.)
    """
    try:
        yield from pieces
    except Exception as error:
        logger.error("an export broke off: %s", type(error).__name__)
        yield last_words
        raise


def mark_of(column: str) -> str:
    """The name of a boolean column beside a column: which of its cells are coloured."""
    return f"{column} marked"


def workbook(title: str, head: list[str], frames: Iterable[pl.DataFrame]) -> Iterator[bytes]:
    """One sheet: a bold head that stands still, with a filter, and the rows of all frames (as wide
    as the head, but for their marks)."""
    sent = _Sent()
    with zipfile.ZipFile(sent, "w", zipfile.ZIP_DEFLATED, compresslevel=_FAST) as archive:  # type: ignore[call-overload]
        for name, text in _PARTS.items():
            archive.writestr(name, text.replace("TITLE", quoteattr(title)))
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            sheet.write(_beginning(head).encode())
            yield sent.taken()
            for _ in _written(sheet, frames):
                yield sent.taken()
            sheet.write(f'</sheetData><autoFilter ref="{_whole_head(head)}"/></worksheet>'.encode())
    yield sent.taken()


def _written(sheet: IO[bytes], frames: Iterable[pl.DataFrame]) -> Iterator[None]:
    """Write the rows of each frame in a thread, while the caller's, which owns the connection that
    they are read by, gets the next one.  Goes on when a frame is written."""

    def write(frame: pl.DataFrame, after: int) -> None:
        sheet.write(_rows(frame, after))

    done, writing = 1, None
    with ThreadPoolExecutor(1, thread_name_prefix="writing") as thread:
        for frame in frames:
            if writing:
                writing.result()
                yield
            writing = thread.submit(write, frame, done)
            done += len(frame)
        if writing:
            writing.result()
            yield


def _beginning(head: list[str]) -> str:
    cells = "".join(
        f'<c r="{_letters(n)}1" s="1" t="inlineStr"><is><t>{escape(name)}</t></is></c>'
        for n, name in enumerate(head)
    )
    return (
        f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView>'
        f'</sheetViews><cols><col min="1" max="{len(head)}" width="16.7" customWidth="1"/></cols>'
        f'<sheetData><row r="1">{cells}</row>'
    )


def _rows(frame: pl.DataFrame, after: int) -> bytes:
    """The rows that follow row `after`, column by column; empty cells are left out."""
    number = pl.int_range(after + 1, after + 1 + pl.len()).cast(pl.String)
    shown = [name for name, kind in frame.schema.items() if kind != pl.Boolean]
    cells = [_cells(frame, column, _letters(n), number) for n, column in enumerate(shown)]
    texts = frame.select(pl.col(pl.String)).get_columns()
    rows = frame.with_columns(map(_safe, texts)).select(
        pl.concat_str(pl.lit('<row r="'), number, pl.lit('">'), *cells, pl.lit("</row>"))
    )
    data = "".join(rows.to_series()).encode().translate(None, _NO_XML)
    for character in _NO_CHARACTERS:
        data = data.replace(character, b"")
    return data


def _cells(frame: pl.DataFrame, column: str, letters: str, number: pl.Expr) -> pl.Expr:
    place = pl.concat_str(pl.lit(f'<c r="{letters}'), number)
    if frame.schema[column] != pl.String:
        return pl.concat_str(place, pl.lit('"><v>'), column, pl.lit("</v></c>"))
    text, no_text = [pl.lit('" t="inlineStr"><is><t xml:space="preserve">')], pl.lit("")
    text += [pl.col(column), pl.lit("</t></is></c>")]
    style = pl.lit('" s="2')
    if (mark := mark_of(column)) in frame.columns:
        red = pl.concat_str(place, pl.lit('" s="3"/>'))
        no_text = pl.when(mark).then(red).otherwise(no_text)
        style = pl.when(mark).then(pl.lit('" s="3')).otherwise(style)
    cell = pl.concat_str(place, style, *text)
    return pl.when(pl.col(column) == "").then(no_text).otherwise(cell)


def _safe(texts: pl.Series) -> pl.Series:
    if (texts.str.len_bytes().max() or 0) > MAX_CELL:  # type: ignore[operator]
        texts = texts.str.slice(0, MAX_CELL)
    if texts.str.contains("_x", literal=True).any():
        texts = texts.str.replace_all(_LIKE_AN_ESCAPE, "_x005F_$1")
    return texts.str.replace_many(["&", "<", ">", "\r"], ["&amp;", "&lt;", "&gt;", "&#13;"])


def _whole_head(head: list[str]) -> str:
    return f"A1:{_letters(len(head) - 1)}1"


def _letters(number: int) -> str:
    """0 → A, 25 → Z, 26 → AA."""
    return (_letters(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)


def _fill(colour: str) -> str:
    pattern = f'<fgColor rgb="FF{colour}"/><bgColor indexed="64"/>'
    return f'<fill><patternFill patternType="solid">{pattern}</patternFill></fill>'


_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_THIN = "".join(f'<{side} style="thin"/>' for side in ("left", "right", "top", "bottom"))
_PARTS = {
    "[Content_Types].xml": f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType='
    '"application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPES}.worksheet+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_TYPES}.styles+xml"/></Types>',
    "_rels/.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    "</Relationships>",
    "xl/workbook.xml": f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
    '<bookViews><workbookView/></bookViews><sheets><sheet name=TITLE sheetId="1" r:id="rId1"/>'
    "</sheets></workbook>",
    "xl/_rels/workbook.xml.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": f'{_XML}<styleSheet xmlns="{_MAIN}">'
    '<fonts count="3"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font>'
    '<font><sz val="11"/><color rgb="FF8C1D18"/><name val="Calibri"/></font></fonts>'
    '<fills count="4"><fill><patternFill patternType="none"/></fill>'
    f'<fill><patternFill patternType="gray125"/></fill>{_fill("E6EFEF")}{_fill("FFD9D6")}</fills>'
    f'<borders count="2"><border/><border>{_THIN}</border></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="4"><xf xfId="0"/>'
    '<xf fontId="1" fillId="2" borderId="1" applyFont="1" applyFill="1" applyBorder="1"/>'
    '<xf numFmtId="49" applyNumberFormat="1"/>'
    '<xf numFmtId="49" fontId="2" fillId="3" applyNumberFormat="1" applyFont="1" applyFill="1"/>'
    "</cellXfs>"
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>",
}
