"""National identification numbers: how they are written, checked and hidden.

Knows nothing of Django or of storage.  A valid number proves no identity: about one in ten
single-digit typing errors passes the checksum.

Source: 戶政司 numbering rule; 新式外來人口統一證號 since 2021-01-02 (second digit 8 or 9); the
old 統一證號 (two letters) stays valid until 2031-01-01.
"""

import re
import unicodedata
from operator import mul
from typing import Any

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

_GLUED = ("Cc", "Cf", "Mn", "Me")
"""Categories of characters that stand between others unseen: controls, format, marks."""
_BLANK = "\u115f\u1160\u3164\uffa0\u2800"
"""Letters and symbols that look like a space."""
_BETWEEN = ".,/\\*~|·•‧・。，、．"
"""What people put between the characters of a number, beside spaces, dashes and underscores."""
_OTHER = "!"


class _Skeleton(dict[int, str]):
    """For `str.translate`: letters in half width and capitals, digits as ASCII, `-` for what may
    stand between them in sight, nothing for what is unseen, `!` for all else."""

    def __missing__(self, code: int) -> str:
        found = _skeleton_of(chr(code))
        if code < 0x10000:  # a text of a stranger may hold any of a million characters
            self[code] = found
        return found


def _skeleton_of(char: str) -> str:
    kind = unicodedata.category(char)
    if char.isspace() or char in _BETWEEN or char in _BLANK or kind[0] == "Z":
        return "-"
    if kind in {"Pd", "Pc"} or char == "\u2212":
        return "-"
    if kind in _GLUED:
        return ""
    if kind == "Nd":
        return str(unicodedata.decimal(char))
    plain = unicodedata.normalize("NFKC", char).upper()
    return "".join(c if c.isascii() and c.isalnum() else _OTHER for c in plain)


_SKELETON = _Skeleton()
_DIGIT = r"\d\u00b2\u00b3\u00b9\u2070-\u2079\u2080-\u2089\u2460-\u249b\u24ea-\u24ff\u2776-\u2793"
_EIGHT_DIGITS = re.compile(rf"(?:[^{_DIGIT}]*[{_DIGIT}]){{8}}")
"""Most texts have fewer, and are told from the others in a tenth of the time."""
_IN_A_TEXT = re.compile(r"(?=([A-Z]-*[1289A-D](?:-*[0-9]){8})(?![0-9]))")
"""A number in a skeleton; within a lookahead, because a letter before it may begin another one.

Linear: a run of `-` is read from the two letters before it at most."""
_DATE = r"[0-9]{2,4}[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12][0-9]|3[01])"
_ADDRESS = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_NO_NUMBER = re.compile(rf"[A-Za-z][0-9][^0-9A-Za-z]+(?:{_DATE}|{_ADDRESS})(?![0-9])")
"""A room or a model (A1) before a date or a network address."""
_DIGEST = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9a-f]{32}(?:[0-9a-f]{8}|[0-9a-f]{32}|[0-9a-f]{96})?"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![0-9A-Za-z])",
    re.IGNORECASE,
)
"""A hash or a UUID in hexadecimal: every eleventh hash holds what looks like a number."""


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
    weighted: int = sum(map(mul, _WEIGHTS, map(int, second + number[2:])))
    return (tens + units * 9 + weighted) % 10 == 0


def complete(first_nine: str) -> str:
    """Append the check digit to the first nine characters; for invented people only."""
    return next(n for digit in range(10) if is_valid(n := f"{first_nine}{digit}"))


def hide(text: str, *, valid: bool = False) -> str:
    """Return the text with the last four digits of every number in it hidden.

    A number is found in any width and case, glued to what stands before it, and with spaces,
    dashes, dots or unseen characters between its characters.  In one piece its form is enough, but
    with `valid` (of texts that are codes themselves) its check digit must be right.  With visible
    characters between, that is always so, and no Latin letter stands before it: CVE-2026-12345 or
    a room followed by figures have that form too.
    """
    ends = _ends(text, valid)
    if not ends:
        return text
    chars = list(text)
    for at in ends:
        chars[at] = "*"
    return "".join(chars)


def hide_within(value: Any, *, valid: bool = False) -> Any:
    """Return what JSON can hold with `hide` done to every text in it: the mask of texts."""
    if isinstance(value, str):
        return hide(str(value), valid=valid)
    if isinstance(value, dict):
        return {hide_within(name): hide_within(one, valid=valid) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [hide_within(one, valid=valid) for one in value]
    return value


def holds(text: str, *, valid: bool = False) -> bool:
    """Return whether `hide` would find a number in the text."""
    return bool(_ends(text, valid))


def _ends(text: str, valid: bool) -> set[int]:
    """Return the places of the last four characters of each number in a text."""
    if not _EIGHT_DIGITS.match(text):
        return set()
    skeleton = text.translate(_SKELETON)
    found = [match for match in _IN_A_TEXT.finditer(skeleton) if _is_one(skeleton, match, valid)]
    if not found:
        return set()
    where = [at for at, char in enumerate(text) for _ in _SKELETON[ord(char)]]
    digests = [match.span() for match in _DIGEST.finditer(text)]
    ends: set[int] = set()
    for match in found:
        first, last = where[match.start(1)], where[match.end(1) - 1]
        if any(a <= first and last < b for a, b in digests) or _NO_NUMBER.match(text, first):
            continue
        places = [at for at in range(*match.span(1)) if skeleton[at] != "-"]
        ends |= {where[at] for at in places[-4:]}
    return ends


def _is_one(skeleton: str, match: re.Match[str], valid: bool) -> bool:
    number = match[1].replace("-", "")
    if len(number) == len(match[1]):
        return not valid or is_valid(number)
    before = skeleton[match.start() - 1 : match.start()]
    return not ("A" <= before <= "Z") and is_valid(number)


def mask(number: str) -> str:
    """Hide the last four characters (國發會 103.12.31 發資字第1031501471號): A12345****."""
    return number[:-4] + "****" if len(number) > 4 else "*" * len(number)
