"""Tables to take away: .xlsx and .csv that open right in a Chinese Excel and do nothing by
themselves.  Text is text: never a formula, never a link.  Knows no domain."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import xlsxwriter

Cell = str | int | float | None
MAX_CELL = 32_767
MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_UNSAFE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
PLAIN_NUMBER = r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?$"
"""A text that a spreadsheet may add up: no code with zeros before it, no more digits than Excel
keeps."""
_NUMBER = re.compile(PLAIN_NUMBER)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_GUARDED = re.compile("'+[=+\\-@\t\r]")
"""What a guard has been put before.  Text that itself begins like this gets one more, in a workbook
too, so that reading takes off what writing put there and no more."""


@dataclass(frozen=True)
class Row:
    """Cells, and the indexes of those to colour."""

    cells: list[Cell]
    marked: frozenset[int] = frozenset()


def write(target: Path | IO[bytes], title: str, head: list[str], rows: Iterable[Row]) -> None:
    """Write one sheet; memory does not grow with the rows."""
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    book = xlsxwriter.Workbook(str(target) if isinstance(target, Path) else target, options)
    sheet = book.add_worksheet(title)
    bold = book.add_format({"bold": True, "bg_color": "#e6efef", "border": 1})
    text = book.add_format({"num_format": "@"})
    guilty = book.add_format({"num_format": "@", "bg_color": "#ffd9d6", "font_color": "#8c1d18"})
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(head) - 1, 16)
    for column, name in enumerate(head):
        sheet.write_string(0, column, name, bold)
    for number, row in enumerate(rows, start=1):
        for column, cell in enumerate(row.cells):
            style = guilty if column in row.marked else text
            if isinstance(cell, int | float):
                sheet.write_number(number, column, cell, guilty if column in row.marked else None)
            else:
                written = _UNSAFE.sub("", _told_apart(cell or ""))[:MAX_CELL]
                sheet.write_string(number, column, written, style)
    sheet.autofilter(0, 0, 0, len(head) - 1)
    book.close()


def csv_lines(head: list[str], rows: Iterable[list[Cell]]) -> Iterator[bytes]:
    """Stream a CSV in UTF-8 with a byte order mark; what Excel could run is made text."""
    yield "\ufeff".encode()
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(head)
    for count, row in enumerate(rows, start=1):
        writer.writerow([_harmless(cell) for cell in row])
        if count % 500 == 0:
            yield _drain(buffer)
    yield _drain(buffer)


def _harmless(cell: Cell) -> Cell:
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS):
        return "'" + cell
    return _told_apart(cell) if isinstance(cell, str) else cell


def _told_apart(text: str) -> str:
    return "'" + text if _GUARDED.match(text) else text


def unguarded(text: str) -> str:
    """Return a cell that was read as it was before `write` or `csv_lines` wrote it."""
    return text[1:] if text[:1] == "'" and _GUARDED.match(text) else text


def as_number(cell: Cell) -> Cell:
    """Return a text that is a plain number as the number, for a cell that Excel adds up."""
    if not isinstance(cell, str) or not _NUMBER.match(cell):
        return cell
    return float(cell) if "." in cell else int(cell)


def _drain(buffer: io.StringIO) -> bytes:
    data = buffer.getvalue().encode("utf-8", "replace")
    buffer.seek(0)
    buffer.truncate()
    return data
