"""From raw cells to values: tidy text, category codes, dates, hours in thousandths.

Pure columns, no Django, no judgement: what cannot be read becomes null, and `checks` says what
that means.  Values repeat a lot in a file, so the costly readings are made once per distinct one.
"""

import re
import unicodedata
from datetime import date
from functools import lru_cache

import polars as pl

from ismp.hours.portal_import.layout import CATEGORIES, EARLIEST_YEAR, HOUR_UNITS, NAMES
from ismp.imports.masking import by_value, hide_ids
from ismp.ui.text import roc_dates

EVENT_TEXT = ("organizer_code", "title", "term")
OTHER_TEXT = (
    "organizer_name",
    "learning_type",
    "department",
    "degree",
    "kind",
    "fee",
    "unit",
    "score",
    "certificate_no",
    "nature",
    "job_related",
)
_TEXT = (*EVENT_TEXT, *OTHER_TEXT)
HOUR_CELLS = ("total", "digital_hours", "classroom_hours")
REQUIRED = ("title", "started_on", "ended_on", "category", *HOUR_CELLS)
_HOURS = re.compile(r"\d{1,12}(?:\.\d{1,3}0*)?", re.ASCII)
_DAY = 24_000
_REMEMBERED = 4096
"""Readings of dates, hours and categories are the same in each slice of a file."""


def clean(frame: pl.DataFrame) -> pl.DataFrame:
    """Add to the raw table, one column each:

    `text_…` for the text columns, `category_code`, `start`, `end` (dates), `…_m` for the hour cells
    and `hours_m` (thousandths, exact; counted hours of the row), `given_…` for the required cells
    (whether anything is written there), `in_hours` (whether 訓練總單位 means hours).
    """
    tidied = _tidied(frame)
    frame = frame.with_columns(
        *(tidied[name].alias(f"text_{name}") for name in _TEXT),
        *((tidied[name] != "").alias(f"given_{name}") for name in REQUIRED),
        by_value(frame["category"], _category, pl.Int16).alias("category_code"),
        by_value(frame["started_on"], _date, pl.Date).alias("start"),
        by_value(frame["ended_on"], _date, pl.Date).alias("end"),
        by_value(frame["unit"], _is_hours, pl.Boolean).alias("in_hours"),
        *(by_value(frame[name], _thousandths, pl.Int64).alias(f"{name}_m") for name in HOUR_CELLS),
    )
    parts = pl.col("given_digital_hours") | pl.col("given_classroom_hours")
    both = pl.col("digital_hours_m").fill_null(0) + pl.col("classroom_hours_m").fill_null(0)
    return frame.with_columns(
        parts.alias("given_parts"),
        pl.when(parts).then(both).when("in_hours").then("total_m").alias("hours_m"),
    )


def _tidied(frame: pl.DataFrame) -> pl.DataFrame:
    """Each distinct text of the columns is tidied once; most files need no change at all."""
    names = list(dict.fromkeys([*_TEXT, *REQUIRED]))
    texts = pl.concat([frame[name].unique().alias("from") for name in names]).unique().to_frame()
    changes = texts.with_columns(hide_ids(tidy(pl.col("from"))).alias("to")).filter(
        pl.col("from") != pl.col("to")
    )
    if changes.is_empty():
        return frame
    return frame.with_columns(frame[name].replace(changes["from"], changes["to"]) for name in names)


def tidy(cell: pl.Expr) -> pl.Expr:
    """Text as it is stored: no Excel guard, no control characters, single spaces, trimmed."""
    return (
        cell.str.replace(r'^\s*="([^"]*)"\s*$', "$1")
        .str.replace_all(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "")
        .str.replace_all(r"\s+", " ")
        .str.strip_chars()
    )


def too_many_hours() -> pl.Expr:
    """More than 24 hours on each day of the course."""
    days = (pl.col("end") - pl.col("start")).dt.total_days() + 1
    return pl.col("hours_m") > days * _DAY


def too_long(limit: int) -> pl.Expr:
    return pl.any_horizontal(pl.col(name).str.len_chars() > limit for name in NAMES)


def _folded(cell: str) -> str:
    plain = re.sub(r'^\s*="(.*)"\s*$', r"\1", cell)
    return unicodedata.normalize("NFKC", plain).strip()


@lru_cache(_REMEMBERED)
def _is_hours(cell: str) -> bool:
    return _folded(cell) in HOUR_UNITS


@lru_cache(_REMEMBERED)
def _thousandths(cell: str) -> int | None:
    folded = _folded(cell)
    if not _HOURS.fullmatch(folded):
        return None
    whole, _, decimals = folded.partition(".")
    return int(whole) * 1000 + int(decimals.rstrip("0").ljust(3, "0") or 0)


@lru_cache(_REMEMBERED)
def _date(cell: str) -> date | None:
    try:
        day = roc_dates.parse(re.sub(r'^\s*="(.*)"\s*$', r"\1", cell))
    except ValueError:
        return None
    return day if day.year >= EARLIEST_YEAR else None


def _letters(text: str) -> str:
    return re.sub(r"[()﹙﹚、,﹑/\\.‧・\-_:;|\s]", "", unicodedata.normalize("NFKC", text))


_CATEGORY_CODES = {str(code) for code in CATEGORIES}
_CATEGORY_NAMES = {_letters(name): code for code, name in CATEGORIES.items()}


@lru_cache(_REMEMBERED)
def _category(cell: str) -> int | None:
    """The code, the name, or both in any order when they agree."""
    plain = re.sub(r"\s", "", _folded(cell))
    if plain in _CATEGORY_CODES:
        return int(plain)
    found = re.fullmatch(r"(?:[\W_]*(\d{3})[\W_]*)?([^\W\d_]\D*?)(?:[\W_]*(\d{3})[\W_]*)?", plain)
    named = _CATEGORY_NAMES.get(_letters(found[2])) if found else None
    agrees = found and {found[1], found[3]} <= {None, str(named)}
    return named if agrees else None
