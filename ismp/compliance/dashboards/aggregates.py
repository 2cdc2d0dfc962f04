"""Count the standing of people for the figures of a board.

Works on `standing.table.table`, one row per person × duty.  Knows no database, no page and
no law: what is green or red was decided before.
"""

from collections import defaultdict
from dataclasses import fields
from datetime import date

import polars as pl

from ismp.compliance.dashboards.counts import PERSON, Counts, Part

WORST_LAST = ("exempt", "green", "amber", "red")
_BY = ("agency", "department", "identities", "duty")


def with_duty(table: pl.DataFrame) -> pl.DataFrame:
    """Name each row's duty by its category and the years of its window: `522/1`, `523/2`."""
    return table.with_columns(duty=pl.format("{}/{}", "category", "years"))


def parts(table: pl.DataFrame, on: date) -> dict[int, list[Part]]:
    """The counts of each department × identities × duty, and of the persons as such, by agency."""
    owed = pl.when(pl.col("light") != "exempt").then("missing").otherwise(0)
    lines = with_duty(table).with_columns(rank=rank(), on_pace=_on_pace(on), missing=owed).lazy()
    persons = lines.group_by("account", "agency", "department", "identities").agg(
        pl.col("rank").max(), pl.col("on_pace").all(), pl.col("missing").sum(), duty=pl.lit(PERSON)
    )
    columns = [*_BY, "rank", "on_pace", "missing"]
    both = pl.concat([lines.select(columns), persons.select(columns)])
    names = [field.name for field in fields(Counts)]
    counted = both.group_by(_BY).agg(
        *((pl.col("rank") == rank).sum().alias(light) for rank, light in enumerate(WORST_LAST)),
        on_pace=(pl.col("on_pace") & (pl.col("rank") > 0)).sum(),
        missing=pl.col("missing").sum(),
    )
    by_agency: dict[int, list[Part]] = defaultdict(list)
    for agency, *cells in counted.select(*_BY, *names).sort(_BY, nulls_last=True).collect().rows():
        by_agency[agency].append(Part.from_json(cells))
    return dict(by_agency)


def rank() -> pl.Expr:
    """How bad a light is, in the order of WORST_LAST."""
    return pl.col("light").replace_strict(WORST_LAST, range(4), return_dtype=pl.Int8)


def _on_pace(on: date) -> pl.Expr:
    """Done × days until the end of the year ≥ required × days gone, in whole numbers."""
    end = pl.min_horizontal("window_end", pl.lit(date(on.year, 12, 31)))
    whole = (end - pl.col("window_start")).dt.total_days() + 1
    gone = (pl.lit(on) - pl.col("window_start")).dt.total_days() + 1
    pace = pl.col("done") * whole >= pl.col("required") * gone
    return pace | (pl.col("done") >= pl.col("required"))
