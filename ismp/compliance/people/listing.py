"""The people of an agency by how they stand: what the list shows, its order, its rows to take away.

Shared by the page, the download and the reminder, so that all three mean the same people.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

import polars as pl
from django.db.models import Q

from ismp.accounts.identities import in_words
from ismp.accounts.models import Account, Agency
from ismp.compliance.dashboards import aggregates
from ismp.compliance.standing import table as standing_table
from ismp.compliance.standing.table import WORDS, Line
from ismp.ui.exports.cells import Cell
from ismp.ui.text import roc_dates

BEHIND = ("amber", "red")
SEVERAL = {"behind": BEHIND, "obliged": ("green", *BEHIND)}
"""What stands for several lights: 未達標與寬限中, 列管."""
SORTS = ("missing", "username", "name", "department", "identities")
HEAD = [
    "公務帳號",
    "姓名",
    "部門",
    "資安列管身分",
    "課程類別",
    "期間起",
    "期間迄",
    "應有時數",
    "已有時數",
    "還缺時數",
    "狀態",
    "說明",
]


@dataclass(frozen=True)
class Person:
    """One person of the list; `light` is that of the worst of their duties."""

    account: int
    username: str
    name: str
    email: str
    department: str
    identities: str
    light: str
    missing: int
    lines: list[Line]

    @property
    def word(self) -> str:
        return WORDS[self.light]

    @property
    def serves_as(self) -> str:
        return in_words(self.identities)

    @property
    def behind(self) -> list[Line]:
        return [line for line in self.lines if line.light in BEHIND]


def people_table(agency: Agency, on: date, known_at: datetime | None = None) -> pl.DataFrame:
    """One row per person × duty, with the person's columns."""
    table = standing_table.table(Q(agency=agency), on=on, known_at=known_at)
    ever_here = Account.objects.filter(postings__agency=agency).distinct().order_by()
    who = pl.DataFrame(
        list(ever_here.values_list("pk", "username", "name", "email")),
        schema={"account": pl.Int64, "username": str, "name": str, "email": str},
        orient="row",
    )
    names = dict(agency.departments.values_list("pk", "name"))
    department = pl.col("department").replace_strict(names, default="", return_dtype=pl.String)
    return aggregates.with_duty(table).with_columns(department_name=department).join(who, "account")


def chosen(
    table: pl.DataFrame,
    *,
    light: str = "",
    department: str = "",
    identities: str = "",
    duty: str = "",
    q: str = "",
    sort: str = "-missing",
    accounts: list[int] | None = None,
) -> list[Person]:
    """The people that a search finds, each with their duties.

    `light` is a key of WORDS or of SEVERAL, or empty for all; `department` is a number or `none`.
    With a `duty` only that duty counts.
    """
    if duty:
        table = table.filter(duty=duty)
    if department:
        here = pl.col("department")
        table = table.filter(here.is_null() if department == "none" else here == int(department))
    if identities:
        table = table.filter(identities=identities)
    if accounts is not None:
        table = table.filter(pl.col("account").is_in(accounts))
    if q:
        held = pl.col("username", "name").str.to_lowercase().str.contains(q.lower(), literal=True)
        table = table.filter(pl.any_horizontal(held))
    people = _by_person(table)
    if light:
        people = people.filter(pl.col("light").is_in(SEVERAL.get(light, (light,))))
    column = sort.lstrip("-")
    by = {"department": "department_name"}.get(column, column)
    found = people.sort(by, "username", descending=[sort.startswith("-"), False])
    return [_person(row) for row in found.iter_rows(named=True)]


_WHO = ("account", "username", "name", "email", "department_name", "identities")
_DUTY = tuple(field.name for field in fields(Line))


def _by_person(table: pl.DataFrame) -> pl.DataFrame:
    ranks = dict(enumerate(aggregates.WORST_LAST))
    owed = pl.col("missing").filter(pl.col("light").is_in(BEHIND)).sum()
    return (
        table.sort("category", "window_start", descending=[False, True])
        .group_by(_WHO)
        .agg(aggregates.rank().max().alias("rank"), owed, lines=pl.struct(_DUTY))
        .with_columns(light=pl.col("rank").replace_strict(ranks, return_dtype=pl.String))
    )


def _person(row: dict[str, Any]) -> Person:
    return Person(
        account=row["account"],
        username=row["username"],
        name=row["name"],
        email=row["email"],
        department=row["department_name"],
        identities=row["identities"],
        light=row["light"],
        missing=row["missing"],
        lines=[Line(**line) for line in row["lines"]],
    )


def cells(found: list[Person]) -> Iterator[list[Cell]]:
    """One row per person × duty, to take away."""
    for person in found:
        for line in person.lines:
            yield [
                person.username,
                person.name,
                person.department,
                person.serves_as,
                line.title,
                roc_dates.roc_date(line.window_start),
                roc_dates.roc_date(line.window_end),
                line.required / 1000,
                line.done / 1000,
                line.missing / 1000,
                line.word,
                line.note,
            ]
