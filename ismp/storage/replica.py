"""Reading lists from a replica of the database, never older than what the person has seen.

`DATABASE_REPLICA_URL` turns it on.  A replica replays what the primary wrote, in order, a little
later; so a session notes the primary's position after each of its actions and reads from the
replica once that has come as far.  Knows positions, not what is read.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

logger = logging.getLogger(__name__)

REPLICA = "replica"
_KEY = "written_at"
_SAFE = {"GET", "HEAD", "OPTIONS", "TRACE"}
LEFT_ALONE_SECONDS = 5
"""How long a replica that did not answer is not asked again."""

_POSITION = "SELECT pg_current_wal_insert_lsn()::text"
_PROGRESS = (
    "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn,"
    " extract(epoch FROM now() - pg_last_xact_replay_timestamp()) <= %s"
)
_START = "0/0"

_ask_again_at = 0.0


class Router:
    """All that is written goes to the primary; reads go there too unless they say otherwise."""

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return DEFAULT_DB_ALIAS

    def allow_relation(self, first: Any, second: Any, **hints: Any) -> bool:
        return True  # the same row, read in two places

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == DEFAULT_DB_ALIAS


class ActionMiddleware:
    """Note in the session how far the primary was after an action."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if _exists() and request.method not in _SAFE and not request.session.is_empty():
            request.session[_KEY] = _one(DEFAULT_DB_ALIAS, _POSITION)[0]
        return response


def reader(session: SessionBase, shows: QuerySet[Any, Any]) -> str:
    """The alias of the database that a list may be read from, for `QuerySet.using`.

    The replica, if it has this session's actions, answers the question `shows` (about what others
    did that this person must see) as the primary does, and is not far behind; otherwise the
    primary."""
    global _ask_again_at  # noqa: PLW0603 (one replica, one memory of its silence per process)
    if not _exists() or time.monotonic() < _ask_again_at:
        return DEFAULT_DB_ALIAS
    wanted = list(shows)
    try:
        is_there = _has_come_to(session.get(_KEY, _START)) and list(shows.using(REPLICA)) == wanted
    except Error as error:
        logger.warning("the replica does not answer: %s", type(error).__name__)
        connections[REPLICA].close()
        _ask_again_at = time.monotonic() + LEFT_ALONE_SECONDS
        return DEFAULT_DB_ALIAS
    return REPLICA if is_there else DEFAULT_DB_ALIAS


def _has_come_to(position: str) -> bool:
    """Whether the replica has replayed so far and, since then, is not far behind.

    When nothing is written the last replayed transaction grows old by itself: then the replica is
    up to date if it stands where the primary stands.
    """
    replayed, recent = _one(REPLICA, _PROGRESS, position, settings.REPLICA_LAG_SECONDS)
    if replayed and not recent:
        replayed, _ = _one(REPLICA, _PROGRESS, _one(DEFAULT_DB_ALIAS, _POSITION)[0], 0)
    return bool(replayed)


def _exists() -> bool:
    return REPLICA in settings.DATABASES


def _one(alias: str, statement: str, *parameters: Any) -> Any:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()
