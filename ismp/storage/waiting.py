"""Writing what a page can do without: it waits for no other writer.

SQLite has one writer at a time; an import writes for seconds, and whoever only looks at a page is
not to wait for that.  On PostgreSQL each waits for the rows alone that another one holds.
"""

import sqlite3
from collections.abc import Callable

from django.db import OperationalError, connection, transaction

_DEFAULT_SECONDS = 5.0


def unless_busy(write: Callable[[], object]) -> bool:
    """Do this in a transaction, unless another one is writing; return whether it is done."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        with transaction.atomic():
            write()
        return True
    _set_patience(0)
    try:
        with transaction.atomic():
            write()
    except OperationalError as error:
        if getattr(error.__cause__, "sqlite_errorcode", 0) != sqlite3.SQLITE_BUSY:
            raise
        return False
    finally:
        _set_patience(connection.settings_dict["OPTIONS"].get("timeout", _DEFAULT_SECONDS))
    return True


def _set_patience(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")
