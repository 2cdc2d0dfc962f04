"""機關: how the code of an agency is written, whatever way it was typed.

Models, forms, commands and the roster all fold a code here before they compare or store it.
"""

import re

from ismp.ui.text.search_folding import key


def fold_code(text: str) -> str:
    """Return an agency's code as it is stored: half width, capitals, without spaces, invisible
    characters and Excel's guard (`="382000000a"` and `３８２００００００Ａ` are 382000000A)."""
    return re.sub(r'^="(.*)"$', r"\1", key(text).replace(" ", "")).upper()
