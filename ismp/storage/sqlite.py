"""Options of a connection to SQLite; knows nothing of Django."""

from typing import Any


def connection_options() -> dict[str, Any]:
    """Return the options of a connection to SQLite.

    IMMEDIATE: a deferred transaction that turns to writing fails at once when another writes.
    """
    return {
        "timeout": 60,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
        "PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY;",
    }
