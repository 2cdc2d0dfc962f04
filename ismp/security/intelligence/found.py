"""Output of the readers: advisories as a file describes them; parsing of days and moments."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, NamedTuple

from ismp.accounts import national_id

NAMESPACE = uuid.UUID("6f0f4b5e-3c1d-5f0a-9d55-1a1c7a5d9f10")
"""Objects that we make ourselves keep their id from export to export."""
TAIPEI = timezone(timedelta(hours=8))
_DAY = len("2026-11-20")


class IntelligenceRejected(ValueError):
    """The file as a whole is refused; the text is one sentence in Chinese, which may quote the
    file, but no national ID of it."""

    def __init__(self, sentence: str) -> None:
        super().__init__(national_id.hide(sentence))


class Ioc(NamedTuple):
    """An indicator of compromise."""

    kind: str
    """As `indicators` names it: 網域, IPv4, SHA-256, YARA …"""
    value: str
    first_seen: str
    """As `moment` writes it; empty: not said."""
    detects: bool
    """Whether its source means it for detection, not only for context."""


@dataclass
class Found:
    """One advisory as a file tells it."""

    origin: str
    """stix, cve, kev, hand."""
    source: str
    source_id: str
    stix_id: str
    title: str
    issued_on: date
    modified: str = ""
    """When its source changed it last, as `moment` writes it; empty: not said."""
    parts_modified: str = ""
    """The same of the newest object of which it is made."""
    severity: str = "unrated"
    tlp: str = "clear"
    """`unknown`: there is a marking that nobody here can read."""
    body: str = ""
    action: str = ""
    due_on: date | None = None
    cves: list[str] = field(default_factory=list)
    products: list[dict[str, str]] = field(default_factory=list)
    """[{"vendor": …, "product": …, "versions": …}]: what is affected, nothing else."""
    details: list[list[str]] = field(default_factory=list)
    """[[title, text]]."""
    iocs: list[Ioc] = field(default_factory=list)
    ended: str = ""
    """revoked, rejected, superseded: its source has taken it back."""
    ended_because: str = ""
    stix: list[dict[str, Any]] | None = None
    """The objects that it came as."""


@dataclass
class Contents:
    """The advisories of a file."""

    found: list[Found] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """Sentences about what of it is no advisory."""
    superseded: dict[str, str] = field(default_factory=dict)
    """{stix_id: of what took its place} of advisories that need not be in the file."""


def stix_id(origin: str, source_id: str) -> str:
    """The id of the report that an advisory goes out as when it did not come as STIX.

    Always the same one, so that what goes out is known when it comes back.
    """
    return f"report--{uuid.uuid5(NAMESPACE, f'{origin}|{source_id}|report')}"


@lru_cache(20_000)
def moment(text: str) -> str:
    """A moment in ISO 8601 as UTC in one length, so that later ones sort later; empty stays so.

    One without a zone is in UTC, as CVE records write it.  Raises ValueError, OverflowError.
    """
    if not text:
        return ""
    found = datetime.fromisoformat(text)
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def day(text: str) -> date:
    """The day of a moment in Taipei; a day without a time is that day.  Raises ValueError."""
    if len(text) == _DAY:
        return date.fromisoformat(text)
    return datetime.fromisoformat(moment(text)).astimezone(TAIPEI).date()


def today() -> date:
    return datetime.now(TAIPEI).date()
