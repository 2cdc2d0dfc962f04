"""A workbook of any length, sent while it is being read: no row waits for the last one.

Writers of .xlsx keep a file until it is whole, because a workbook is an archive; but an archive can
be written front to back.  So sheets are put together here, whole columns at a time, as text cells
and numbers only (never a formula, never a link), and zipped on its way.  The only writer of .xlsx:
`workbook` takes data frames, `frames_of` makes them of rows.  Knows no Django and no domain.
"""

import re
import zipfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import IO, Any
from xml.sax.saxutils import escape, quoteattr

import polars as pl

from ismp.ui.exports.cells import MAX_CELL, PLAIN_NUMBER, Cell, guarded_anew
from ismp.ui.text.cell_names import column_letters

_FAST = 1
_ROWS_AT_ONCE = 1_000
ROWS_OF_A_SHEET = 1_048_575
"""Excel's limit, without the head; of more it reads none or forgets the rest."""
_NUMBER = "number of the row"
_NOT_XML = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x{FFFE}\x{FFFF}]"
"""Characters that XML cannot hold."""
_SURROGATES = re.compile("[\ud800-\udfff]")
"""Halves of characters, which no file holds."""
_LIKE_AN_ESCAPE = r"_(x[0-9A-Fa-f]{4}_)"
"""Excel reads `_x0041_` in a text as A."""
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_ODD = rf"[&<>\r]|_x|{_NOT_XML}"


@dataclass(frozen=True)
class _Style:
    """How the cells of a workbook are written (see `workbook`)."""

    numbers: frozenset[str]
    fillable: bool


class _Sent:
    """Buffer of bytes that the archive has written and nobody has read yet; not seekable."""

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


def mark_of(column: str) -> str:
    """The name of a boolean column beside a column: which of its cells are coloured."""
    return f"{column} marked"


def number_of(column: str) -> str:
    """The name of a boolean column beside a column of text: which of its cells are numbers."""
    return f"{column} number"


def workbook(
    title: str,
    head: list[str],
    frames: Iterable[pl.DataFrame],
    numbers: Collection[str] = frozenset(),
    *,
    fillable: bool = False,
) -> Iterator[bytes]:
    """A bold head that stands still, with a filter, and the rows of all frames (as wide as the
    head, but for `mark_of` and `number_of`); what is more than a sheet holds goes on in the next.

    Of the columns of text in `numbers` what looks like a plain number is one.  Where somebody will
    fill in what is empty, the cells of a `fillable` one are text before they hold any: 0012 stays
    0012.  Others leave empty cells out.
    """
    style = _Style(frozenset(numbers), fillable)
    sent, number = _Sent(), 1
    with zipfile.ZipFile(sent, "w", zipfile.ZIP_DEFLATED, compresslevel=_FAST) as archive:  # type: ignore[call-overload]
        for name, text in _PARTS.items():
            archive.writestr(name, text)
        yield sent.taken()
        for number, parts in groupby(_by_sheet(frames), key=itemgetter(0)):
            for _ in _sheet(archive, number, head, (frame for _, frame in parts), style):
                yield sent.taken()
        for name, text in _contents(title, number).items():
            archive.writestr(name, text)
    yield sent.taken()


def frames_of(rows: Iterable[Sequence[Cell]]) -> Iterator[pl.DataFrame]:
    """The rows, all of one width, as frames whose columns are named by their place ("0", "1" …);
    an int or a float is a number, any other cell a text."""
    going = iter(rows)
    while some := list(islice(going, _ROWS_AT_ONCE)):
        columns = enumerate(zip(*some, strict=True))
        yield pl.DataFrame([series for place, cells in columns for series in _series(place, cells)])


def _series(place: int, cells: Sequence[Cell]) -> Iterator[pl.Series]:
    """A column of text and, when some cells are numbers, which are."""
    numbers = [isinstance(cell, int | float) for cell in cells]
    texts = [_text(cell) for cell in cells]
    yield pl.Series(f"{place}", texts, pl.String)
    if any(numbers):
        yield pl.Series(number_of(f"{place}"), numbers, pl.Boolean)


def _text(cell: Cell) -> str:
    if isinstance(cell, str):
        return guarded_anew(cell if cell.isascii() else _SURROGATES.sub("", cell))
    return "" if cell is None else str(cell)


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
    style: _Style,
) -> Iterator[None]:
    """Write one; goes on when its head and each of its frames is written."""
    with archive.open(f"xl/worksheets/sheet{number}.xml", "w", force_zip64=True) as sheet:
        sheet.write(_beginning(head).encode())
        yield
        yield from _written(sheet, frames, style)
        sheet.write(f'</sheetData><autoFilter ref="{_whole_head(head)}"/></worksheet>'.encode())


def _written(sheet: IO[bytes], frames: Iterable[pl.DataFrame], style: _Style) -> Iterator[None]:
    """Write the rows of each frame in a thread, while the caller's, which owns the connection that
    they are read by, gets the next one.  Goes on when a frame is written."""

    def write(frame: pl.DataFrame, after: int) -> None:
        sheet.write(_rows(frame, after, style))

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
        f'<c r="{column_letters(n)}1" s="1" t="inlineStr"><is><t>{escape(name)}</t></is></c>'
        for n, name in enumerate(head)
    )
    return (
        f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView>'
        f'</sheetViews><cols><col min="1" max="{len(head)}" width="16.7109375" customWidth="1"/>'
        f'</cols><sheetData><row r="1">{cells}</row>'
    )


def _rows(frame: pl.DataFrame, after: int, style: _Style) -> bytes:
    """The rows that follow row `after`, column by column."""
    shown = [name for name, kind in frame.schema.items() if kind != pl.Boolean]
    number = pl.int_range(after + 1, after + 1 + pl.len()).cast(pl.String)
    frame = _escaped(frame).with_columns(number.alias(_NUMBER))
    cells = chain.from_iterable(
        _cell(frame, name, column_letters(at), style) for at, name in enumerate(shown)
    )
    rows = frame.select(
        pl.concat_str(pl.lit('<row r="'), _NUMBER, pl.lit('">'), *cells, pl.lit("</row>"))
    )
    return b"".join(rows.to_series().cast(pl.Binary))


def _cell(frame: pl.DataFrame, column: str, letters: str, style: _Style) -> list[pl.Expr]:
    """The parts that a row's cell is joined from: one, a condition, only where cells are coloured,
    numbers or empty, because that costs as much as joining all the others."""
    place, text = [pl.lit(f'<c r="{letters}'), pl.col(_NUMBER)], pl.col(column)
    number = [*place, pl.lit('"><v>'), text, pl.lit("</v></c>")]
    if frame.schema[column] != pl.String:
        return number
    text_cell = [pl.lit('" t="inlineStr"><is><t xml:space="preserve">'), text]
    text_cell.append(pl.lit("</t></is></c>"))
    plain = [*place, pl.lit('" s="2'), *text_cell]
    coloured, is_number = _coloured(frame, column), _is_number(frame, column, style)
    if is_number is None and not coloured and (frame[column] != "").all():
        return plain
    cell, no_text = pl.concat_str(plain), pl.lit("")
    if style.fillable:
        no_text = pl.concat_str(*place, pl.lit('" s="2"/>'))
    if coloured:
        mark, red = mark_of(column), [*place, pl.lit('" s="3')]
        cell = pl.when(mark).then(pl.concat_str(*red, *text_cell)).otherwise(cell)
        no_text = pl.when(mark).then(pl.concat_str(*red, pl.lit('"/>'))).otherwise(no_text)
    if is_number is not None:
        cell = pl.when(is_number).then(pl.concat_str(*number)).otherwise(cell)
    return [pl.when(text == "").then(no_text).otherwise(cell)]


def _coloured(frame: pl.DataFrame, column: str) -> bool:
    mark = mark_of(column)
    return mark in frame.columns and bool(frame[mark].any())


def _is_number(frame: pl.DataFrame, column: str, style: _Style) -> pl.Expr | None:
    """Which cells of a column of text are numbers; None when it has none."""
    known = number_of(column)
    asked = [pl.col(known)] if known in frame.columns else []
    if column in style.numbers:
        asked.append(pl.col(column).str.contains(PLAIN_NUMBER))
    return pl.any_horizontal(asked) if asked else None


def _escaped(frame: pl.DataFrame) -> pl.DataFrame:
    """Texts as XML and Excel want them; most columns need no change, and asking costs less."""
    texts = pl.col(pl.String)
    odd = frame.select(texts.str.contains(_ODD).any() | (texts.str.len_bytes() > MAX_CELL).any())
    return frame.with_columns(
        pl.col(name)
        .str.replace_all(_NOT_XML, "")
        .str.slice(0, MAX_CELL)
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
    return f"A1:{column_letters(len(head) - 1)}1"


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
