"""Backup and restore of a database that is one file."""

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from ismp.operations.backup.databases import ASIDE, LEFT_OUT, Contents, Moment, chunks


class SQLite:
    kind = "sqlite"

    def __init__(self) -> None:
        self._path = Path(connection.settings_dict["NAME"])
        self._before = self._path.with_name(f"{self._path.name}.{ASIDE}")

    @contextmanager
    def moment(self) -> Iterator[Moment]:
        """A copy made by SQLite in one reading transaction; writers go on."""
        copy = settings.TEMPORARY / f"backup-{os.getpid()}.sqlite3"
        copy.touch(0o600)
        try:
            with connection.cursor() as cursor:
                cursor.execute("VACUUM INTO %s", [str(copy)])
            _empty_what_is_left_out(copy)
            with closing(_opened(copy)) as file:
                yield Moment(
                    dump=lambda: chunks(copy.open("rb")),
                    contents=lambda: _contents(file),
                    ask=lambda question: file.execute(question).fetchall(),
                )
        finally:
            copy.unlink()

    def contents(self) -> Contents:
        with closing(_opened(self._path)) as file:
            return _contents(file)

    def in_use(self) -> bool:
        """Nobody else is there if the write-ahead log can be given up, which also empties it."""
        connection.close()
        with closing(sqlite3.connect(self._path, timeout=1)) as file:
            try:
                file.execute("PRAGMA journal_mode=DELETE")
            except sqlite3.OperationalError:
                return True
        return False

    def suspend(self) -> None:
        connection.close()
        self._path.replace(self._before)

    def load(self, dump: Iterable[bytes]) -> None:
        with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
            for chunk in dump:
                f.write(chunk)
            f.flush()
            os.fsync(f.fileno())

    def put_back(self) -> None:
        if self._before.exists():
            connection.close()
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            self._before.replace(self._path)

    def forget(self) -> None:
        self._before.unlink()


def _empty_what_is_left_out(copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as file, file:
        file.execute("PRAGMA secure_delete=ON")  # not a byte of it stays in a free page
        here = {name for (name,) in file.execute("SELECT name FROM sqlite_master")}
        for name in here & set(LEFT_OUT):
            file.execute(f"DELETE FROM {name}")  # noqa: S608


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)


def _contents(file: sqlite3.Connection) -> Contents:
    tables = file.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    return {name: _of_table(file, name) for (name,) in sorted(tables)}


def _of_table(file: sqlite3.Connection, name: str) -> list[Any]:
    count = total = 0
    for row in file.execute(f"SELECT * FROM {connection.ops.quote_name(name)}"):  # noqa: S608
        text = "\x1f".join(value if isinstance(value, str) else repr(value) for value in row)
        total += int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
        count += 1
    return [count, str(total)]
