"""Fields of log lines beside their text, while a request is answered or a run is
processed: numbers and codes that correlate lines, never a name.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_here: ContextVar[dict[str, Any] | None] = ContextVar("marks", default=None)


@contextmanager
def marked(**marks: Any) -> Iterator[None]:
    """Every line of the log that is written inside carries these marks too."""
    token = _here.set({**here(), **marks})
    try:
        yield
    finally:
        _here.reset(token)


def here() -> dict[str, Any]:
    return _here.get() or {}
