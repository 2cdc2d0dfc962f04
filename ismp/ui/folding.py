"""Words as people look for them: whatever the width, the case, the spaces or the variant.

Folded here and stored folded, because databases fold differently or not at all.
"""

import unicodedata

from django.db.models import Q

_VARIANTS = str.maketrans("臺峯羣啓裏恒牆鏽妝嫻", "台峰群啟裡恆墻銹粧嫺")


def fold(text: str) -> str:
    """`臺北 ＡＢＣ  課程` and `台北ABC課程` become the same."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_VARIANTS)
    return "".join(folded.split())


def containing(field: str, text: str) -> Q:
    """Whose field contains a text, whatever its case.

    Most of what people look for knows no case; PostgreSQL then need not turn each value to
    capitals first, which is two thirds of its work.
    """
    how = "contains" if text.upper() == text.lower() else "icontains"
    return Q(**{f"{field}__{how}": text})
