"""National identification numbers: how they are written, checked and hidden.

Knows nothing of Django or of storage.  A valid number proves no identity: about one in ten
single-digit typing errors passes the checksum.

Source: 戶政司 numbering rule; 新式外來人口統一證號 since 2021-01-02 (second digit 8 or 9); the
old 統一證號 (two letters) stays valid until 2031-01-01.
"""

import re
import unicodedata
from operator import mul

_LETTERS = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
_LETTER_VALUES = dict(zip(_LETTERS, range(10, 36), strict=True))
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 1, 1)

FORM = r"[A-Z][1289]\d{8}|[A-Z][A-D]\d{8}"
"""The three forms in use, after `fold`: 國民身分證, 新式統一證號, 舊式統一證號."""

_FORM = re.compile(FORM, re.ASCII)

NOISE = r"[\s\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
"""What copying between programs adds to a number: spaces, zero-width and direction marks."""

GUARD = r'^="(.*)"$'
"""Excel's way of keeping a number as text: `="A123456789"`."""

_WIDE = str.maketrans({chr(code): f"{chr(code)}{chr(code + 0xFEE0)}" for code in range(0x30, 0x7B)})
"""Each digit and letter with its full-width form beside it."""

LOOSE_FORM = "[{}][{}][{}]{{8}}".format(
    *(
        part.translate(_WIDE)
        for part in (f"{_LETTERS}{_LETTERS.lower()}", "1289ABCDabcd", "0123456789")
    )
)
"""What may be a number in a text: any width, any case, glued to what stands before it."""

LOOKS_LIKE = re.compile(LOOSE_FORM + "(?![0-9０-９])")


def fold(text: str) -> str:
    """The number as the state writes it: half width, capitals, no noise, no Excel guard."""
    if text.isascii() and text.isalnum():
        return text.upper()
    plain = re.sub(NOISE, "", unicodedata.normalize("NFKC", text))
    return re.sub(GUARD, r"\1", plain).upper()


def is_valid(number: str) -> bool:
    """Whether a folded number has one of the three forms and the right check digit."""
    if not _FORM.fullmatch(number):
        return False
    tens, units = divmod(_LETTER_VALUES[number[0]], 10)
    second = number[1] if number[1].isdigit() else str(_LETTER_VALUES[number[1]] % 10)
    weighted = sum(map(mul, _WEIGHTS, map(int, second + number[2:])))
    return (tens + units * 9 + weighted) % 10 == 0


def complete(first_nine: str) -> str:
    """Append the check digit to the first nine characters; for invented people only."""
    return next(n for digit in range(10) if is_valid(n := f"{first_nine}{digit}"))


def hide(text: str) -> str:
    """The text with the last four characters of every number in it hidden."""
    return LOOKS_LIKE.sub(lambda found: mask(found[0]), text)


def mask(number: str) -> str:
    """Hide the last four characters (國發會 103.12.31 發資字第1031501471號): A12345****."""
    return number[:-4] + "****" if len(number) > 4 else "*" * len(number)
