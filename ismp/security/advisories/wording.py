"""Texts of an advisory's columns for its page, its history and its notices."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

from ismp.audit import changes
from ismp.security.models import Advisory
from ismp.ui.text import roc_dates

_LISTS = ("cves", "products", "details")
_UNREAD = (
    *("source_says", "source_modified", "parts_modified", "stix", "decided", "stix_id"),
    "cve_words",
    *("ended_at", "ended_by", "published_at"),
)
"""Columns that nobody reads."""


def _field(column: str) -> Any:
    return Advisory._meta.get_field(column)


def title_of(column: str) -> str:
    return str(_field(column).verbose_name)


def words_of(column: str, value: Any) -> str:
    """A value of a column, or what `source_says` holds of it, as a reader says it."""
    if value in (None, "", []):
        return ""
    if say := _SAY.get(column):
        return say(value)
    choices = _field(column).choices
    return str(dict(choices).get(value, value)) if choices else str(value)


def _day(value: Any) -> str:
    return roc_dates.roc_date(value if isinstance(value, date) else date.fromisoformat(value))


_SAY: dict[str, Callable[[Any], str]] = {
    "cves": "、".join,
    "products": lambda value: "\n".join(" ".join(filter(None, one.values())) for one in value),
    "details": lambda value: "\n".join("：".join(pair) for pair in value),
    "issued_on": _day,
    "due_on": _day,
}


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """(title, before, after) of each column in which two states of a source differ."""
    for column in Advisory.FROM_SOURCE:
        old, new = before.get(column), after.get(column)
        if old != new:
            yield title_of(column), words_of(column, old), words_of(column, new)


def edits_of(before: Advisory | None, after: Advisory) -> list[changes.Change]:
    """Changes of an edit, for its event; lists in words."""
    if before is None:
        return []
    found = changes.between(before, after, *_LISTS, *_UNREAD)
    lists = [{name: getattr(one, name) for name in _LISTS} for one in (before, after)]
    for column in _LISTS:
        old, new = (one[column] for one in lists)
        if old != new:
            found.append((title_of(column), words_of(column, old), words_of(column, new)))
    return found


def beside_the_source(advisory: Advisory) -> list[tuple[str, str, str]]:
    """(title, here, what the source now says) of each column in which they differ.

    A source without a deadline leaves it to the platform: that is no difference.
    """
    said = {key: value for key, value in advisory.source_says.items() if value or key != "due_on"}
    return [
        (title_of(column), words_of(column, getattr(advisory, column)), words_of(column, value))
        for column in Advisory.FROM_SOURCE
        if column in said
        and words_of(column, value := said[column]) != words_of(column, getattr(advisory, column))
    ]
