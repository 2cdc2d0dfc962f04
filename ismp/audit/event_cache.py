"""Cache of query results in memory until an action invalidates them (ADR 18).

Every action leaves an event in its own transaction, and events become visible in the order of their
numbers.  So what was read when event n was the newest is still true while no later event concerns
it.  Each process reads the new events once a request.  Knows neither actions nor values: which
events concern a cache, it says itself.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import connection
from django.http import HttpRequest, HttpResponse

from ismp.audit.models import Event
from ismp.audit.verbs import Verb, find

Value = TypeVar("Value")

_MOST_EVENTS = 1_000
"""A process that has missed so many events empties its caches rather than read them."""
_NOT_YET = -1
_EVENTS = Event.objects.values_list("number", "verb", "agency", "chain")
_lock = threading.Lock()
"""Guards `_values` and the recent events; not held during queries, except in `_reset`."""
_looked_at: ContextVar[int | None] = ContextVar("looked_at", default=None)
"""Number of the newest event when this request looked; None outside of requests, where each `get`
looks for itself."""


@dataclass(frozen=True)
class Happened:
    """An event, as far as it says what it may have changed."""

    number: int
    verb: Verb
    agency: str


def _always(event: Happened, value: Any) -> bool:
    return True


class EventCache(Generic[Value]):
    """Values by key; a key names all that its value hangs on beside the actions: who asks, the day.

    An event concerns a value unless `concerns` returns False, which asks what the event's verb
    declares (`audit.verbs`).
    """

    def __init__(
        self,
        *,
        concerns: Callable[[Happened, Value], bool] = _always,
        most: int = 10_000,
    ) -> None:
        self._concerns, self._most = concerns, most
        self._values: dict[Hashable, Value] = {}
        _trail.listeners.append(self)

    def get(self, key: Hashable, read: Callable[[], Value]) -> Value:
        """Return the cached value of the key; else the result of `read`, which is cached."""
        if _in_a_transaction():
            return read()
        number = _seen()
        with _lock:
            if key in self._values:
                return self._values[key]
        value = read()
        with _lock:
            since = _trail.since(number)
            if since is not None and not any(self._concerns(event, value) for event in since):
                while len(self._values) >= self._most:
                    del self._values[next(iter(self._values))]
                self._values[key] = value
        return value

    def invalidate(self, event: Happened) -> None:
        """Forget the values that an event concerns."""
        values = self._values.items()
        self._values = {key: one for key, one in values if not self._concerns(event, one)}

    def forget(self) -> None:
        self._values = {}


class EventCacheMiddleware:
    """Middleware: one look at the trail serves a whole request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _looked_at.set(_NOT_YET)
        try:
            return self.get_response(request)
        finally:
            _looked_at.reset(token)


def refresh_event_cache() -> None:
    """Have the rest of this request read its own action's results."""
    if _looked_at.get() is not None:
        _looked_at.set(_NOT_YET)


def _in_a_transaction() -> bool:
    """Within a transaction one sees what others do not see yet, and may never."""
    return connection.in_atomic_block


def _seen() -> int:
    seen = _looked_at.get()
    if seen is None:
        return _trail.look()
    if seen == _NOT_YET:
        _looked_at.set(seen := _trail.look())
    return seen


class _Trail:
    """How far this process has read the trail, and what it read last."""

    def __init__(self) -> None:
        self.listeners: list[EventCache[Any]] = []
        self._number, self._chain = 0, b""
        self._recent: deque[Happened] = deque(maxlen=_MOST_EVENTS)

    def look(self) -> int:
        """Tell all listeners what has happened; return the number of the newest event.

        The last event that we know must still be the same: after a restore from a backup other
        events bear its number, and every cached value may be wrong.
        """
        rows = list(_EVENTS.filter(number__gte=self._number).order_by("number")[:_MOST_EVENTS])
        with _lock:
            if rows and rows[-1][0] < self._number:  # another thread has read on meanwhile
                return self._number
            known = [bytes(row[-1]) for row in rows if row[0] == self._number]
            if known != [self._chain] or len(rows) == _MOST_EVENTS:
                return self._reset()
            for number, verb, agency, chain in rows:
                if number > self._number:
                    self._announce(Happened(number, find(verb), agency))
                    self._number, self._chain = number, bytes(chain)
            return self._number

    def since(self, number: int) -> list[Happened] | None:
        """Return the events after one; None when they are not known (any more)."""
        if not number or number > self._number:
            return None
        later = [event for event in self._recent if event.number > number]
        return later if len(later) == self._number - number else None

    def _announce(self, event: Happened) -> None:
        self._recent.append(event)
        for one in self.listeners:
            one.invalidate(event)

    def _reset(self) -> int:
        self._recent.clear()
        for one in self.listeners:
            one.forget()
        newest = _EVENTS.order_by("-number").first()
        self._number, self._chain = (newest[0], bytes(newest[-1])) if newest else (0, b"")
        return self._number


_trail = _Trail()
