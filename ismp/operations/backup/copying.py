"""Carry a site from SQLite to PostgreSQL: every row of every table, then compared row by row.

Nobody can write to the source meanwhile, and the target is filled in one transaction: it holds all
or nothing.  The keys stay: both databases are of one `ISMP_HOME`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.color import no_style
from django.db import DEFAULT_DB_ALIAS, connection, connections, models, transaction
from django.db.migrations.recorder import MigrationRecorder

from ismp.accounts.models import Agency
from ismp.audit import trail
from ismp.operations import verbs
from ismp.operations.backup.archive import BackupRefused
from ismp.operations.backup.databases import LEFT_OUT
from ismp.storage.sqlite import connection_options

_SOURCE = "copy_source"
_BATCH = 2_000


def copy(source: Path) -> dict[str, int]:
    """Copy the SQLite database at `source` into the empty one of `DATABASE_URL`.

    Returns the number of rows by table.  Raises BackupRefused, and nothing has been written.
    """
    if connection.vendor != "postgresql":
        raise BackupRefused("要複製到的資料庫不是 PostgreSQL；請以 DATABASE_URL 指定。")
    if Agency.objects.exists():
        raise BackupRefused("要複製到的資料庫已經有資料；請指定一個空的資料庫。")
    with _opened(source), transaction.atomic(using=_SOURCE), transaction.atomic():
        _is_of_this_version()
        tables = _models()
        for model in reversed(tables):
            # What the migrations have put there has the source's own rows in its place.
            model._base_manager.all()._raw_delete(DEFAULT_DB_ALIAS)
        counts = {model._meta.db_table: _copy_table(model) for model in tables}
        for statement in connection.ops.sequence_reset_sql(no_style(), tables):
            with connection.cursor() as cursor:
                cursor.execute(statement)
        for model in tables:
            _compare(model)
        if faults := list(trail.faults()):
            raise BackupRefused(f"複製後的稽核軌跡不完整，沒有寫入任何資料：{faults[0]}")
        trail.record(verbs.COPY_DATABASE, actor=trail.SYSTEM, count=sum(counts.values()))
    return counts


@contextmanager
def _opened(source: Path) -> Iterator[None]:
    if not source.is_file():
        raise BackupRefused(f"找不到 {source}；請核對 SQLite 資料庫的路徑。")
    template = dict(connections.databases[DEFAULT_DB_ALIAS])
    template.update(
        ENGINE="django.db.backends.sqlite3",
        NAME=str(source),
        OPTIONS=connection_options(),
        HOST="",
        PORT="",
        USER="",
        PASSWORD="",
    )
    connections.databases[_SOURCE] = template
    try:
        yield
    finally:
        connections[_SOURCE].close()
        del connections.databases[_SOURCE], connections[_SOURCE]


def _is_of_this_version() -> None:
    here, there = (
        set(MigrationRecorder(connections[alias]).applied_migrations())
        for alias in (DEFAULT_DB_ALIAS, _SOURCE)
    )
    if here != there:
        raise BackupRefused(
            "SQLite 資料庫不是這個版本的；請先以這個版本啟動一次 ismp serve，再複製。"
        )


def _models() -> list[type[models.Model]]:
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy and model._meta.db_table not in LEFT_OUT
    ]


def _rows(model: type[models.Model], alias: str) -> Iterator[tuple[Any, ...]]:
    rows = model._base_manager.using(alias).order_by("pk").values_list(*_columns(model))
    return rows.iterator(_BATCH)


def _columns(model: type[models.Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields if not field.generated]


def _copy_table(model: type[models.Model]) -> int:
    columns, count = _columns(model), 0
    rows = _rows(model, _SOURCE)
    while batch := [model(**dict(zip(columns, row, strict=True))) for row in islice(rows, _BATCH)]:
        model._base_manager.using(DEFAULT_DB_ALIAS).bulk_create(batch)
        count += len(batch)
    return count


def _compare(model: type[models.Model]) -> None:
    pairs = zip(_rows(model, _SOURCE), _rows(model, DEFAULT_DB_ALIAS), strict=True)
    try:
        same = all(_plain(there) == _plain(here) for there, here in pairs)
    except ValueError:  # one of them has more rows
        same = False
    if not same:
        raise BackupRefused(f"{model._meta.db_table} 複製後與原來不同，沒有寫入任何資料；請報修。")


def _plain(row: tuple[Any, ...]) -> list[Any]:
    return [bytes(value) if isinstance(value, memoryview) else value for value in row]
