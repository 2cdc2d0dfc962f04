"""資安列管身分 (資通安全責任等級分級辦法): as what a person owes hours.

A person may have several; their duties are then the union.  A set is one text, its codes in the
order below, joined: `it`, `security+general`.  SQL can name each set, there are few.  Knows
neither who has one nor what it asks for.
"""

from collections.abc import Iterable
from itertools import combinations

from django.db.models import TextChoices

_JOIN = "+"


class Identity(TextChoices):
    SECURITY = "security", "資安專職人員"
    IT = "it", "資訊人員"
    GENERAL = "general", "一般使用者及主管"


def as_set(identities: Iterable[str]) -> str:
    """The text of a set, whatever the order and repeats of its codes."""
    given = set(identities)
    return _JOIN.join(identity.value for identity in Identity if identity in given)


def members(identities: str) -> list[Identity]:
    return [Identity(code) for code in identities.split(_JOIN)]


def in_words(identities: str) -> str:
    """資訊人員、一般使用者及主管."""
    return "、".join(str(identity.label) for identity in members(identities))


def sets() -> list[str]:
    """Every set there can be."""
    sizes = range(1, len(Identity) + 1)
    return [as_set(chosen) for size in sizes for chosen in combinations(Identity, size)]
