"""Reading an inventory of devices: the table in which an agency tells what it has.

CSV (UTF-8 or CP950) or .xlsx, columns by title in any order; 下載查詢結果 of 管制設備 is one too.
Knows the file only; what becomes of the devices is `devices.take_in`.  A column that is not in the
file is in no entry, so that nothing is erased which the file does not carry.  Two kinds of failure:
the file is refused with one sentence, or a row is rejected with a code of the rule book below and
the others go on.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date

from ismp.accounts import national_id
from ismp.security.models import DeviceKind, Network, asset_key
from ismp.ui import roc, sheets, workbook
from ismp.ui.folding import key
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
_ALIASES = {"預計汰換": "預計汰換日期"}
"""Titles that 下載查詢結果 once had, by which older downloads are still read."""
_AGENCY = "機關"
"""A title of 下載查詢結果 of several agencies: rows of another agency are not taken."""
_REQUIRED = ("財產編號", "種類", "廠牌", "連網情形")
_KINDS = {label: value for value, label in DeviceKind.choices}
_NETWORKS = {label: value for value, label in Network.choices}
_DATES = ("bought_on", "retire_by")
_TEXTS = ("category", "place", "department", "keeper")
_NAMES = ("brand", "model")
_CODES = ("asset_no", "serial")
_LONGEST = {"asset_no": 50, "quantity": 9}
TITLES = {name: title for title, name in COLUMNS.items()}
MAX_ROWS = 100_000


@dataclass
class Inventory:
    """The good rows of a file by line, and the others."""

    entries: dict[int, dict[str, object]] = field(default_factory=dict)
    """{line: {field of Device: value}}, with the fields that the file has a column for."""
    faults: list[Fault] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    """Titles of the file that are none of an inventory."""
    absent: list[str] = field(default_factory=list)
    """Titles of an inventory that the file does not have."""

    @property
    def total(self) -> int:
        return len(self.entries) + len(self.faults)


def read(data: bytes, agency_names: Collection[str] = ()) -> Inventory:
    """Read a file; the header is line 1.  Raises sheets.Refused.

    `agency_names` are the names and the code of the agency whose inventory it is: a row that says
    in 機關 that it is another's is rejected.
    """
    lines = sheets.rows(data)
    head = [title_of(cell) for cell in next(lines, [])]
    inventory = Inventory(ignored=_ignored(head), absent=[t for t in COLUMNS if t not in head])
    if missing := [title for title in _REQUIRED if title not in head]:
        raise sheets.Refused(f"第 1 列標題缺少{'、'.join(missing)}；請用下載的範本填寫。")
    if repeated := {title for title in head if title and head.count(title) > 1}:
        raise sheets.Refused(f"標題{'、'.join(sorted(repeated))}出現兩次，請刪去多的一欄。")
    seen, names = set[str](), {key(name) for name in agency_names}
    for number, cells in enumerate(lines, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if inventory.total >= MAX_ROWS:
            raise sheets.Refused(f"超過 {MAX_ROWS:,} 列，請分成幾個檔案匯入。")
        if len(cells) != len(head):
            inventory.faults.append(Fault(number, BY_CODE["columns"], cells))
            continue
        written = dict(zip(head, map(workbook.as_shown, cells), strict=True))
        row = {name: written[title] for title, name in COLUMNS.items() if title in written}
        other = bool(names) and key(written.get(_AGENCY, "")) not in {"", *names}
        reason = BY_CODE["other-agency"] if other else _reason(row, seen)
        if reason:
            in_order = [row.get(name, "") for name in TITLES]
            fault = Fault(number, reason, in_order, columns=reason.guilty(row))
            inventory.faults.append(fault)
        else:
            seen.add(asset_key(row["asset_no"]))
            inventory.entries[number] = _entry(row)
    return inventory


def _choice(text: str) -> str:
    """What a choice is compared by: 「公務 網路」 is 公務網路."""
    return "".join(key(text).split())


def title_of(cell: str) -> str:
    """A title as it is meant, however it was wrapped and starred: `*購置\n日期` is 購置日期."""
    folded = _choice(cell).lstrip("*")
    return _ALIASES.get(folded, folded)


def _ignored(head: list[str]) -> list[str]:
    return [national_id.hide(title) for title in head if title and title not in {*COLUMNS, _AGENCY}]


def _entry(row: dict[str, str]) -> dict[str, object]:
    """Hide national IDs in texts; where one would be the name of a thing, the row is at fault.

    An empty cell clears what it stands for; but there is no device of no quantity.
    """
    entry: dict[str, object] = {
        name: national_id.hide(text) if name in _TEXTS else text for name, text in row.items()
    }
    entry["kind"] = _KINDS[_choice(row["kind"])]
    entry["network"] = _NETWORKS[_choice(row["network"])]
    entry |= {name: _day(row[name]) for name in _DATES if name in row}
    if quantity := str(entry.pop("quantity", "")):
        entry["quantity"] = int(quantity)
    return entry


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
    """One reason.  `applies` takes the row, and the keys of the rows before it that passed."""

    applies: Callable[[dict[str, str], set[str]], bool]
    guilty: Callable[[dict[str, str]], tuple[str, ...]] = lambda row: ()
    """Which of `columns` are at fault in a row, where not all of them are."""


def _too_long(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(name for name, text in row.items() if len(text) > _LONGEST.get(name, 100))


def _no_days(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(name for name in _DATES if _is_no_day(row.get(name, "")))


def _with_ids(row: dict[str, str]) -> tuple[str, ...]:
    """A serial number may look like a national ID: of codes only a valid one is at fault."""
    codes = [name for name in _CODES if national_id.holds(row.get(name, ""), valid=True)]
    return (*codes, *(name for name in _NAMES if national_id.holds(row.get(name, ""))))


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
        "other-agency",
        YOURS,
        "這一列是別的機關的設備",
        "請由該機關匯入，或從檔案刪去這一列。",
        (),
        lambda row, _: False,  # what an inventory keeps of a row does not say it; `read` tells
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
        lambda row, _: _choice(row["kind"]) not in _KINDS,
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
        lambda row, _: _choice(row["network"]) not in _NETWORKS,
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
        "national-id",
        YOURS,
        "這一格是身分證字號",
        "請改填設備本身的編號、廠牌、型號或序號。",
        (*_CODES, *_NAMES),
        lambda row, _: bool(_with_ids(row)),
        _with_ids,
    ),
    Check(
        "quantity",
        YOURS,
        "數量不是 1 以上的整數",
        "請用半形數字填寫，例如 1。",
        ("quantity",),
        lambda row, _: not re.fullmatch("(0*[1-9][0-9]*)?", row.get("quantity", "")),
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
        lambda row, seen: asset_key(row["asset_no"]) in seen,
    ),
)
"""In the order in which they apply: one code a row."""
BY_CODE = {check.code: check for check in CHECKS}


def _reason(row: dict[str, str], seen: set[str]) -> Check | None:
    return next((check for check in CHECKS if check.applies(row, seen)), None)
