"""Rows of each kind of file, before a header is looked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RawRow:
    line: int
    cells: list[str]
    bad: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """One way to read a file: a text in a codec cut at a separator, or a sheet of a workbook."""

    rows: Callable[[], Iterator[RawRow]]
    """Reads from the beginning each time; may raise FileRejected."""
    separator: str = ""
    sheet: str = ""


@dataclass(frozen=True)
class Limits:
    """How much one file may hold (`ui.limits`)."""

    max_bytes: int
    max_rows: int
    max_columns: int
