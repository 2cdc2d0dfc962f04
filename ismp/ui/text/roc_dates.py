"""Dates of the Republic of China calendar (民國 year = AD year − 1911), read and written.

Knows neither Django nor the domain: not which dates a course may have, not what a page shows.
"""

import re
import unicodedata
from datetime import date

OFFSET = 1911

_SEPARATED = r"(?P<y>\d{2,4})\s*(?P<s>[-/.])\s*(?P<m>\d{1,2})\s*(?P=s)\s*(?P<d>\d{1,2})"
_WORDS = r"(?:民國|中華民國)?\s*(?P<y>\d{2,4})\s*年\s*(?P<m>\d{1,2})\s*月\s*(?P<d>\d{1,2})\s*日"
_COMPACT = r"(?P<y>\d{2,4})(?P<m>\d{2})(?P<d>\d{2})"
_TIME = r"(?:\s*T?\s*\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?"
FORMS = tuple(rf"^{form}{_TIME}$" for form in (_SEPARATED, _WORDS, _COMPACT))
"""How a date may be written, after width folding; 2–3 digits are ROC years, 4 are AD."""


def parse(text: str) -> date:
    """Read `115-01-05`, `115/1/5`, `1150105`, `民國115年1月5日`, `2026-01-05` …

    Raises ValueError for anything else; a day-first date such as 01/05/2026 is never guessed.
    """
    folded = unicodedata.normalize("NFKC", text).strip()
    for form in FORMS:
        if found := re.match(form, folded, re.ASCII):
            year, month, day = (int(found[part]) for part in "ymd")
            is_roc = len(found["y"]) < 4 or found["y"].startswith("0")
            return date(year + OFFSET if is_roc else year, month, day)
    raise ValueError("not a date")


def roc_date(value: date | None) -> str:
    """`115-01-05`, as every page writes it; empty for None."""
    return f"{value.year - OFFSET:03d}-{value.month:02d}-{value.day:02d}" if value else ""


def roc_year(value: date) -> int:
    return value.year - OFFSET
