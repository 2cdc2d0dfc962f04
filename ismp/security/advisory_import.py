"""Intelligence from a file becomes advisories, and newer versions of it change them.

What the file says goes into `source_says`; a column follows it only as long as nobody here decided
that column, and TLP never becomes looser by a file.  Only a later version replaces an earlier one
(ADR 20).  Formats are read by `intelligence`.
"""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction

from ismp.accounts import national_id
from ismp.accounts.models import Account
from ismp.accounts.roles import Right
from ismp.audit import changes, trail
from ismp.notices.actions import notify
from ismp.security import intelligence
from ismp.security.advisory_words import differences, edits_of
from ismp.security.intelligence import Found
from ismp.security.models import Advisory, Origin, Tlp

_BATCH = 200
"""Advisories stored in one transaction: short, so that others' saves do not wait (SQLite)."""
_TRIES = 3
_STRICTNESS = [Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT, Tlp.RED]


class Taken(NamedTuple):
    """What a file brought: advisories that are new, changed since, and as they were."""

    created: int
    updated: int
    unchanged: int


def take_in(data: bytes, *, by: Account) -> Taken:
    """Import a file (STIX 2.1, CVE JSON 5, KEV) as drafts; one of a source's is kept once.

    The file is read whole before anything is stored.  A later version of a published one changes
    what nobody decided, and its agencies are told; they keep their answers.  Raises
    intelligence.IntelligenceRefused, nothing taken.
    """
    found = _newest(_masked(one) for one in intelligence.read(data))
    batches = (found[start : start + _BATCH] for start in range(0, max(len(found), 1), _BATCH))
    return Taken(*map(sum, zip(*(_take_batch(batch, by=by) for batch in batches), strict=True)))


def _masked(found: Found) -> Found:
    """What came, without any national ID in its texts (ADR 4)."""
    return Found(**national_id.hide_within(asdict(found)))


def _newest(found: Iterable[Found]) -> list[Found]:
    """One of each identity: of several versions the one that was modified last."""
    newest: dict[str, Found] = {}
    for one in found:
        known = newest.get(one.stix_id)
        if known is None or _version(known) < _version(one):
            newest[one.stix_id] = one
    return list(newest.values())


def _version(one: Found) -> tuple[str, str]:
    return one.modified, one.parts_modified


def _take_batch(found: list[Found], *, by: Account) -> Taken:
    for left in reversed(range(_TRIES)):
        try:
            with transaction.atomic():
                return _store(found, by=by)
        except IntegrityError:  # another import brought the same at the same moment
            if not left:
                raise
    raise AssertionError("the last try returned or raised")


def _store(found: list[Found], *, by: Account) -> Taken:
    rows = Advisory.objects.select_for_update(of=("self",)).order_by("pk")
    held = {one.stix_id: one for one in rows.filter(stix_id__in=[one.stix_id for one in found])}
    new = [_made_of(one, by) for one in found if one.stix_id not in held]
    Advisory.objects.bulk_create(new)
    updated = sum(_renew(held[one.stix_id], one, by=by) for one in found if one.stix_id in held)
    taken = Taken(len(new), updated, len(found) - len(new) - updated)
    trail.record("take_in_advisories", actor=by.username, **taken._asdict())
    return taken


def _made_of(found: Found, by: Account) -> Advisory:
    advisory = Advisory(
        created_by=by.username,
        origin=found.origin,
        source_id=found.source_id,
        stix_id=found.stix_id,
    )
    _follow(advisory, found)
    return advisory


def _renew(advisory: Advisory, found: Found, *, by: Account) -> bool:
    """Take a later version; return whether there was one."""
    if not _is_later(found, advisory):
        return False
    before, said = changes.stored(advisory), advisory.source_says
    _follow(advisory, found)
    advisory.save()
    news = [
        (f"來源的{title}", old, new) for title, old, new in differences(said, advisory.source_says)
    ]
    if not news and found.origin == Origin.KEV:
        return False  # a later catalogue in which this line is the same
    trail.record(
        "update_advisory",
        actor=by.username,
        subject=f"advisory:{advisory.pk}",
        changes=news + edits_of(before, advisory),
    )
    if news and advisory.published_at:
        tell(advisory, news, "情資有更新")
    return True


def _is_later(found: Found, advisory: Advisory) -> bool:
    """Whether a version may replace the one we have: STIX and CVE say when they were modified.

    A catalogue only has a day, a CSV of it not even that: of the same day, any other text counts.
    """
    known = advisory.source_modified, advisory.parts_modified
    if found.origin == Origin.KEV:
        return not found.modified or found.modified >= advisory.source_modified
    return not advisory.source_modified or _version(found) > known


def _follow(advisory: Advisory, found: Found) -> None:
    """Note what the source says, and let each column follow that nobody here decided."""
    for column in Advisory.FROM_SOURCE:
        value = getattr(found, column)
        if column == "tlp":
            follows = column not in advisory.decided and _is_stricter(value, advisory)
        else:
            follows = not advisory.is_decided(column)
        if follows:
            setattr(advisory, column, value)
    advisory.source_says = {
        column: _as_json(getattr(found, column)) for column in Advisory.FROM_SOURCE
    }
    advisory.source_modified = found.modified or advisory.source_modified
    advisory.parts_modified = found.parts_modified
    advisory.stix = found.stix


def _is_stricter(tlp: str, advisory: Advisory) -> bool:
    """A file makes TLP stricter, never looser; a new advisory has the file's."""
    if advisory.pk is None:
        return True
    return _STRICTNESS.index(Tlp(tlp)) > _STRICTNESS.index(Tlp(advisory.tlp))


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def tell(advisory: Advisory, news: list[changes.Change], what: str) -> None:
    """Tell those who answer for the agencies that have it what became different."""
    agencies = advisory.addresses.values("agency")
    titles = "、".join(dict.fromkeys(title for title, _, _ in news))
    notify(
        Account.objects.who_may(Right.EDIT_SECURITY).filter(agency__in=agencies),
        kind="advisory",
        subject=f"{what}：{advisory.title}",
        body=f"{titles}有變動，請核對處理情形是否仍然正確。",
        link=advisory.get_absolute_url(),
    )
