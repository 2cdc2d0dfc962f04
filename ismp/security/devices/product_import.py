"""A list of restricted products that is sent in the browser, as a kind of import.

CSV or .xlsx with 廠牌, 型號, 來源函號, 發文日期; 下載查詢結果 of 限制清單 is one too.  Judges the
rows; what becomes of the list is `actions.products`.
"""

from collections.abc import Iterator
from datetime import date
from operator import itemgetter

from django.db import transaction
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.roles import Right
from ismp.errors import ActionRefused
from ismp.imports import lists
from ismp.imports.kinds import ImportKind, Reached
from ismp.imports.models import ImportRun
from ismp.imports.rejection import OtherTypes
from ismp.imports.result import ResultOfList
from ismp.security import verbs
from ismp.security.devices.actions import products as product_actions
from ismp.security.models import RestrictedProduct
from ismp.ui import limits, reading
from ismp.ui.reading import row_checks
from ismp.ui.reading.faults import YOURS, Fault
from ismp.ui.reading.row_checks import RowCheck, TableRow
from ismp.ui.resources.columns import Column
from ismp.ui.text import roc_dates

COLUMNS = {"廠牌": "brand", "型號": "model", "來源函號": "letter", "發文日期": "issued_on"}
_TITLES = {name: title for title, name in COLUMNS.items()}
_REQUIRED = ("廠牌", "來源函號", "發文日期")
_LONGEST = {"brand": 100, "model": 100, "letter": 200}
MAX_ROWS = 10_000

PUBLISHED_ON = date(2025, 12, 9)
PUBLISHED = (
    *("Hikvision", "Huawei", "DJI", "OPPO", "TP-Link", "Xiaomi", "Dahua"),
    *("ZTE", "Hisense", "Tenda", "Hytera", "vivo", "TOTOLINK", "FOSCAM"),
)
"""Brands as a school passed on the list of restricted products on 114-12-09
(admin.must.edu.tw/news/page.aspx?UnitID=127&id=29617): an example to begin with, not the
authority's letter, which the platform puts in its place."""
EXAMPLE = "公開廠牌清單（114-12-09），請改填來函的文號"


_Check = RowCheck[TableRow]
"""Takes the row, and the keys of the products before it."""


def _is_no_day(text: str) -> bool:
    try:
        roc_dates.parse(text)
    except ValueError:
        return True
    return False


def _finds_everything(row: TableRow) -> bool:
    try:
        product_actions.refuse_everything(row["brand"], row.get("model"))
    except ActionRefused:
        return True
    return False


_CHECKS = (
    row_checks.BAD_CELL,
    row_checks.COLUMNS,
    _Check(
        *("brand-missing", YOURS, "沒有廠牌", "請補上廠牌。", ("brand",)),
        lambda row, _: not row["brand"],
    ),
    _Check(
        *("everything", YOURS, "廠牌只有 * 或符號", "這樣所有的設備都會列入；請填廠牌的名稱。"),
        ("brand", "model"),
        lambda row, _: _finds_everything(row),
    ),
    _Check(
        *("letter-missing", YOURS, "沒有來源函號", "請補上來函的文號。", ("letter",)),
        lambda row, _: not row["letter"],
    ),
    _Check(
        *("too-long", YOURS, "有一格太長", "廠牌、型號最多 100 字，來源函號最多 200 字；請縮短。"),
        tuple(_LONGEST),
        lambda row, _: any(len(row.get(name)) > most for name, most in _LONGEST.items()),
    ),
    _Check(
        *("national-id", YOURS, "有身分證字號", "限制清單不寫個人資料；請刪去身分證字號。"),
        tuple(_LONGEST),
        lambda row, _: any(national_id.holds(row.get(name), valid=True) for name in _LONGEST),
    ),
    _Check(
        *("date-invalid", YOURS, "發文日期無法辨認", "日期請寫成 115-01-05 的樣子。"),
        ("issued_on",),
        lambda row, _: _is_no_day(row["issued_on"]),
    ),
    _Check(
        *("date-future", YOURS, "發文日期晚於今天", "這樣限制就還沒有開始；請更正發文日期。"),
        ("issued_on",),
        lambda row, _: roc_dates.parse(row["issued_on"]) > timezone.localdate(),
    ),
    _Check(
        *("duplicate-in-file", YOURS, "與前面的列重複", "前面那一列已經採用；請刪去這一列。"),
        ("brand", "model", "letter"),
        lambda row, keys: product_actions.product_key(_product(row)) in keys,
    ),
)
"""In the order in which they apply: one code a row."""
_BY_CODE = row_checks.by_code(_CHECKS)


def perform(run: ImportRun, reached: Reached) -> ResultOfList:
    """Of a trial only the outcome is kept."""
    data, by = lists.data_of(run, PRODUCTS), lists.sender(run, PRODUCTS)
    table = reading.read(data, COLUMNS, required=_REQUIRED, limits=limits.of_tables(MAX_ROWS))
    faults: list[Fault] = []
    listed = dict(_judged(table, faults))
    reached("parsed", 0, len(listed) + len(faults))
    with transaction.atomic():
        rows = product_actions.import_products(
            listed, rejected=len(faults), subject=str(run), by=by
        )
        transaction.set_rollback(run.dry_run)
    taken = [
        {"line": line, "outcome": outcome, "words": words}
        | {name: str(getattr(listed[line], name)) for name in ("brand", "model", "letter")}
        for line, outcome, words in rows
    ]
    ignored = [national_id.hide(title) for title in table.ignored]
    return ResultOfList(PRODUCTS, taken, faults, {**table.notes, "ignored": ignored})


def _judged(table: reading.Table, faults: list[Fault]) -> Iterator[tuple[int, RestrictedProduct]]:
    """Yield the good rows by line; add the others to `faults`."""
    keys = set[tuple[str, ...]]()
    for one in table.rows:
        row = TableRow.from_row(one, table, COLUMNS, required=_REQUIRED)
        if fault := row_checks.first_fault(_CHECKS, row, keys):
            faults.append(fault)
            continue
        product = _product(row)
        keys.add(product_actions.product_key(product))
        yield one.line, product


def _product(row: TableRow) -> RestrictedProduct:
    issued_on = roc_dates.parse(row["issued_on"])
    return RestrictedProduct(**{**row.texts, "issued_on": issued_on})


PRODUCTS = ImportKind(
    source="products",
    title="限制清單",
    verb=verbs.TAKE_IN_PRODUCTS,
    start=Right.REVIEW_SECURITY,
    perform=perform,
    reasons=_BY_CODE,
    titles=_TITLES,
    columns=(
        Column("廠牌", itemgetter("brand")),
        Column("型號", itemgetter("model")),
        Column("來源函號", itemgetter("letter"), "text"),
        Column("變動", itemgetter("words"), "text"),
    ),
    shown=("brand", "model", "letter", "words"),
    crumbs=(
        ("限制清單", "products:list", Right.VIEW_SECURITY),
        ("匯入限制清單", "security:import_products", Right.REVIEW_SECURITY),
    ),
    excel=True,
    max_rows=MAX_ROWS,
    other_types=OtherTypes("請用下載的範本填寫，存成 CSV 或新版 Excel（.xlsx）再匯入"),
    no_undo=(
        "限制清單不能整份復原：各機關可能已經依它決定處置。多出來的產品請「登錄解除」，"
        "寫錯的請匯入更正後的清單或逐項編輯。"
    ),
)
