"""Workbooks of Excel (.xlsx), cell by cell as people see them, read by openpyxl.

openpyxl and not a quicker reader, because it tells what the others lose: an error (#REF!), the
format of a number (000123), where a row stands.  A formula that nobody has calculated yet has no
value, as a blank cell has none: what has formulas is read once more with them.
"""

import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, time, timedelta
from itertools import chain, repeat
from typing import Any

from ismp.ui.reading import file_types
from ismp.ui.reading.faults import FileRejected
from ismp.ui.reading.raw import Limits, RawRow, Source
from ismp.ui.text import roc_dates
from ismp.ui.text.cell_names import column_index

NO_WORKBOOK = "Excel 檔無法開啟，請重新存成 .xlsx 再匯入。"
NOT_CALCULATED = "公式還沒有計算"
_PIECE = 1024 * 1024
_FORMULA = re.compile(rb"<(\w+:)?f[ >/]")
_PLACE = re.compile(
    rb"""<(?:\w+:)?(?:c|row)\s[^<>]*?\br\s*=\s*["']([A-Z]{0,3})([0-9]{1,9})["']""", re.IGNORECASE
)
"""Where a cell or a row says that it stands."""
_LONGEST_PLACE = 1024
_ZEROS = re.compile(r'(?:0|"[^"]*"|\\.|[-/() .:])+')
"""A format that fills a number up with zeros, and may put something between them: `0000-00`."""
_PARTS = re.compile(r'0|"([^"]*)"|\\(.)|([-/() .:])')
_ABOVE = 100
"""Lines that may stand above the first row, or be blank."""
_MOST_DIGITS = 15
"""So many digits of a number mean something to Excel."""


def prove(data: bytes, limits: Limits) -> None:
    """Raise FileRejected unless a program that believes the workbook may open it.

    Its parts together must not unpack to more than we take, nor share bytes.  Nor may a cell stand
    far out: one value in the last row and column makes a table of 17 billion cells.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if file_types.share_bytes(archive.infolist()):
                raise FileRejected(
                    "Excel 檔的內容互相重疊，不是正常的 Excel 檔；請重新存檔再匯入。"
                )
            left = limits.max_bytes
            for entry in archive.infolist():
                # What it says of itself need not be true; we stop before this.
                entry.file_size = left + 2 * _PIECE
                left = _proven(archive, entry, left, limits)
    except FileRejected:
        raise
    except Exception as error:
        raise FileRejected(NO_WORKBOOK) from error


def _proven(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int, limits: Limits) -> int:
    """Read a part to its end; return how many bytes are left for the others."""
    tail = b""
    with archive.open(entry) as part:
        while piece := part.read(_PIECE):
            left -= len(piece)
            if left < 0:
                most_mb = limits.max_bytes // 1024 // 1024
                raise FileRejected(f"Excel 檔解開後超過 {most_mb} MB，請分成幾個檔案匯入。")
            for column, row in set(_PLACE.findall(tail + piece)):
                index = column_index(column.decode().upper() or "A")
                if index >= limits.max_columns or int(row) > limits.max_rows + _ABOVE:
                    raise FileRejected(
                        f"Excel 檔的內容超過 {limits.max_rows:,} 列或 {limits.max_columns} 欄，"
                        "請刪除右邊與下面多餘的欄與列，或分成幾個檔案匯入。"
                    )
            tail = piece[-_LONGEST_PLACE:]
    return left


def sources(data: bytes, limits: Limits) -> Iterator[Source]:
    """Yield each sheet, the visible ones first.  Raises FileRejected."""
    prove(data, limits)
    try:
        book = _opened(data, values=True)
        formulas = _opened(data, values=False) if _has_formulas(data) else None
        sheets = sorted(book.worksheets, key=lambda one: one.sheet_state != "visible")
    except Exception as error:  # it depends on where the damage is
        raise FileRejected(NO_WORKBOOK) from error
    for sheet in sheets:
        beside = formulas[sheet.title] if formulas else None
        yield Source(lambda one=sheet, other=beside: _checked(one, other), sheet=sheet.title)  # type: ignore[misc]


def _opened(data: bytes, *, values: bool) -> Any:
    # Here, because loading it would cost each command and each process a tenth of a second.
    from openpyxl import load_workbook  # noqa: PLC0415

    return load_workbook(io.BytesIO(data), read_only=True, data_only=values, keep_links=False)


def _has_formulas(data: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = [name for name in archive.namelist() if "worksheets/" in name.lower()]
        return any(_FORMULA.search(archive.read(name)) for name in parts if name.endswith(".xml"))


def _checked(sheet: Any, formulas: Any) -> Iterator[RawRow]:
    try:
        sheet.reset_dimensions()  # what it says of its size need not be true
        if formulas:
            formulas.reset_dimensions()
        written: Iterable[Any] = formulas.iter_rows() if formulas else repeat(())
        for line, (cells, beside) in enumerate(zip(sheet.iter_rows(), written), start=1):  # noqa: B905
            row = _row(line, cells, beside)
            if row.bad or any(row.cells):
                yield row
    except Exception as error:
        raise FileRejected(NO_WORKBOOK) from error


def _row(line: int, cells: tuple[Any, ...], written: tuple[Any, ...]) -> RawRow:
    shown, bad = list[str](), dict[int, str]()
    for column, (cell, formula) in enumerate(zip(cells, chain(written, repeat(None)))):  # noqa: B905
        value = cell.value
        if value is None:
            shown.append("")
            if formula is not None and formula.data_type == "f":
                bad[column] = NOT_CALCULATED
        elif cell.data_type == "e":
            shown.append("")
            bad[column] = str(value)
        else:
            shown.append(value if isinstance(value, str) else _shown(value, cell.number_format))
    return RawRow(line, shown, bad)


def _shown(value: Any, style: str) -> str:
    """A date becomes 115-01-05, however it is shown; a number is written out, with the zeros before
    it that its format gives it."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, date):  # a datetime is one too
        return roc_dates.roc_date(value) if value.year > roc_dates.OFFSET else f"{value:%Y-%m-%d}"
    if isinstance(value, time | timedelta):
        return str(value)
    if isinstance(value, int | float) and abs(value) < 10**_MOST_DIGITS and value == int(value):
        return _filled(int(value), style.split(";", maxsplit=1)[0])
    return f"{value:.{_MOST_DIGITS}g}" if isinstance(value, float) else str(value)


def _filled(value: int, style: str) -> str:
    """000123 of 123 by the format 000000; 0012-34 by 0000-00."""
    if value < 0 or style.count("0") < 2 or not _ZEROS.fullmatch(style) or "." in style:
        return str(value)
    digits = list(str(value).zfill(style.count("0")))
    more = len(digits) - style.count("0")
    start, rest = "".join(digits[:more]), iter(digits[more:])
    return start + "".join(
        next(rest) if part[0] == "0" else part[1] or part[2] or part[3] or ""
        for part in _PARTS.finditer(style)
    )
