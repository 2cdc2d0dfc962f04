"""Objects that belong to an agency: each package above registers how its own are moved."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ismp.accounts.models import Agency

# --- What else belongs to an agency --------------------------------------------------------------


@dataclass(frozen=True)
class Consequence:
    """How objects of one kind are moved when an agency is merged into another one."""

    title: str
    count: Callable[[Agency], int]
    merged: str
    """What the preview of a merger says of it."""
    closed: str = "留在原機關，由平台管理者處理。"
    """What it says when the agency is dissolved without a successor."""
    carry: Callable[[Agency, Agency], Any] | None = None
    """(agency, into): brings it to the other one, within the transaction; None: it stays."""
    obstacle: Callable[[Agency], str] = lambda agency: ""
    """Why the agency cannot be closed now; empty when it can."""


REGISTERED: list[Consequence] = []


def register(*consequences: Consequence) -> None:
    """Called by packages above in their `AppConfig.ready()`."""
    for one in consequences:
        if one.title not in {known.title for known in REGISTERED}:
            REGISTERED.append(one)
