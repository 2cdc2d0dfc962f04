"""Base of every command that uses the database: an empty database is migrated by itself."""

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

logger = logging.getLogger(__name__)
_RETRY_SECONDS = 1
_WAIT_SECONDS = 3
"""How long a service waits for a database that is starting; then it says so and ends, and whoever
supervises it starts it again.  Every other cause is for the operator, who is told at once."""
_STARTING = "the database system is"
_CAUSES = (
    (_STARTING, "資料庫正在啟動或停止，請等幾秒再執行一次"),
    ("does not exist", "沒有這個資料庫，請先建立（createdb）"),
    ("password authentication failed", "使用者或密碼不對"),
    ("no password supplied", "需要密碼"),
    ("authentication failed", "資料庫不讓這個使用者登入（pg_hba.conf）"),
    ("no pg_hba.conf entry", "資料庫不讓這台主機或這個使用者連線（pg_hba.conf）"),
    ("Connection refused", "沒有資料庫在這個主機與埠號上，或它還沒有啟動"),
    ("No such file or directory", "沒有資料庫在這個 socket 上，或它還沒有啟動"),
    ("resolve host", "找不到這個主機名稱"),
    ("timeout expired", "主機沒有回應"),
    ("too many", "資料庫的連線數已滿"),
    ("certificate", "TLS 憑證不符"),
    ("unable to open database file", "無法開啟資料庫檔案，請檢查 ISMP_HOME 的擁有者與權限"),
    ("readonly database", "資料庫檔案不能寫入，請檢查擁有者、權限與磁碟"),
    ("disk is full", "磁碟已滿，請先清出空間"),
    ("No space left", "磁碟已滿，請先清出空間"),
    ("not a database", "這個檔案不是 SQLite 資料庫"),
    ("database is locked", "資料庫被別的程式鎖住"),
)
"""What PostgreSQL's library and SQLite say, and what it means to the operator; first match wins."""
_MIGRATION_LOCK = 0x49534D50
"""Any number that no other program uses in our database."""
_COLUMNS = {
    "sqlite": "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c",
    "postgresql": "SELECT table_name, column_name FROM information_schema.columns"
    " WHERE table_schema = current_schema()",
}
_UNKNOWN_STATE = (
    "這個資料庫由較早的開發版本建立，這個版本不能使用，也沒有改動它。"
    "正式發行以前的資料庫不能升級："
    "請把 ISMP_HOME（或 DATABASE_URL）指到新的資料夾（或空的資料庫）。"
)


def migrate_if_needed() -> None:
    """Bring the database up to date, silently.

    Raises CommandError for a database of a state before the first release, when migrations were
    rewritten in place: nothing leads from there to here.
    """
    with _alone():
        executor = MigrationExecutor(connection)
        graph = executor.loader.graph
        pending = {
            migration.app_label for migration, _ in executor.migration_plan(graph.leaf_nodes())
        }
        applied = {app for app, _ in executor.loader.applied_migrations}
        if applied - {app for app, _ in graph.nodes}:
            raise CommandError(_UNKNOWN_STATE)
        if _wanted_columns(applied - pending) - _stored_columns():
            raise CommandError(_UNKNOWN_STATE)
        if pending:
            call_command("migrate", verbosity=0, interactive=False)


def _wanted_columns(up_to_date: set[str]) -> set[tuple[str, str]]:
    """Return (table, column) of the models of these apps."""
    return {
        (model._meta.db_table, str(field.column))
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and model._meta.app_label in up_to_date
        for field in model._meta.local_concrete_fields
    }


def _stored_columns() -> set[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS[connection.vendor])
        return set(cursor.fetchall())


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Hosts that start together on a new version wait here for the first one to migrate."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_MIGRATION_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_MIGRATION_LOCK])


class DatabaseCommand(BaseCommand):
    requires_system_checks: list[str] = []
    """They load every page of the site, which takes longer than most commands; `check` is one of
    its own, and runs with the tests."""
    waits = False
    """Whether it is a service, which waits `_WAIT_SECONDS` for a database that is starting."""

    def execute(self, *args: Any, **options: Any) -> Any:
        until = time.monotonic() + (_WAIT_SECONDS if self.waits else 0)
        while True:
            try:
                migrate_if_needed()
                break
            except DatabaseError as error:
                connection.close()
                if _STARTING not in str(error) or time.monotonic() > until:
                    raise CommandError(unreachable(error)) from None
                logger.warning("waiting for the database: %s", type(error).__name__)
                time.sleep(_RETRY_SECONDS)
        return super().execute(*args, **options)


def unreachable(error: Exception) -> str:
    """Return why the database cannot be used and where it was looked for, without the password."""
    said = str(error)
    cause = next((words for part, words in _CAUSES if part in said), "連線失敗")
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"資料庫不能使用：{cause}。檔案：{database['NAME']}"
    host = database["HOST"] or database["OPTIONS"].get("host") or "（本機 socket）"
    where = [f"主機 {host}", f"埠號 {database['PORT'] or 5432}", f"資料庫 {database['NAME']}"]
    where += [f"使用者 {database['USER']}"] if database["USER"] else []
    return f"資料庫連不上：{cause}。請檢查 DATABASE_URL（{'、'.join(where)}）。"
