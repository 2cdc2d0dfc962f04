"""The engine of the rule books: each reason for which a row is not taken is a row of one table.

    CHECKS = (
        BAD_CELL,
        RowCheck("brand-missing", YOURS, "沒有廠牌", "請補上廠牌。", ("brand",), is_missing),
    )
    for row in table.rows:
        fault = first_fault(CHECKS, TableRow.from_row(row, table, FIELDS), against)

The order of a table is its precedence: a row gets the first reason that applies.  Rules of single
rows are functions and stand here; rules of whole columns are expressions (`column_checks`).  Knows
no Django, no domain and no column.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

from ismp.ui.reading import Row, Table
from ismp.ui.reading.faults import YOURS, Fault, Reason
from ismp.ui.text.search_folding import one_line


class CheckedRow(Protocol):
    """A row as the engine needs it."""

    @property
    def number(self) -> int:
        """Its line in the file."""

    @property
    def cells(self) -> list[str]:
        """As the report shows them."""


Checked = TypeVar("Checked", bound=CheckedRow)
AnyReason = TypeVar("AnyReason", bound=Reason)


@dataclass(frozen=True)
class RowCheck(Reason, Generic[Checked]):
    """One reason, and what finds it."""

    finds: Callable[[Checked, Any], str | bool | None]
    """Takes the row and what it is held against: what is stored, or the rows before it.  Whether
    the row is at fault, or what more to say of it, be it an empty text; None and False: it
    passes."""
    guilty: Callable[[Checked], tuple[str, ...]] = lambda row: ()
    """Which of `columns` are at fault in a row, where not all of them are."""

    @classmethod
    def from_reason(
        cls,
        reason: Reason,
        finds: Callable[[Checked, Any], str | bool | None],
        guilty: Callable[[Checked], tuple[str, ...]] = lambda row: (),
    ) -> Self:
        """A reason that several rule books share, found in the way of one of them."""
        words = (reason.code, reason.cls, reason.sentence, reason.remedy, reason.columns)
        return cls(*words, finds, guilty)


def first_fault(
    checks: Iterable[RowCheck[Checked]], row: Checked, against: Any = None
) -> Fault | None:
    """The first check that applies to a row; None when it passes them all."""
    for check in checks:
        about = check.finds(row, against)
        if about is not None and about is not False:
            return fault(check, row, "" if about is True else about, check.guilty(row))
    return None


def fault(reason: Reason, row: CheckedRow, about: str = "", columns: tuple[str, ...] = ()) -> Fault:
    return Fault(row.number, reason, row.cells, about, columns)


def by_code(*books: Iterable[AnyReason]) -> dict[str, AnyReason]:
    """The reasons of some rule books by their codes, in their order.

    Raises ValueError for a code that stands twice.
    """
    reasons = [reason for book in books for reason in book]
    found = {reason.code: reason for reason in reasons}
    if len(found) < len(reasons):
        raise ValueError("two reasons have one code")
    return found


@dataclass(frozen=True)
class TableRow:
    """A row of a table (`reading.Table`) by the fields that its columns stand for."""

    number: int
    texts: dict[str, str]
    """By field, each on one line; without those that the file has no column for."""
    cells: list[str]
    """In the order of the fields; of a misfit as they stand in the file."""
    bad: Mapping[str, str]
    """By title: the cells that hold no value, and what to say of each."""
    bad_columns: tuple[str, ...]
    is_misfit: bool
    """Whether it has more cells than there are titles, or ends before one that must be filled in;
    not asked of a row with bad cells."""

    @classmethod
    def from_row(
        cls,
        row: Row,
        table: Table,
        fields: Mapping[str, str],
        *,
        required: Collection[str] = (),
        hidden: Collection[str] = (),
    ) -> Self:
        """`fields` by title; those that are `hidden` do not stand in the report."""
        texts = {fields[title]: one_line(row.cells[place]) for title, place in table.place.items()}
        bad = table.bad_cells(row)
        is_misfit = not bad and (bool(row.more) or table.is_cut(row, required))
        shown = [name for name in fields.values() if name not in hidden]
        cells = [texts.get(name, "") for name in shown]
        return cls(
            row.line,
            texts,
            [*row.cells, *row.more] if is_misfit else cells,
            bad,
            tuple(fields[title] for title in bad if fields[title] in shown),
            is_misfit,
        )

    def __getitem__(self, field: str) -> str:
        return self.texts[field]

    def get(self, field: str) -> str:
        return self.texts.get(field, "")


class MayHaveBadCells(CheckedRow, Protocol):
    @property
    def bad(self) -> Mapping[str, str]: ...
    @property
    def bad_columns(self) -> tuple[str, ...]: ...


def _words_of_bad_cells(row: MayHaveBadCells, _: Any) -> str | None:
    return "、".join(row.bad.values()) or None


BAD_CELL: RowCheck[Any] = RowCheck(
    "cell",
    YOURS,
    "儲存格是錯誤值，或公式還沒有計算",
    "請在 Excel 更正這一格（公式可重新計算後存檔，或改成值）再匯入。",
    (),
    _words_of_bad_cells,
    lambda row: tuple(row.bad_columns),
)
"""Only a workbook has such cells."""
COLUMNS: RowCheck[Any] = RowCheck(
    "columns",
    YOURS,
    "欄位數與標題不同",
    "請檢查這一列是否多了或少了逗號。",
    (),
    lambda row, _: row.is_misfit,
)
