"""The text of a file that people made: in UTF-8 as programs write it now, or in the Big5 of old.

For lists that people keep themselves; the portal's file is read with more care (`hours.cutting`).
"""

_CODECS = ("utf-8-sig", "cp950")


def decoded(data: bytes) -> str | None:
    """None when it is neither."""
    for codec in _CODECS:
        try:
            return data.decode(codec)
        except UnicodeDecodeError:
            continue
    return None
