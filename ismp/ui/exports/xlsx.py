"""A workbook of any length, sent while it is being read: no row waits for the last one.

Writers of .xlsx keep a file until it is whole, because a workbook is an archive; but an archive can
be written front to back.  So sheets are put together here, whole columns at a time, as text cells
and whole numbers only (never a formula, never a link), and zipped on its way.  Opens as
`tables.write` would.
"""

import logging
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, groupby
from operator import itemgetter
from typing import IO, Any
from xml.sax.saxutils import escape, quoteattr

import polars as pl
from django.http import StreamingHttpResponse
from xlsxwriter.utility import xl_col_to_name

from ismp.ui.exports.tables import MAX_CELL, MEDIA_TYPE, PLAIN_NUMBER

logger = logging.getLogger(__name__)

_FAST = 1
_HELD_BYTES = 16 * 1024 * 1024
"""So much of a file is put together before the first byte goes: a hundred thousand records."""
ROWS_OF_A_SHEET = 1_048_575
"""Excel's limit, without the head; of more it reads none or forgets the rest."""
_BROKEN_OFF = "\r\n檔案沒有傳完，請重新下載。\r\n".encode()
_NUMBER = "number of the row"
_NOT_XML = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x{FFFE}\x{FFFF}]"
"""Characters that XML cannot hold."""
_LIKE_AN_ESCAPE = r"_(x[0-9A-Fa-f]{4}_)"
"""Excel reads `_x0041_` in a text as A."""
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_ODD = rf"[&<>\r]|_x|{_NOT_XML}"


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

    A workbook without its end does not open.
    """
    try:
        yield from pieces
    except Exception as error:
        logger.error("an export broke off: %s", type(error).__name__)
        yield last_words
        raise


def _answer(
    pieces: Iterable[bytes], name: str, media_type: str, last_words: bytes = b""
) -> StreamingHttpResponse:
    """A file to take away that never looks whole when it is not.

    The web server ends an answer that breaks off as it ends any other, so that nobody could tell.
    What fits in `_HELD_BYTES` is therefore whole before the first byte goes, with its length; what
    breaks raises here and is an error page.  More is sent while it is being read.
    """
    going, held, size = iter(pieces), list[bytes](), 0
    while size <= _HELD_BYTES and (piece := next(going, None)) is not None:
        held.append(piece)
        size += len(piece)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    if size <= _HELD_BYTES:
        headers["Content-Length"] = str(size)
    sent = _one_by_one(held, to_the_end(going, last_words))
    return StreamingHttpResponse(sent, content_type=media_type, headers=headers)


def _one_by_one(held: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    """A generator, so that who stops taking it closes what it is read from."""
    yield from held
    yield from rest


def csv_answer(pieces: Iterable[bytes], name: str) -> StreamingHttpResponse:
    """A CSV to take away; one that is too long to be held says in its last line if it broke off."""
    return _answer(pieces, name, "text/csv; charset=utf-8", _BROKEN_OFF)


def workbook_answer(pieces: Iterable[bytes], name: str) -> StreamingHttpResponse:
    return _answer(pieces, name, MEDIA_TYPE)


def mark_of(column: str) -> str:
    """The name of a boolean column beside a column: which of its cells are coloured."""
    return f"{column} marked"


def workbook(
    title: str,
    head: list[str],
    frames: Iterable[pl.DataFrame],
    numbers: frozenset[str] = frozenset(),
) -> Iterator[bytes]:
    """A bold head that stands still, with a filter, and the rows of all frames (as wide as the
    head, but for their marks); what is more than a sheet holds goes on in the next one.

    Of the columns of text in `numbers` what looks like a plain number is one.
    """
    sent, number = _Sent(), 1
    with zipfile.ZipFile(sent, "w", zipfile.ZIP_DEFLATED, compresslevel=_FAST) as archive:  # type: ignore[call-overload]
        for name, text in _PARTS.items():
            archive.writestr(name, text)
        yield sent.taken()
        for number, parts in groupby(_by_sheet(frames), key=itemgetter(0)):
            for _ in _sheet(archive, number, head, (frame for _, frame in parts), numbers):
                yield sent.taken()
        for name, text in _contents(title, number).items():
            archive.writestr(name, text)
    yield sent.taken()


def _by_sheet(frames: Iterable[pl.DataFrame]) -> Iterator[tuple[int, pl.DataFrame]]:
    """The frames, cut where a sheet is full, each with the number of its sheet; none are one
    without rows."""
    done = 0
    for frame in frames:
        rest = frame
        while len(rest):
            full, used = divmod(done, ROWS_OF_A_SHEET)
            part = rest.head(ROWS_OF_A_SHEET - used)
            yield full + 1, part
            done, rest = done + len(part), rest.slice(len(part))
    if not done:
        yield 1, pl.DataFrame()


def _sheet(
    archive: zipfile.ZipFile,
    number: int,
    head: list[str],
    frames: Iterable[pl.DataFrame],
    numbers: frozenset[str],
) -> Iterator[None]:
    """Write one; goes on when its head and each of its frames is written."""
    with archive.open(f"xl/worksheets/sheet{number}.xml", "w", force_zip64=True) as sheet:
        sheet.write(_beginning(head).encode())
        yield
        yield from _written(sheet, frames, numbers)
        sheet.write(f'</sheetData><autoFilter ref="{_whole_head(head)}"/></worksheet>'.encode())


def _written(
    sheet: IO[bytes], frames: Iterable[pl.DataFrame], numbers: frozenset[str]
) -> Iterator[None]:
    """Write the rows of each frame in a thread, while the caller's, which owns the connection that
    they are read by, gets the next one.  Goes on when a frame is written."""

    def write(frame: pl.DataFrame, after: int) -> None:
        sheet.write(_rows(frame, after, numbers))

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
        f'<c r="{xl_col_to_name(n)}1" s="1" t="inlineStr"><is><t>{escape(name)}</t></is></c>'
        for n, name in enumerate(head)
    )
    return (
        f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView>'
        f'</sheetViews><cols><col min="1" max="{len(head)}" width="16.7" customWidth="1"/></cols>'
        f'<sheetData><row r="1">{cells}</row>'
    )


def _rows(frame: pl.DataFrame, after: int, numbers: frozenset[str]) -> bytes:
    """The rows that follow row `after`, column by column; empty cells are left out."""
    shown = [name for name, kind in frame.schema.items() if kind != pl.Boolean]
    number = pl.int_range(after + 1, after + 1 + pl.len()).cast(pl.String)
    frame = _escaped(frame).with_columns(number.alias(_NUMBER))
    cells = chain.from_iterable(
        _cell(frame, name, xl_col_to_name(at), numeric=name in numbers)
        for at, name in enumerate(shown)
    )
    rows = frame.select(
        pl.concat_str(pl.lit('<row r="'), _NUMBER, pl.lit('">'), *cells, pl.lit("</row>"))
    )
    return b"".join(rows.to_series().cast(pl.Binary))


def _cell(frame: pl.DataFrame, column: str, letters: str, *, numeric: bool) -> list[pl.Expr]:
    """The parts that a row's cell is joined from: one, a condition, only where cells are coloured
    or empty, because that costs as much as joining all the others."""
    place, text = [pl.lit(f'<c r="{letters}'), pl.col(_NUMBER)], pl.col(column)
    if frame.schema[column] != pl.String:
        return [*place, pl.lit('"><v>'), text, pl.lit("</v></c>")]
    text_cell = [pl.lit('" t="inlineStr"><is><t xml:space="preserve">'), text]
    text_cell.append(pl.lit("</t></is></c>"))
    plain = [*place, pl.lit('" s="2'), *text_cell]
    mark = mark_of(column)
    coloured = mark in frame.columns and frame[mark].any()
    if not numeric and not coloured and (frame[column] != "").all():
        return plain
    cell, no_text = pl.concat_str(plain), pl.lit("")
    if coloured:
        red = [*place, pl.lit('" s="3')]
        cell = pl.when(mark).then(pl.concat_str(*red, *text_cell)).otherwise(cell)
        no_text = pl.when(mark).then(pl.concat_str(*red, pl.lit('"/>'))).otherwise(no_text)
    if numeric:
        number = pl.concat_str(*place, pl.lit('"><v>'), text, pl.lit("</v></c>"))
        cell = pl.when(text.str.contains(PLAIN_NUMBER)).then(number).otherwise(cell)
    return [pl.when(text == "").then(no_text).otherwise(cell)]


def _escaped(frame: pl.DataFrame) -> pl.DataFrame:
    """Texts as XML and Excel want them; most columns need no change, and asking costs less."""
    texts = pl.col(pl.String)
    odd = frame.select(texts.str.contains(_ODD).any() | (texts.str.len_bytes() > MAX_CELL).any())
    return frame.with_columns(
        pl.col(name)
        .str.slice(0, MAX_CELL)
        .str.replace_all(_NOT_XML, "")
        .str.replace_all(_LIKE_AN_ESCAPE, "_x005F_$1")
        .str.replace_many(_ESCAPES)
        for name in odd.columns
        if odd[name].any()
    )


def _contents(title: str, count: int) -> dict[str, str]:
    """The parts that say which sheets there are: the last ones, because only then it is known."""
    sheets = range(1, count + 1)
    parts = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPES}.worksheet+xml"/>'
        for n in sheets
    )
    targets = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in sheets
    )
    names = [title, *(f"{title} {n}" for n in sheets[1:])]
    titles = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{n}" r:id="rId{n}"/>'
        for n, name in enumerate(names, 1)
    )
    return {
        "xl/workbook.xml": f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
        f"<bookViews><workbookView/></bookViews><sheets>{titles}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
        f'{targets}<Relationship Id="styles" Type="{_OFFICE}/styles" Target="styles.xml"/>'
        "</Relationships>",
        "[Content_Types].xml": f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>{parts}'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPES}.styles+xml"/></Types>',
    }


def _whole_head(head: list[str]) -> str:
    return f"A1:{xl_col_to_name(len(head) - 1)}1"


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
    "_rels/.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    "</Relationships>",
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
