"""Backup and restore of a PostgreSQL database, by its own programs."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import psycopg
from django.db import connection, transaction

from ismp.operations.backup.archive import BackupRefused
from ismp.operations.backup.databases import ASIDE, LEFT_OUT, Contents, Moment, chunks

_DEBIANS = Path("/usr/lib/postgresql")
_WHERE = r"host|hostaddr|port|dbname|user|passfile|service|connect_timeout|(ssl|gss|krb).*"
"""Of the options of a connection those that say where and how, not what to do there."""


class PostgreSQL:
    kind = "postgresql"

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_schema()")
            self._schema = cast("tuple[str]", cursor.fetchone())[0]

    @contextmanager
    def moment(self) -> Iterator[Moment]:
        """A snapshot that our own transaction and pg_dump share; writers go on."""
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                # We do nothing for as long as pg_dump works.
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            [(snapshot,)] = _ask("SELECT pg_export_snapshot()")
            yield Moment(lambda: _dumped(snapshot), _contents_here, _ask)

    def contents(self) -> Contents:
        with transaction.atomic():
            return _contents_here()

    def in_use(self) -> bool:
        others = _ask(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND usename = current_user AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        return bool(others)

    def suspend(self) -> None:
        with transaction.atomic():
            _do(f"ALTER SCHEMA {self._quoted} RENAME TO {ASIDE}")
            _do(f"CREATE SCHEMA {self._quoted}")

    def load(self, dump: Iterable[bytes]) -> None:
        """All in one transaction of pg_restore."""
        options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]
        with _program("pg_restore", *options, stdin=subprocess.PIPE) as loading:
            try:
                for chunk in dump:
                    loading.stdin.write(chunk)
                loading.stdin.close()
            except BrokenPipeError:
                pass  # it ended too early; its exit code says so
        if loading.returncode:
            raise BackupRefused("pg_restore 無法寫入資料庫；原因在 PostgreSQL 的記錄檔裡。")

    def put_back(self) -> None:
        if _ask(f"SELECT 1 FROM pg_namespace WHERE nspname = '{ASIDE}'"):  # noqa: S608
            with transaction.atomic():
                _do(f"DROP SCHEMA IF EXISTS {self._quoted} CASCADE")
                _do(f"ALTER SCHEMA {ASIDE} RENAME TO {self._quoted}")

    def forget(self) -> None:
        _do(f"DROP SCHEMA {ASIDE} CASCADE")

    @property
    def _quoted(self) -> str:
        return connection.ops.quote_name(self._schema)


def _ask(question: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(question)
        return list(cursor.fetchall())


def _do(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _contents_here() -> Contents:
    """The server adds up a digest of each row's text, which must not depend on whose settings."""
    for setting in ("TimeZone = 'UTC'", "DateStyle = 'ISO'", "bytea_output = 'hex'"):
        _do(f"SET LOCAL {setting}")
    digest = "left(encode(sha256(convert_to(entire::text, 'UTF8')), 'hex'), 16)"
    contents: Contents = {}
    for name in sorted(connection.introspection.table_names()):
        if name in LEFT_OUT:
            contents[name] = [0, "0"]
            continue
        [(count, total)] = _ask(
            f"SELECT count(*), coalesce(sum(('x' || {digest})::bit(64)::bigint), 0)::text"  # noqa: S608
            f" FROM {connection.ops.quote_name(name)} entire"
        )
        contents[name] = [count, total]
    return contents


def _dumped(snapshot: str) -> Iterator[bytes]:
    """Our own packing is faster than pg_dump's and the same on both databases."""
    options = ["--format=custom", "--compress=0", "--no-owner", "--no-privileges"]
    options += [f"--exclude-table-data={name}" for name in LEFT_OUT]
    with _program("pg_dump", *options, f"--snapshot={snapshot}", stdout=subprocess.PIPE) as dumping:
        yield from chunks(dumping.stdout)
    if dumping.returncode:
        raise BackupRefused("pg_dump 沒有做完，沒有留下備份；原因在 PostgreSQL 的記錄檔裡。")


def _program(name: str, *options: str, **pipes: Any) -> Any:
    """One of PostgreSQL's own programs at our database; what it says may hold personal data."""
    database: Any = connection
    asked = database.get_connection_params()
    where = {key: asked[key] for key in asked if re.fullmatch(_WHERE, key)}
    password = {"PGPASSWORD": asked["password"]} if asked.get("password") else {}
    return subprocess.Popen(  # noqa: S603
        [_found(name), *options, f"--dbname={psycopg.conninfo.make_conninfo(**where)}"],
        env={**os.environ, **password},
        stderr=subprocess.DEVNULL,
        **pipes,
    )


def _found(name: str) -> str:
    """The newest of a program on this machine; it must not be older than the server."""
    database: Any = connection
    wanted = database.pg_version // 10_000
    in_path = shutil.which(name)
    candidates = [*map(str, _DEBIANS.glob(f"*/bin/{name}")), *([in_path] if in_path else [])]
    versions = {_version(path): path for path in candidates}
    if not versions or max(versions) < wanted:
        raise BackupRefused(
            f"這台主機沒有 PostgreSQL {wanted} 的 {name}；請安裝 postgresql-client-{wanted}"
            "（或更新的版本），再執行一次。"
        )
    return versions[max(versions)]


def _version(program: str) -> int:
    said = subprocess.run(  # noqa: S603
        [program, "--version"], check=False, capture_output=True, text=True
    )
    number = re.search(r"\b(\d+)\.", said.stdout)
    return int(number[1]) if number else 0
