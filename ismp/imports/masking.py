"""National IDs in columns of text, with their last four characters hidden.  No Django."""

from collections.abc import Callable
from typing import Any

import polars as pl

from ismp.accounts import national_id

_GAP = r"[\s\p{Z}\p{C}\p{M}\p{P}\p{S}\x{115f}\x{1160}\x{3164}\x{ffa0}]*"
_MAY_HOLD_A_NUMBER = (
    rf"[\p{{Lu}}\p{{Ll}}\p{{So}}]{_GAP}[\p{{Lu}}\p{{Ll}}\p{{So}}\p{{N}}](?:{_GAP}\p{{N}}){{8}}"
)
"""In the words of polars, all in which `national_id.hide` finds a number, and more."""


def hide_ids(cell: pl.Expr) -> pl.Expr:
    """Text with the last four characters of any national ID in it hidden.

    Some producers write one into 證件字號 or a title; none may be stored or shown in clear.
    """
    return cell.map_batches(_hidden, return_dtype=pl.String)


def _hidden(cells: pl.Series) -> pl.Series:
    if not cells.str.contains(_MAY_HOLD_A_NUMBER).any():
        return cells
    return by_value(cells, national_id.hide, pl.String)


def by_value(column: pl.Series, reading: Callable[[Any], Any], dtype: Any) -> pl.Series:
    """Apply a reading to each distinct value of a column, which keeps its name."""
    values = column.unique().alias("value")
    readings = pl.Series("reading", [reading(value) for value in values.to_list()], dtype)
    rows = column.alias("value").to_frame()
    rows = rows.join(pl.DataFrame([values, readings]), "value", "left", maintain_order="left")
    return rows["reading"].alias(column.name)
