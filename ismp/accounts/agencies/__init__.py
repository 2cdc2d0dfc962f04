"""機關: how the code of an agency is written, whatever way it was typed.

Pure: models, forms, commands and the roster all fold a code here before they compare or store it.
"""

import re
import unicodedata

from ismp.accounts.national_id import GUARD


def fold_code(text: str) -> str:
    """Return an agency's code as it is stored: `３８２９９０１００ａ` becomes `382990100A`.

    Half width (NFKC), capitals, without spaces, zero-width and control characters, and without
    Excel's `="…"` around it.  Empty when nothing is left.
    """
    wide = unicodedata.normalize("NFKC", text)
    plain = "".join(one for one in wide if unicodedata.category(one)[0] not in "CZ")
    return re.sub(GUARD, r"\1", plain).upper()
