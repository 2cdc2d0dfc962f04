"""Words as people look for them: whatever the width, the case, the spaces or the variant.

Folded here and stored folded, because databases fold differently or not at all.
"""

import re
import unicodedata

INVISIBLE = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb"
)
"""A character class of what nobody sees and nobody types: controls that are no white space, marks
of direction, the zero-width space, the byte order mark."""
IGNORED = (
    f"{INVISIBLE}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u200c\u200d\u3164\ufe00-\ufe0f"
    "\uffa0\U000e0000-\U000e0fff"
)
"""What makes no other word either (Unicode's Default_Ignorable): joiners and variation selectors,
which a name may carry and keeps when it is shown."""
_INVISIBLE, _OF_KEYS = re.compile(f"[{INVISIBLE}]"), re.compile(f"[{IGNORED}]")
_VARIANTS = str.maketrans("臺峯羣啓裏恒牆鏽妝嫻", "台峰群啟裡恆墻銹粧嫺")


def fold(text: str) -> str:
    """`臺北 ＡＢＣ  課程` and `台北ABC課程` become the same."""
    plain = _OF_KEYS.sub("", unicodedata.normalize("NFKC", text))
    return "".join(plain.casefold().translate(_VARIANTS).split())


def one_line(text: str) -> str:
    """Return a text as it is shown on one line: as it came, without what nobody sees, and each run
    of white space (line breaks too) as one space."""
    return text if text.isalnum() else " ".join(_INVISIBLE.sub("", text).split())


def key(text: str) -> str:
    """Return what a text is compared by: half width, composed, without ignorable characters, each
    run of white space as one space.  Case stays: whoever asks knows whether it matters."""
    if text.isascii() and text.isalnum():
        return text
    plain = _OF_KEYS.sub("", unicodedata.normalize("NFKC", text))
    return " ".join(unicodedata.normalize("NFKC", plain).split())


def is_key(text: str) -> bool:
    """Whether a text without white space around and in runs is its own key: quicker than `key`."""
    return unicodedata.is_normalized("NFKC", text) and not _OF_KEYS.search(text)
