"""Intelligence from a file becomes advisories, and later versions of it change them.

What the file says goes into `source_says`; a column follows it only as long as nobody here decided
that column, and TLP never becomes looser by a file.  Only a later version replaces an earlier one
(ADR 20).  Formats are read by `intelligence`.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Account
from ismp.accounts.roles import Right
from ismp.audit import changes, trail
from ismp.audit.trail import Entry
from ismp.notifications.actions import notify
from ismp.security import intelligence, verbs
from ismp.security.advisories.wording import differences, edits_of
from ismp.security.intelligence import Contents, Found, IntelligenceRejected, Ioc
from ismp.security.models import BY_SOURCE, Advisory, Ended, Indicator, Origin, Tlp
from ismp.storage import bulk

_BATCH = 100
"""Advisories stored in one transaction: short, so that others' saves do not wait (SQLite)."""
_PAUSE = 0.005
"""Seconds between two transactions, in which who waits for SQLite's lock gets it."""
_TRIES = 3
_STRICTNESS = [Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT, Tlp.RED]
_SOURCE = "（來源）"
"""By whom an advisory was ended that its source took back."""


@dataclass
class Taken:
    """Outcome of a file: advisories that are new, changed since, and unchanged."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    ended: int = field(default=0, compare=False)
    """Of the updated: those that their source took back."""
    unknown: int = field(default=0, compare=False)
    """Taken back before they ever came here: not taken in."""
    remarks: list[str] = field(default_factory=list, compare=False)
    """Sentences about what of the file is no advisory."""

    def add(self, other: "Taken") -> None:
        self.created += other.created
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.ended += other.ended
        self.unknown += other.unknown


def import_advisories(data: bytes, *, by: Account) -> Taken:
    """Import a file (STIX, CVE JSON 5, KEV) as drafts; one of a source's is kept once.

    The file is read whole before anything is stored.  A later version of a published one changes
    what nobody decided, and its agencies are told; they keep their answers.  Raises
    intelligence.IntelligenceRejected, nothing taken.
    """
    contents = intelligence.read(data)
    contents.found = [one if one.stix else _masked(one) for one in contents.found]
    _refuse_what_was_taken_back(contents)
    return store(contents, by=by)


def store(contents: Contents, *, by: Account) -> Taken:
    """Store what was read, in short transactions; an event for each."""
    found = _newest(contents.found)
    taken = Taken(remarks=list(contents.remarks))
    for start in range(0, len(found), _BATCH):
        if start:
            time.sleep(_PAUSE)
        taken.add(_again_when_outrun(found[start : start + _BATCH], by=by))
    if contents.superseded:
        taken.ended += _supersede(contents.superseded, by=by)
    if taken.unknown:
        taken.remarks.append(f"有 {taken.unknown} 則已被來源撤銷，本平台原來也沒有，沒有匯入。")
    return taken


def _refuse_what_was_taken_back(contents: Contents) -> None:
    """A file that only takes back what we do not have brings nothing."""
    if not all(one.ended for one in contents.found):
        return
    ids = [one.stix_id for one in contents.found]
    if not Advisory.objects.filter(stix_id__in=ids).exists():
        names = "、".join(one.source_id for one in contents.found[:5])
        raise IntelligenceRejected(f"{names} 已被撤銷（來源收回），沒有匯入。")


def _masked(found: Found) -> Found:
    """A record or a line of a catalogue without any national ID in its texts (ADR 4); objects of
    STIX are masked where they are read."""
    values = {one.name: getattr(found, one.name) for one in fields(found)}
    masked: dict[str, Any] = national_id.hide_within(values)
    return Found(**{**masked, "iocs": [Ioc(*one) for one in masked["iocs"]]})


def _newest(found: Iterable[Found]) -> list[Found]:
    """One of each identity: of several versions the one that was modified last."""
    newest: dict[str, Found] = {}
    for one in found:
        known = newest.get(one.stix_id)
        if known is None or _version(known) < _version(one):
            newest[one.stix_id] = one
    return list(newest.values())


def _version(one: Found) -> tuple[str, str]:
    return one.modified, one.parts_modified or one.modified


def _again_when_outrun(found: list[Found], *, by: Account) -> Taken:
    for left in reversed(range(_TRIES)):
        ids = [one.stix_id for one in found]
        known = set(Advisory.objects.filter(stix_id__in=ids).values_list("stix_id", flat=True))
        new = [one for one in found if one.stix_id not in known and not one.ended]
        made = [_made_of(one, by) for one in new]  # before the transaction: it takes a while
        try:
            with transaction.atomic():
                return _store(found, list(zip(made, new, strict=True)), by=by)
        except IntegrityError:  # another import brought the same at the same moment
            if not left:
                raise
    raise AssertionError("the last try returned or raised")


def _store(found: list[Found], new: list[tuple[Advisory, Found]], *, by: Account) -> Taken:
    """Store what is new and renew what is held; `new` are advisories of those of `found` that were
    not held a moment ago.  Raises IntegrityError when they are now."""
    fresh = {one.stix_id for _, one in new}
    held = {
        one.stix_id: one
        for one in _held([one.stix_id for one in found if one.stix_id not in fresh])
    }
    _create([advisory for advisory, _ in new])
    Indicator.objects.bulk_create(
        ioc for advisory, source in new for ioc in _iocs(advisory, source)
    )
    news = [_renew(held[one.stix_id], one) for one in found if one.stix_id in held]
    entries = [one for one in news if one is not None]
    taken = Taken(
        created=len(new),
        updated=len(entries),
        unchanged=len(news) - len(entries),
        ended=sum(one.ended for one in entries),
        unknown=len(found) - len(new) - len(news),
    )
    counts = {"created": taken.created, "updated": taken.updated, "unchanged": taken.unchanged}
    trail.record_many(
        [*(one.entry for one in entries), Entry(verbs.TAKE_IN_ADVISORIES, detail=counts)],
        actor=by.username,
    )
    return taken


def _create(advisories: list[Advisory]) -> None:
    """Store what is new, each with its key."""
    bulk.create(advisories)
    stored = Advisory.objects.filter(stix_id__in=[one.stix_id for one in advisories])
    keys = dict(stored.values_list("stix_id", "pk"))
    for advisory in advisories:
        advisory.pk = keys[advisory.stix_id]


def _held(ids: list[str]) -> Iterable[Advisory]:
    """Locked, in one order, so that two imports wait for each other instead of blocking."""
    rows = Advisory.objects.select_for_update(of=("self",)).filter(stix_id__in=ids).order_by("pk")
    return rows.defer("stix").prefetch_related("indicators").order_by("pk")


def _made_of(found: Found, by: Account) -> Advisory:
    advisory = Advisory(
        created_by=by.username,
        origin=found.origin,
        source_id=found.source_id,
        stix_id=found.stix_id,
    )
    _follow(advisory, found)
    advisory.cve_words = " ".join(advisory.cves)  # bulk_create saves past `save`
    return advisory


@dataclass(frozen=True)
class _News:
    """Detail of a later version, for the trail."""

    entry: Entry
    ended: bool


def _renew(advisory: Advisory, found: Found) -> _News | None:
    """Take a later version; None when it brings nothing."""
    ends = bool(found.ended) and not advisory.source_says.get("ended")
    if not _is_later(found, advisory) and not (ends and _version(found) >= _known(advisory)):
        return None
    before, said = changes.stored(advisory), advisory.source_says
    _follow(advisory, found)
    news = [
        (f"來源的{title}", old, new) for title, old, new in differences(said, advisory.source_says)
    ]
    news += _renewed_iocs(advisory, found)
    ended = _end_by_source(advisory, found)
    changes.store(advisory, before, "cve_words")
    if not news and not ended and found.origin == Origin.KEV:
        return None  # a later catalogue in which this line is the same
    if ended:
        tell(advisory, ended)
    elif news and advisory.published_at and not advisory.ended:
        tell(advisory, "情資有更新", news)
    edits = news + edits_of(before, advisory)
    entry = trail.about(verbs.UPDATE_ADVISORY, advisory, changes=edits)
    return _News(entry, bool(found.ended))


def _known(advisory: Advisory) -> tuple[str, str]:
    return advisory.source_modified, advisory.parts_modified or advisory.source_modified


def _is_later(found: Found, advisory: Advisory) -> bool:
    """Whether a version may replace the one we have: STIX and CVE say when they were modified.

    A catalogue only has a day, a CSV of it not even that: of the same day, any other text counts.
    """
    if found.origin == Origin.KEV:
        return not found.modified or found.modified >= advisory.source_modified
    return not advisory.source_modified or _version(found) > _known(advisory)


def _follow(advisory: Advisory, found: Found) -> None:
    """Note what the source says, and let each column follow that nobody here decided."""
    for column in Advisory.FROM_SOURCE:
        value = getattr(found, column)
        is_free = column == "tlp" or not advisory.is_decided(column)
        if is_free and (column != "tlp" or _follows_tlp(advisory, value)):
            setattr(advisory, column, value)
    advisory.source_says = {
        column: _as_json(getattr(found, column)) for column in Advisory.FROM_SOURCE
    } | {"ended": found.ended}
    advisory.source_modified = found.modified or advisory.source_modified
    advisory.parts_modified = found.parts_modified
    advisory.stix = found.stix


def _follows_tlp(advisory: Advisory, tlp: str) -> bool:
    """A file makes TLP stricter, never looser; a marking that nobody can read changes nothing."""
    if advisory.pk is None:
        return True
    if "tlp" in advisory.decided or tlp == Tlp.UNKNOWN:
        return False
    if advisory.tlp == Tlp.UNKNOWN:
        return True
    return _STRICTNESS.index(Tlp(tlp)) > _STRICTNESS.index(Tlp(advisory.tlp))


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _iocs(advisory: Advisory, found: Found) -> Iterator[Indicator]:
    for kind, value, first_seen, detects in found.iocs:
        seen = datetime.fromisoformat(first_seen) if first_seen else None
        yield Indicator(advisory=advisory, kind=kind, value=value, first_seen=seen, detects=detects)


def _renewed_iocs(advisory: Advisory, found: Found) -> list[changes.Change]:
    """Write the indicators anew where they differ."""

    def said(all_: Iterable[Indicator]) -> set[tuple[Any, ...]]:
        return {(one.kind, one.value, one.first_seen, one.detects) for one in all_}

    new = list(_iocs(advisory, found))
    before, after = said(advisory.indicators.all()), said(new)
    if before == after:
        return []
    Indicator.objects.filter(advisory=advisory).delete()
    Indicator.objects.bulk_create(new)
    return [("來源的入侵指標", f"{len(before)} 項", f"{len(after)} 項")]


# --- Taken back by the source --------------------------------------------------------------------


def _end_by_source(advisory: Advisory, found: Found) -> str:
    """Notice to the agencies when the source withdraws an advisory, or issues it again;
    empty when neither.  What the platform ended stays ended by the platform."""
    if found.ended and not advisory.ended:
        advisory.ended = Ended(found.ended)
        advisory.ended_at, advisory.ended_by = timezone.now(), _SOURCE
        advisory.ended_because = found.ended_because
        return f"{Ended(found.ended).label}，不必再回覆"
    if not found.ended and advisory.ended in BY_SOURCE:
        advisory.ended, advisory.ended_at = "", None
        advisory.ended_by = advisory.ended_because = ""
        return "來源恢復了這則情資，請照原來的期限回覆"
    return ""


@transaction.atomic
def _supersede(superseded: dict[str, str], *, by: Account) -> int:
    """End what another advisory took the place of, although the file does not hold it."""
    entries = []
    for advisory in _held(list(superseded)):
        if advisory.ended:
            continue
        before = changes.stored(advisory)
        advisory.ended, advisory.ended_at = Ended.SUPERSEDED, timezone.now()
        advisory.ended_by = _SOURCE
        advisory.ended_because = f"改用 {superseded[advisory.stix_id]}"
        advisory.source_says = {**advisory.source_says, "ended": Ended.SUPERSEDED.value}
        changes.store(advisory, before)
        tell(advisory, f"{Ended.SUPERSEDED.label}，不必再回覆")
        edits = edits_of(before, advisory)
        entries.append(trail.about(verbs.UPDATE_ADVISORY, advisory, changes=edits))
    if entries:
        trail.record_many(entries, actor=by.username)
    return len(entries)


def tell(advisory: Advisory, what: str, news: Iterable[changes.Change] = ()) -> None:
    """Tell those who answer for the agencies that have it what became different."""
    agencies = advisory.addresses.filter(removed_at=None).values("agency")
    titles = "、".join(dict.fromkeys(title for title, _, _ in news))
    notify(
        Account.objects.who_may(Right.EDIT_SECURITY).filter(agency__in=agencies),
        kind="advisory",
        subject=f"{what}：{advisory.name_in_notices}",
        body=f"{titles}有變動，請核對處理情形是否仍然正確。" if titles else "",
        link=advisory.get_absolute_url(),
    )
