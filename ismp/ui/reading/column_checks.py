"""The engine of rule books over whole columns: a check is an expression (see `row_checks`).

Knows no Django, no domain and no column.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import polars as pl

from ismp.ui.reading.faults import Reason

World = TypeVar("World")


@dataclass(frozen=True)
class ColumnCheck(Reason, Generic[World]):
    """One reason, and the boolean expression that finds it by what is known beside the row."""

    applies: Callable[[World], pl.Expr]


def first_code(checks: Iterable[ColumnCheck[World]], world: World) -> pl.Expr:
    """The code of the first check that applies to a row; null when it passes them all."""
    return pl.coalesce(pl.when(check.applies(world)).then(pl.lit(check.code)) for check in checks)
