"""Products against patterns: which devices fall under a list, and which an advisory speaks of.

Pure: texts in, texts out.  A city has 100,000 devices but few thousand products, so each distinct
(brand, model) is looked at once.  Judged by the brand as written, whatever the place of origin
(院授數資安字第1141000253號).
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache

_SPACES = re.compile(r"[\s　\-_‐-―]+")
_ASCII_WORD = re.compile(r"[a-z0-9]")


@lru_cache(100_000)
def fold(text: str) -> str:
    """As people mean it: no case, no full width, no spaces or hyphens."""
    return _SPACES.sub("", unicodedata.normalize("NFKC", text).casefold())


def match(
    products: Iterable[tuple[str, str]], patterns: Mapping[int, tuple[str, str]]
) -> dict[tuple[str, str], int]:
    """{(brand, model): number of the pattern it falls under}, for those that do.

    `patterns` are {number: (brand, model)}: `*` stands for any text, an empty model for every
    one.  A brand pattern also finds the brand inside of what was written (`HIKVISION 海康威視`); a
    pattern of Latin letters only where no other letter is glued to it, so that `vivo` is not found
    in `vivotek`.  Of several patterns the narrowest (with a model) stands, then the first.
    """
    ordered = sorted(patterns.items(), key=lambda item: (not item[1][1], item[0]))
    readers = [(number, _brand(brand), _model(model)) for number, (brand, model) in ordered]
    found: dict[tuple[str, str], int] = {}
    for product in set(products):
        written = _spaced(product[0])
        model = fold(product[1])
        for number, brand, of_model in readers:
            if brand.search(written) and (of_model is None or of_model.fullmatch(model)):
                found[product] = number
                break
    return found


def _spaced(brand: str) -> str:
    """Folded, but words stay apart: where one ends matters for Latin brands."""
    plain = unicodedata.normalize("NFKC", brand).casefold()
    return _SPACES.sub(" ", plain).strip()


def _brand(pattern: str) -> re.Pattern[str]:
    words = re.escape(_spaced(pattern)).replace(r"\*", ".*").replace(r"\ ", " ?")
    before = r"(?<![a-z0-9])" if _ASCII_WORD.match(_spaced(pattern)[:1]) else ""
    after = r"(?![a-z0-9])" if _ASCII_WORD.match(_spaced(pattern)[-1:]) else ""
    return re.compile(f"{before}{words}{after}")


def _model(pattern: str) -> re.Pattern[str] | None:
    folded = fold(pattern)
    return re.compile(re.escape(folded).replace(r"\*", ".*")) if folded else None
