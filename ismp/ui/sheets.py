"""Tables that people fill in: how they are read, and what is said of a row that is not taken.

CSV (UTF-8 or Big5) or .xlsx, to rows of text.  Knows no domain and no column.  That a file of
Excel is safe to open must be known before (`hours.container` proves it for what is uploaded).
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from python_calamine import CalamineError, CalamineWorkbook

from ismp.ui import roc
from ismp.ui.codecs import decoded

NORMAL, YOURS, OURS = "正常", "您可修正", "請洽客服"
"""Whose turn it is about a row that is not taken."""


class Refused(ValueError):
    """A file as a whole is refused; the text is one sentence in Chinese."""


@dataclass(frozen=True)
class Reason:
    """Why a row is not taken: code, whose turn it is, sentence, what to do, columns at fault."""

    code: str
    cls: str
    sentence: str
    remedy: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Fault:
    """A row that is not taken, and why."""

    line: int
    reason: Reason
    cells: list[str]
    """As they were written, in the order of the file's own columns."""
    about: str = ""
    """What more is to say of this very row."""
    columns: tuple[str, ...] = ()
    """Which of the reason's columns are at fault here; none named is all of them."""

    @property
    def guilty(self) -> tuple[str, ...]:
        return self.columns or self.reason.columns

    @property
    def sentence(self) -> str:
        about = f"（{self.about}）" if self.about else ""
        return f"第 {self.line} 列：{self.reason.sentence}{about}，{self.reason.remedy}"


def rows(data: bytes) -> Iterator[list[str]]:
    """The rows of a CSV or of the first sheet of an .xlsx.  Raises Refused."""
    return excel_rows(data) if data[:2] == b"PK" else csv_rows(data)


def csv_rows(data: bytes) -> Iterator[list[str]]:
    text = decoded(data)
    if text is None:
        raise Refused("文字編碼無法辨認，請另存為「CSV UTF-8（逗號分隔）」再匯入。")
    if "\x00" in text:
        raise Refused("這不是 CSV 或 Excel 檔，請用下載的範本填寫。")
    try:
        yield from csv.reader(io.StringIO(text, newline=""), strict=True)
    except csv.Error as error:
        raise Refused("引號不成對，請用原檔重新匯出後再匯入。") from error


def excel_rows(data: bytes) -> Iterator[list[str]]:
    """A date that Excel holds as a date becomes 115-01-05."""
    try:
        sheet = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0)
        table = sheet.to_python(skip_empty_area=False)
    except (CalamineError, OSError, ValueError) as error:
        raise Refused("Excel 檔無法開啟，請重新存成 .xlsx 再匯入。") from error
    for row in table:
        yield [_as_text(cell) for cell in row]


def _as_text(cell: object) -> str:
    if isinstance(cell, date):  # a datetime is one too
        return roc.roc_date(cell)
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
