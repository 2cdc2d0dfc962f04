"""Reading an inventory of devices: the table in which an agency tells what it has.

CSV (UTF-8 or CP950) or .xlsx, columns by title in any order.  Knows the file only; what becomes of
the devices is `devices.take_in`.  Two kinds of failure: the file is refused with one sentence, or a
row is rejected with a code of the table below and the others go on.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date

from python_calamine import CalamineError, CalamineWorkbook

from ismp.security.models import DeviceKind, Network
from ismp.ui import roc
from ismp.ui.codecs import decoded

COLUMNS = {
    "財產編號": "asset_no",
    "種類": "kind",
    "品項": "category",
    "廠牌": "brand",
    "型號": "model",
    "序號": "serial",
    "數量": "quantity",
    "放置地點": "place",
    "保管單位": "department",
    "保管人": "keeper",
    "連網情形": "network",
    "購置日期": "bought_on",
    "預計汰換日期": "retire_by",
}
_REQUIRED = ("財產編號", "種類", "廠牌", "連網情形")
_KINDS = {label: value for value, label in DeviceKind.choices}
_NETWORKS = {label: value for value, label in Network.choices}
_DATES = ("bought_on", "retire_by")
_LONGEST = {"asset_no": 50, "quantity": 9}
MAX_ROWS = 100_000
MAX_BYTES = 64 * 1024 * 1024

REASONS = {
    "columns": "欄位數與標題不同，請檢查這一列是否多了或少了逗號。",
    "asset-missing": "沒有財產編號，請補上。",
    "brand-missing": "沒有廠牌，請補上；自行組裝請寫「自組」。",
    "kind": f"種類只能是{'、'.join(_KINDS)}，請更正。",
    "network": f"連網情形只能是{'、'.join(_NETWORKS)}，請更正。",
    "quantity": "數量要是 1 以上的整數，請更正。",
    "date-invalid": "日期請寫成 115-01-05 的樣子。",
    "too-long": "有一格太長，請縮短。",
    "duplicate-in-file": "財產編號與前面的列重複，請保留正確的一列。",
}


class InventoryRefused(ValueError):
    """The file as a whole is refused; the text is one sentence in Chinese."""


@dataclass
class Inventory:
    """The good rows of a file by line, and the others with line and code."""

    entries: dict[int, dict[str, object]] = field(default_factory=dict)
    rejected: list[tuple[int, str, list[str]]] = field(default_factory=list)

    @property
    def total(self) -> int:
        return len(self.entries) + len(self.rejected)


def read(data: bytes) -> Inventory:
    """Raises InventoryRefused; the header is line 1."""
    if len(data) > MAX_BYTES:
        raise InventoryRefused(f"檔案超過 {MAX_BYTES // 1048576} MB，請分成幾個檔案匯入。")
    lines = _workbook(data) if data[:2] == b"PK" else _csv(data)
    head = next(lines, [])
    titles = [title.strip().lstrip("*") for title in head]
    if missing := [title for title in _REQUIRED if title not in titles]:
        raise InventoryRefused(f"第 1 列標題缺少{'、'.join(missing)}；請用下載的範本填寫。")
    if repeated := {title for title in titles if title and titles.count(title) > 1}:
        raise InventoryRefused(f"標題{'、'.join(sorted(repeated))}出現兩次，請刪去多的一欄。")
    inventory, seen = Inventory(), set[str]()
    for line, cells in enumerate(lines, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if inventory.total >= MAX_ROWS:
            raise InventoryRefused(f"超過 {MAX_ROWS:,} 列，請分成幾個檔案匯入。")
        entry, code = _entry(titles, cells)
        if not code and entry["asset_no"] in seen:
            code = "duplicate-in-file"
        if code:
            inventory.rejected.append((line, code, cells))
        else:
            seen.add(str(entry["asset_no"]))
            inventory.entries[line] = entry
    return inventory


def _entry(titles: list[str], cells: list[str]) -> tuple[dict[str, object], str]:
    """The values of a row, and the first code that applies ('' when it is good)."""
    if len(cells) != len(titles):
        return {}, "columns"
    row = {COLUMNS[t]: c.strip() for t, c in zip(titles, cells, strict=True) if t in COLUMNS}
    row["quantity"] = row.get("quantity") or "1"
    if code := next((code for code, is_wrong in _CHECKS.items() if is_wrong(row)), ""):
        return dict(row), code
    words = {"kind": _KINDS[row["kind"]], "network": _NETWORKS[row["network"]]}
    days = {name: _day(row.get(name, "")) for name in _DATES}
    return {**row, **words, **days, "quantity": int(row["quantity"])}, ""


def _day(text: str) -> date | None:
    return roc.parse(text) if text else None


def _is_no_day(text: str) -> bool:
    try:
        _day(text)
    except ValueError:
        return True
    return False


_CHECKS: dict[str, Callable[[dict[str, str]], bool]] = {
    "asset-missing": lambda row: not row["asset_no"],
    "kind": lambda row: row["kind"] not in _KINDS,
    "brand-missing": lambda row: not row["brand"],
    "network": lambda row: row["network"] not in _NETWORKS,
    "too-long": lambda row: any(len(text) > _LONGEST.get(n, 100) for n, text in row.items()),
    "quantity": lambda row: not re.fullmatch("0*[1-9][0-9]*", row["quantity"]),
    "date-invalid": lambda row: any(_is_no_day(row.get(name, "")) for name in _DATES),
}
"""In the order in which they apply: one code a row."""


def _csv(data: bytes) -> Iterator[list[str]]:
    text = decoded(data)
    if text is None:
        raise InventoryRefused("文字編碼無法辨認，請另存為「CSV UTF-8（逗號分隔）」再匯入。")
    if "\x00" in text:
        raise InventoryRefused("這不是 CSV 或 Excel 檔，請用下載的範本填寫。")
    try:
        yield from csv.reader(io.StringIO(text, newline=""), strict=True)
    except csv.Error as error:
        raise InventoryRefused("引號不成對，請用原檔重新匯出後再匯入。") from error


def _workbook(data: bytes) -> Iterator[list[str]]:
    """The first sheet; a date that Excel holds as a date becomes 115-01-05."""
    try:
        sheet = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0)
        rows = sheet.to_python(skip_empty_area=False)
    except (CalamineError, OSError, ValueError) as error:
        raise InventoryRefused("Excel 檔無法開啟，請重新存成 .xlsx 再匯入。") from error
    for row in rows:
        yield [_as_text(cell) for cell in row]


def _as_text(cell: object) -> str:
    if isinstance(cell, date):  # a datetime is one too
        return roc.roc_date(cell)
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
