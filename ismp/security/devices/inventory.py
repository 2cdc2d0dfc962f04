"""Reading an inventory of devices: the table in which an agency tells what it has.

CSV (UTF-8 or CP950) or .xlsx, columns by title in any order; 下載查詢結果 of 管制設備 is one too.
Knows the file only; what becomes of the devices is `actions.import_devices`.  A column that is not
in the file is in no entry, so that nothing is erased which the file does not carry.  Two kinds of
failure: the file is refused with one sentence, or a row is rejected with a code of the rule book
below and the others go on.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date

from ismp.accounts import national_id
from ismp.security.models import DeviceKind, Network, asset_key
from ismp.ui import limits, reading
from ismp.ui.reading.faults import YOURS, Fault, Reason
from ismp.ui.text import roc_dates
from ismp.ui.text.search_folding import key, one_line

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

    notes: dict[str, object]
    """Which of our columns the file has not, which of its own are none of ours, how it was read."""
    entries: dict[int, dict[str, object]] = field(default_factory=dict)
    """{line: {field of Device: value}}, with the fields that the file has a column for."""
    faults: list[Fault] = field(default_factory=list)

    @property
    def total(self) -> int:
        return len(self.entries) + len(self.faults)


def read(data: bytes, agency_names: Collection[str] = ()) -> Inventory:
    """Read a file.  Raises FileRejected.

    `agency_names` are the names and the code of the agency whose inventory it is: a row that says
    in 機關 that it is another's is rejected.
    """
    table = reading.read(
        data,
        (*COLUMNS, _AGENCY),
        required=_REQUIRED,
        aliases=_ALIASES,
        limits=limits.of_tables(MAX_ROWS),
    )
    inventory, seen = Inventory(_notes(table)), set[str]()
    names = {key(name) for name in agency_names}
    for one in table.rows:
        written = {title: one_line(one.cells[place]) for title, place in table.place.items()}
        row = {COLUMNS[title]: text for title, text in written.items() if title != _AGENCY}
        other = bool(names) and key(written.get(_AGENCY, "")) not in {"", *names}
        bad = table.bad_cells(one)
        if bad:
            columns = tuple(COLUMNS[title] for title in bad if title in COLUMNS)
            cells = [row.get(name, "") for name in TITLES]
            fault = Fault(one.line, BY_CODE["cell"], cells, "、".join(bad.values()), columns)
        elif one.more or table.is_cut(one, _REQUIRED):
            fault = Fault(one.line, BY_CODE["columns"], [*one.cells, *one.more])
        elif reason := BY_CODE["other-agency"] if other else _reason(row, seen):
            cells = [row.get(name, "") for name in TITLES]
            fault = Fault(one.line, reason, cells, columns=reason.guilty(row))
        else:
            seen.add(asset_key(row["asset_no"]))
            inventory.entries[one.line] = _entry(row)
            continue
        inventory.faults.append(fault)
    return inventory


def _notes(table: reading.Table) -> dict[str, object]:
    """機關 is ours where it is there, and not missed where it is not."""
    absent = [title for title in table.absent if title != _AGENCY]
    ignored = [national_id.hide(title) for title in table.ignored]
    return {**table.notes, "ignored": ignored, "absent": absent}


def _choice(text: str) -> str:
    """Normalise a choice for comparison: 「公務 網路」 is 公務網路."""
    return "".join(key(text).split())


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
    return roc_dates.parse(text) if text else None


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
        reading.BAD_CELL.code,
        reading.BAD_CELL.cls,
        reading.BAD_CELL.sentence,
        reading.BAD_CELL.remedy,
        (),
        lambda row, _: False,  # only a workbook has such cells; `read` tells
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
