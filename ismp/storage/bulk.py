"""Writing many rows past the models, which take ten times as long: inside the caller's transaction.

The same outcome on both databases: COPY on PostgreSQL, executemany on SQLite.  Values are what the
driver takes (`connection.ops.adapt_datetimefield_value` of a moment); defaults and validators of
the models do not apply.  Names of tables and columns come from models, never from a request.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection, models

_WORTH_A_COPY = 100
"""So many rows PostgreSQL takes faster by COPY."""


def insert(table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert the rows, whose values stand in the order of the columns."""
    into = f"{table} ({', '.join(columns)})"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql" and len(rows) >= _WORTH_A_COPY:
            # A driver's error at the end of COPY is none of Django's by itself.
            with connection.wrap_database_errors, cursor.copy(f"COPY {into} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO {into} VALUES ({marks})", rows)  # noqa: S608


def create(things: Sequence[models.Model]) -> None:
    """Store new rows of one model; their keys stay unknown.

    Where they hold long JSON, `bulk_create` takes five times as long on PostgreSQL: Django sends it
    as arrays, which the driver quotes character by character.  Raises IntegrityError.
    """
    if not things:
        return
    meta = things[0]._meta
    fields = [one for one in meta.concrete_fields if not (one.primary_key or one.generated)]
    rows = [
        [one.get_db_prep_save(one.pre_save(thing, add=True), connection) for one in fields]
        for thing in things
    ]
    insert(meta.db_table, [str(one.column) for one in fields], rows)


def update(model: type[models.Model], values: Mapping[int, Mapping[str, Any]]) -> None:
    """Give each row, by its id, its own values of some columns; the other columns stay.

    Whoever may be changed meanwhile must be locked before.
    """
    alike: dict[tuple[str, ...], list[tuple[Any, ...]]] = defaultdict(list)
    for pk, changed in values.items():
        if changed:
            alike[tuple(changed)].append((pk, *changed.values()))
    for columns, rows in alike.items():
        _update(model, columns, rows)


def _update(model: type[models.Model], columns: Iterable[str], rows: list[tuple[Any, ...]]) -> None:
    table, key = model._meta.db_table, str(model._meta.pk.column)
    names = [key, *columns]
    assigned = ", ".join(f"{name} = c.{name}" for name in columns)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bulk_change")
        cursor.execute(
            f"CREATE TEMPORARY TABLE bulk_change AS SELECT {', '.join(names)}"  # noqa: S608
            f" FROM {table} WHERE 1 = 0"
        )
        insert("bulk_change", names, rows)
        cursor.execute(
            f"UPDATE {table} SET {assigned} FROM bulk_change c WHERE c.{key} = {table}.{key}"  # noqa: S608
        )
        cursor.execute("DROP TABLE bulk_change")
