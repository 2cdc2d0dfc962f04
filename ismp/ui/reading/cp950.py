"""Big5 as Windows in Taiwan writes it: with 造字, the characters that users made themselves.

Source: Microsoft CP950, user-defined areas.
"""

import codecs

USER_DEFINED = "ismp-user-defined"
"""The name under which `bytes.decode("cp950", errors)` knows `user_defined`."""


def user_defined(error: UnicodeError) -> tuple[str, int]:
    """造字: map CP950's four user-defined areas to the Private Use Area, as Windows does."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    lead, trail = error.object[error.start], error.object[error.start + 1 : error.start + 2]
    if trail and (0x40 <= trail[0] <= 0x7E or 0xA1 <= trail[0] <= 0xFE):
        cell = trail[0] - (0x40 if trail[0] <= 0x7E else 0x62)
        for first, last, start in (
            (0xFA, 0xFE, 0xE000),
            (0x8E, 0xA0, 0xE311),
            (0x81, 0x8D, 0xEEB8),
        ):
            if first <= lead <= last:
                return chr(start + (lead - first) * 157 + cell), error.start + 2
        if 0xC6 <= lead <= 0xC8 and (lead, trail[0]) >= (0xC6, 0xA1):
            return chr(0xF6B1 + (lead - 0xC6) * 157 + cell - 63), error.start + 2
    raise error


codecs.register_error(USER_DEFINED, user_defined)
