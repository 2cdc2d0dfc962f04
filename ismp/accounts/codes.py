"""Codes that people read out to each other and type: one-time codes, receipts."""

import secrets

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without what people confuse: 0 O, 1 I L, U V."""
_LENGTH = 12


def new() -> str:
    """Twelve characters, 58 bits: nobody guesses one that is good for anything."""
    return "".join(secrets.choice(ALPHABET) for _ in range(_LENGTH))


def grouped(code: str) -> str:
    """ABCD-EFGH-JKLM, as it is shown."""
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))


def tidy(typed: str) -> str:
    """Normalise a code: drop whatever stands between its characters."""
    return "".join(char for char in typed.upper() if char in ALPHABET)
