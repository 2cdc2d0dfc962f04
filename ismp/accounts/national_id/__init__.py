"""National identification numbers: how they are written, checked and hidden.

Importing this package needs no Django; the encrypted field is in `national_id.encrypted`.
"""

from ismp.accounts.national_id.number import (
    FORM,
    GUARD,
    NOISE,
    complete,
    fold,
    hide,
    hide_within,
    holds,
    is_valid,
    mask,
)

__all__ = [
    "FORM",
    "GUARD",
    "NOISE",
    "complete",
    "fold",
    "hide",
    "hide_within",
    "holds",
    "is_valid",
    "mask",
]
