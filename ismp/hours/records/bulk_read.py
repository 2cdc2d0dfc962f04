"""Reading many rows at once, without making Python's objects of them where the database can tell
them as text; `bulk_write` is the other way."""

from datetime import date
from itertools import product
from typing import Any

import polars as pl
from django.db import connections
from django.db.models import QuerySet


def frame_of(rows: QuerySet[Any], kinds: dict[str, Any]) -> pl.DataFrame:
    """The fields that `kinds` names, and what they are to polars; a text is never null."""
    rows = rows.values_list(*kinds)
    if connections[rows.db].vendor != "postgresql":
        return pl.DataFrame(list(rows), kinds, orient="row")
    if not (text := csv_of(*rows.query.sql_with_params(), using=rows.db)):
        return pl.DataFrame(schema=kinds)
    return pl.read_csv(text, has_header=False, schema=kinds, empty_string_is_null=False)


def frame_at_once(
    kinds: dict[str, Any], statement: str, parameters: Any, *, using: str
) -> pl.DataFrame:
    """The rows of a statement, as `frame_of`, of which the database makes one text: in less than
    half the time, since the driver hands on no row by itself.

    A text of PostgreSQL has 1 GB at most: for some millions of rows, no more.
    """
    connection: Any = connections[using]
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            cursor.execute(statement, parameters)
            rows = cursor.fetchall()
            if pl.Date in kinds.values():  # which are dates here and there
                days = [place for place, kind in enumerate(kinds.values()) if kind == pl.Date]
                rows = [[*row] for row in rows]
                for row, place in product(rows, days):
                    row[place] = date.fromisoformat(str(row[place]))
            return pl.DataFrame(rows, kinds, orient="row")
        cells = [
            f"'\"' || replace(coalesce({name}::text, ''), '\"', '\"\"') || '\"'"
            if kind == pl.String
            else f"coalesce({name}::text, '')"
            for name, kind in kinds.items()
        ]
        cursor.execute(
            f"SELECT string_agg(concat_ws(',', {', '.join(cells)}), chr(10))"  # noqa: S608
            f" FROM ({statement}) AS one ({', '.join(kinds)})",
            parameters,
        )
        text = cursor.pgresult.get_value(0, 0)
    if text is None:
        return pl.DataFrame(schema=kinds)
    return pl.read_csv(text, has_header=False, schema=kinds, empty_string_is_null=False)


def csv_of(statement: str, parameters: Any, using: str) -> bytes:
    """Return PostgreSQL's answer as CSV without a header: an empty text quoted, a null not."""
    connection: Any = connections[using]
    with connection.cursor() as cursor:
        asked = connection.ops.compose_sql(f"COPY ({statement}) TO STDOUT (FORMAT csv)", parameters)
        with cursor.copy(asked) as copy:
            return b"".join(copy)
