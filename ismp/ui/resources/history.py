"""Events of the trail in the words of a reader; a package above registers how they read."""

from collections.abc import Callable, Iterable

from ismp.audit import verbs
from ismp.audit.models import Event

Words = Callable[[Event], tuple[str, str]]
"""event → (what was done, its details)."""


def _label_only(event: Event) -> tuple[str, str]:
    return verbs.find(event.verb).label, ""


_words: Words = _label_only


def register(words: Words) -> None:
    """Have events read as `words` says; called by `PortalConfig.ready`."""
    global _words  # noqa: PLW0603 (set once, when the apps are ready)
    _words = words


def in_words(events: Iterable[Event]) -> list[tuple[Event, str, str]]:
    """Return (event, what was done, its details) of each, for templates."""
    return [(event, *_words(event)) for event in events]
