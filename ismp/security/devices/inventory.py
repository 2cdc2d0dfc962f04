"""Reading an inventory of devices: the table in which an agency tells what it has.

CSV (UTF-8 or CP950) or .xlsx, columns by title in any order; 下載查詢結果 of 管制設備 is one too.
Knows the file only; what becomes of the devices is `actions.devices`.  A column that is not
in the file is in no entry, so that nothing is erased which the file does not carry.  Two kinds of
failure: the file is refused with one sentence, or a row is rejected with a code of the rule book
below and the others go on.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date

from ismp.accounts import national_id
from ismp.security.models import DeviceKind, Network, asset_key
from ismp.ui import limits, reading
from ismp.ui.reading import row_checks
from ismp.ui.reading.faults import YOURS, Fault
from ismp.ui.reading.row_checks import RowCheck, TableRow
from ismp.ui.text import roc_dates
from ismp.ui.text.search_folding import key

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
    "保管人": "custodian",
    "連網情形": "network",
    "購置日期": "bought_on",
    "預計汰換日期": "retire_by",
}
_ALIASES = {"預計汰換": "預計汰換日期"}
"""Titles that 下載查詢結果 once had, by which older downloads are still read."""
_AGENCY = "機關"
"""A title of 下載查詢結果 of several agencies: rows of another agency are not taken."""
_FIELDS = {**COLUMNS, _AGENCY: "agency"}
_REQUIRED = ("財產編號", "種類", "廠牌", "連網情形")
_KINDS = {label: value for value, label in DeviceKind.choices}
_NETWORKS = {label: value for value, label in Network.choices}
_DATES = ("bought_on", "retire_by")
_TEXTS = ("category", "place", "department", "custodian")
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
        _FIELDS,
        required=_REQUIRED,
        aliases=_ALIASES,
        limits=limits.of_tables(MAX_ROWS),
    )
    inventory = Inventory(_notes(table))
    before = _Before({key(name) for name in agency_names})
    for one in table.rows:
        row = TableRow.from_row(one, table, _FIELDS, required=_REQUIRED, hidden=("agency",))
        if fault := row_checks.first_fault(CHECKS, row, before):
            inventory.faults.append(fault)
            continue
        before.asset_keys.add(asset_key(row["asset_no"]))
        inventory.entries[one.line] = _entry(row)
    return inventory


def _notes(table: reading.Table) -> dict[str, object]:
    """機關 is ours where it is there, and not missed where it is not."""
    absent = [title for title in table.absent if title != _AGENCY]
    ignored = [national_id.hide(title) for title in table.ignored]
    return {**table.notes, "ignored": ignored, "absent": absent}


def _choice(text: str) -> str:
    """Normalise a choice for comparison: 「公務 網路」 is 公務網路."""
    return "".join(key(text).split())


def _entry(row: TableRow) -> dict[str, object]:
    """Hide national IDs in texts; where one would be the name of a thing, the row is at fault.

    An empty cell clears what it stands for; but there is no device of no quantity.
    """
    entry: dict[str, object] = {
        name: national_id.hide(text) if name in _TEXTS else text
        for name, text in row.texts.items()
        if name in TITLES
    }
    entry["kind"] = _KINDS[_choice(row["kind"])]
    entry["network"] = _NETWORKS[_choice(row["network"])]
    entry |= {name: _day(row[name]) for name in _DATES if name in row.texts}
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


Check = RowCheck[TableRow]
"""Takes the row, and what came before it."""


@dataclass
class _Before:
    """Context that a row is checked against."""

    agency_names: set[str]
    """The folded names of the agency whose inventory it is; none asks for none."""
    asset_keys: set[str] = field(default_factory=set)
    """Of the rows before it that passed."""


def _is_of_another_agency(row: TableRow, before: _Before) -> bool:
    names = before.agency_names
    return bool(names) and key(row.get("agency")) not in {"", *names}


def _too_long(row: TableRow) -> tuple[str, ...]:
    return tuple(
        name
        for name, text in row.texts.items()
        if name in TITLES and len(text) > _LONGEST.get(name, 100)
    )


def _no_days(row: TableRow) -> tuple[str, ...]:
    return tuple(name for name in _DATES if _is_no_day(row.get(name)))


def _with_ids(row: TableRow) -> tuple[str, ...]:
    """A serial number may look like a national ID: of codes only a valid one is at fault."""
    codes = [name for name in _CODES if national_id.holds(row.get(name), valid=True)]
    return (*codes, *(name for name in _NAMES if national_id.holds(row.get(name))))


CHECKS: tuple[Check, ...] = (
    row_checks.COLUMNS,
    row_checks.BAD_CELL,
    Check(
        "other-agency",
        YOURS,
        "這一列是別的機關的設備",
        "請由該機關匯入，或從檔案刪去這一列。",
        (),
        _is_of_another_agency,
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
        lambda row, _: not re.fullmatch("(0*[1-9][0-9]*)?", row.get("quantity")),
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
        lambda row, before: asset_key(row["asset_no"]) in before.asset_keys,
    ),
)
"""In the order in which they apply: one code a row."""
BY_CODE = row_checks.by_code(CHECKS)
