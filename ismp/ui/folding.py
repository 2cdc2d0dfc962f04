"""Words as people look for them: whatever the width, the case, the spaces or the variant.

Folded here and stored folded, because databases fold differently or not at all.
"""

import unicodedata

_VARIANTS = str.maketrans("臺峯羣啓裏恒牆鏽妝嫻", "台峰群啟裡恆墻銹粧嫺")


def fold(text: str) -> str:
    """`臺北 ＡＢＣ  課程` and `台北ABC課程` become the same."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_VARIANTS)
    return "".join(folded.split())
