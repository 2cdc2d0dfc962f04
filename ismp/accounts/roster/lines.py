"""A line of a roster: its columns, and how its cells are read."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from ismp.accounts import national_id
from ismp.accounts.agencies import fold_code
from ismp.accounts.models import Account, Agency, Department, Status
from ismp.ui.reading import Row, Table
from ismp.ui.text.search_folding import key, one_line

HEADER = [
    "機關代碼",
    "機關名稱",
    "部門",
    "公務帳號",
    "姓名",
    "身分證字號",
    "電子郵件",
    "資安列管身分",
    "狀態",
]
REQUIRED = ("機關代碼", "機關名稱", "公務帳號", "姓名", "狀態")
_BETWEEN_IDENTITIES = re.compile(r"[、,，;；/+＋]")
FIELDS = {
    "機關代碼": (Agency, "code"),
    "機關名稱": (Agency, "name"),
    "部門": (Department, "name"),
    "公務帳號": (Account, "username"),
    "姓名": (Account, "name"),
    "電子郵件": (Account, "email"),
}
LONGEST: dict[str, int] = {
    title: model._meta.get_field(name).max_length  # type: ignore[misc, union-attr]
    for title, (model, name) in FIELDS.items()
}


_FOLDS: dict[str, Callable[[str], str]] = {
    "機關代碼": fold_code,
    "機關名稱": one_line,
    "部門": one_line,
    "公務帳號": key,
    "姓名": one_line,
    "身分證字號": national_id.fold,
    "電子郵件": key,
    "資安列管身分": key,
    "狀態": key,
}
"""How the cells of a column are read: a key folded, a name as it is shown on one line."""


@dataclass(frozen=True)
class Line:
    """A line of the file."""

    number: int
    cells: list[str]
    """As they were written, in the order of `HEADER`; then what is beyond the last column."""
    read: dict[str, str]
    """By title, folded; without those that the file has no column for."""
    width: int
    wanted: int
    """How many cells were written, and how many titles the file has."""
    is_cut: bool = False
    """Whether it ends before a column that must be filled in."""
    bad: dict[str, str] = field(default_factory=dict)
    """Of a workbook: the columns whose cells hold no value, and what to say of each."""

    @classmethod
    def from_row(cls, row: Row, table: Table) -> "Line":
        place = table.place
        written = [row.cells[place[title]] if title in place else "" for title in HEADER]
        folded = {title: _FOLDS[title](row.cells[index]) for title, index in place.items()}
        cells = [*written, *row.more]
        width = {"width": row.width, "wanted": len(row.cells)}
        cut, bad = table.is_cut(row, REQUIRED), table.bad_cells(row)
        return cls(row.line, cells, folded, **width, is_cut=cut, bad=bad)

    def __getitem__(self, title: str) -> str:
        return self.read.get(title, "")

    @property
    def bad_columns(self) -> tuple[str, ...]:
        return tuple(self.bad)

    @property
    def agency_code(self) -> str:
        return self["機關代碼"]

    @property
    def username(self) -> str:
        return self["公務帳號"]

    @property
    def national_id(self) -> str:
        return self["身分證字號"]

    @cached_property
    def identities(self) -> list[str]:
        named = _BETWEEN_IDENTITIES.split(self["資安列管身分"])
        return [one.strip() for one in named if one.strip()]

    @property
    def in_office(self) -> bool:
        return self["狀態"] == Status.ACTIVE.label
