"""Columns: what a list, a page and an export show of a thing, and how it is written."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ismp.ui.exports.cells import Cell
from ismp.ui.templatetags.ismp_ui import roc_moment
from ismp.ui.text.roc_dates import roc_date


@dataclass(frozen=True)
class Column:
    """A value of a thing: its head, where it comes from, how it is set."""

    title: str
    source: str | Callable[[Any], Any]
    """A path of attributes (`agency.name`, `get_status_display`), or a function of the thing."""
    shape: str = ""
    """`number`, `date` or `text` (long): a class of components.css."""
    tone: Callable[[Any], str] | None = None
    """red, amber, green or empty: the value is shown as a tag of that colour."""
    right: str = ""
    """Shown to those only who have it; empty is everybody."""

    def value(self, thing: Any) -> Cell:
        """As it is written on the page and in the export."""
        value = thing
        for name in self.source.split(".") if isinstance(self.source, str) else ():
            value = getattr(value, name, None)
            value = value() if callable(value) else value
        return _written(value if isinstance(self.source, str) else self.source(thing))


def _written(value: Any) -> Cell:
    if isinstance(value, bool):
        return "是" if value else ""
    if isinstance(value, datetime):
        return roc_moment(value)
    if isinstance(value, date):
        return roc_date(value)
    return value if isinstance(value, int | float) else "" if value is None else str(value)


def cells_of(thing: Any, columns: Iterable[Column]) -> list[tuple[Column, Cell, str]]:
    return [(one, one.value(thing), one.tone(thing) if one.tone else "") for one in columns]
