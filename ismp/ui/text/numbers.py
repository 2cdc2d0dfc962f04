"""Whole numbers from addresses, forms and headers: one parser for all of them."""

from collections.abc import Iterable

MOST_DIGITS = 18
"""What a big integer of every database holds; more digits are nobody's number."""


def whole_number(text: object) -> int | None:
    """Return the number that ASCII digits say, without sign and spaces; None for anything else."""
    if not isinstance(text, str) or len(text) > MOST_DIGITS:
        return None
    return int(text) if text.isascii() and text.isdecimal() else None


def whole_numbers(texts: Iterable[object]) -> list[int]:
    """Return those that are numbers, in their order."""
    return [number for number in map(whole_number, texts) if number is not None]
