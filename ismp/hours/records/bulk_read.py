"""Reading many rows at once, without making Python's objects of them where the database can tell
them as text; `storing` is the other way."""

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


def csv_of(statement: str, parameters: Any, using: str) -> bytes:
    """What PostgreSQL answers, as CSV without a head: a text in quotes if empty, a null without."""
    connection: Any = connections[using]
    with connection.cursor() as cursor:
        asked = connection.ops.compose_sql(f"COPY ({statement}) TO STDOUT (FORMAT csv)", parameters)
        with cursor.copy(asked) as copy:
            return b"".join(copy)
