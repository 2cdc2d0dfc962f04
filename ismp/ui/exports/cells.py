"""The cells of a table to take away.  Text is text: never a formula, never a link.

Knows no format of files and no domain.
"""

import re

Cell = str | int | float | None
MAX_CELL = 32_767
"""How many characters Excel takes in a cell."""
PLAIN_NUMBER = r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?$"
"""A text that a spreadsheet may add up: no code with zeros before it, no more digits than Excel
keeps."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_GUARDED = re.compile("'+[=+\\-@\t\r]")


def guarded_anew(text: str) -> str:
    """Return a text with one more `'` if it begins as a guarded formula does, in a workbook too, so
    that `unguarded` takes off what writing put there and no more.  Spaces before it go: whoever
    reads takes them off first, and would then find a guard."""
    return "'" + start if _GUARDED.match(start := text.lstrip()) else text


def unguarded(text: str) -> str:
    """Return a cell that was read as it was before a workbook or a CSV was written with it."""
    return text[1:] if text[:1] == "'" and _GUARDED.match(text) else text
