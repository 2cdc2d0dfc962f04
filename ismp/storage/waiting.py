"""Writing what a page can do without: it waits for no other writer.

SQLite has one writer at a time; an import writes for seconds, and whoever only looks at a page is
not to wait for that.  On PostgreSQL each waits for the rows alone that another one holds.
"""

import sqlite3
import traceback
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
        _release_cursor(error)
        return False
    finally:
        _set_patience(connection.settings_dict["OPTIONS"].get("timeout", _DEFAULT_SECONDS))
    return True


def _release_cursor(error: BaseException | None) -> None:
    """Release the cursor that a caught database error still holds by the frames of its traceback.

    Error and frames are a cycle, so the garbage collector finds the cursor, in whichever thread it
    happens to run.  Closing it there waits for this thread's connection, which on SQLite may be
    waiting for that thread's transaction: both stand still until the time-out.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__


def _set_patience(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")
