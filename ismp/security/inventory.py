"""Reading an inventory of devices: the table in which an agency tells what it has.

CSV (UTF-8 or CP950) or .xlsx, columns by title in any order.  Knows the file only; what becomes of
the devices is `devices.take_in`.  Two kinds of failure: the file is refused with one sentence, or a
row is rejected with a code of the rule book below and the others go on.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from ismp.accounts import national_id
from ismp.security.models import DeviceKind, Network
from ismp.ui import roc, sheets
from ismp.ui.sheets import YOURS, Fault, Reason

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
_OF_PEOPLE = ("place", "department", "keeper")
_LONGEST = {"asset_no": 50, "quantity": 9}
TITLES = {name: title for title, name in COLUMNS.items()}
MAX_ROWS = 100_000


@dataclass
class Inventory:
    """The good rows of a file by line, and the others."""

    entries: dict[int, dict[str, object]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    @property
    def total(self) -> int:
        return len(self.entries) + len(self.faults)


def read(data: bytes) -> Inventory:
    """Raises sheets.Refused; the header is line 1."""
    lines = sheets.rows(data)
    head = next(lines, [])
    titles = [title.strip().lstrip("*") for title in head]
    if missing := [title for title in _REQUIRED if title not in titles]:
        raise sheets.Refused(f"第 1 列標題缺少{'、'.join(missing)}；請用下載的範本填寫。")
    if repeated := {title for title in titles if title and titles.count(title) > 1}:
        raise sheets.Refused(f"標題{'、'.join(sorted(repeated))}出現兩次，請刪去多的一欄。")
    inventory, seen = Inventory(), set[str]()
    for number, cells in enumerate(lines, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if inventory.total >= MAX_ROWS:
            raise sheets.Refused(f"超過 {MAX_ROWS:,} 列，請分成幾個檔案匯入。")
        if len(cells) != len(titles):
            inventory.faults.append(Fault(number, BY_CODE["columns"], cells))
            continue
        row = {COLUMNS[t]: c.strip() for t, c in zip(titles, cells, strict=True) if t in COLUMNS}
        row["quantity"] = row.get("quantity") or "1"
        if reason := _reason(row, seen):
            in_order = [row.get(name, "") for name in TITLES]
            fault = Fault(number, reason, in_order, columns=reason.guilty(row))
            inventory.faults.append(fault)
        else:
            seen.add(row["asset_no"])
            inventory.entries[number] = _entry(row)
    return inventory


def _entry(row: dict[str, str]) -> dict[str, object]:
    """Where people are written of, no national ID is kept; a serial number may look like one."""
    row |= {name: national_id.hide(row[name]) for name in _OF_PEOPLE if name in row}
    words = {"kind": _KINDS[row["kind"]], "network": _NETWORKS[row["network"]]}
    days = {name: _day(row.get(name, "")) for name in _DATES}
    return {**row, **words, **days, "quantity": int(row["quantity"])}


def _day(text: str) -> date | None:
    return roc.parse(text) if text else None


def _is_no_day(text: str) -> bool:
    try:
        _day(text)
    except ValueError:
        return True
    return False


# --- The rule book -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Check(Reason):
    """One reason.  `applies` takes the row, and the numbers of the rows before it that passed."""

    applies: Callable[[dict[str, str], set[str]], bool]
    guilty: Callable[[dict[str, str]], tuple[str, ...]] = lambda row: ()
    """Which of `columns` are at fault in a row, where not all of them are."""


def _too_long(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(name for name, text in row.items() if len(text) > _LONGEST.get(name, 100))


def _no_days(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(name for name in _DATES if _is_no_day(row.get(name, "")))


CHECKS: tuple[Check, ...] = (
    Check(
        "columns",
        YOURS,
        "欄位數與標題不同",
        "請檢查這一列是否多了或少了逗號。",
        (),
        lambda row, _: False,  # there is no row to look at; `read` tells
    ),
    Check(
        "asset-missing",
        YOURS,
        "沒有財產編號",
        "請補上財產編號。",
        ("asset_no",),
        lambda row, _: not row["asset_no"],
    ),
    Check(
        "kind",
        YOURS,
        "種類無法辨認",
        f"種類只能是{'、'.join(_KINDS)}，請更正。",
        ("kind",),
        lambda row, _: row["kind"] not in _KINDS,
    ),
    Check(
        "brand-missing",
        YOURS,
        "沒有廠牌",
        "請補上廠牌；自行組裝請寫「自組」。",
        ("brand",),
        lambda row, _: not row["brand"],
    ),
    Check(
        "network",
        YOURS,
        "連網情形無法辨認",
        f"連網情形只能是{'、'.join(_NETWORKS)}，請更正。",
        ("network",),
        lambda row, _: row["network"] not in _NETWORKS,
    ),
    Check(
        "too-long",
        YOURS,
        "有一格太長",
        "財產編號最多 50 字，數量最多 9 位，其他最多 100 字；請縮短。",
        tuple(TITLES),
        lambda row, _: bool(_too_long(row)),
        _too_long,
    ),
    Check(
        "quantity",
        YOURS,
        "數量不是 1 以上的整數",
        "請用半形數字填寫，例如 1。",
        ("quantity",),
        lambda row, _: not re.fullmatch("0*[1-9][0-9]*", row["quantity"]),
    ),
    Check(
        "date-invalid",
        YOURS,
        "日期無法辨認",
        "日期請寫成 115-01-05 的樣子。",
        _DATES,
        lambda row, _: bool(_no_days(row)),
        _no_days,
    ),
    Check(
        "duplicate-in-file",
        YOURS,
        "財產編號與前面的列重複",
        "前面那一列已經採用；請只保留正確的一列。",
        ("asset_no",),
        lambda row, seen: row["asset_no"] in seen,
    ),
)
"""In the order in which they apply: one code a row."""
BY_CODE = {check.code: check for check in CHECKS}


def _reason(row: dict[str, str], seen: set[str]) -> Check | None:
    return next((check for check in CHECKS if check.applies(row, seen)), None)
