"""Writing and verifying the trail.  It knows no action: verbs and details come from the caller."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from ismp.audit import event_cache, origin
from ismp.audit.models import Audited, ChainHead, Event
from ismp.audit.text_mask import mask
from ismp.audit.verbs import Verb
from ismp.storage import bulk

SYSTEM = "（系統）"
_SIGNED = ("actor", "verb", "agency", "subject", "detail", "address", "session", "reference")
"""What is signed of an event beside its number and moment."""
_COLUMNS = ("number", "at", *_SIGNED, "chain")


@dataclass(frozen=True)
class Entry:
    """Values of one event of `record_many`."""

    verb: Verb
    agency: str = ""
    subject: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


def about(
    verb: Verb,
    thing: Audited | None = None,
    /,
    *,
    agency: str | None = None,
    subject: str | None = None,
    **detail: Any,
) -> Entry:
    """Return what the trail says of a thing: its own words for itself and for whose it is, unless
    others are given."""
    if thing is None:
        return Entry(verb, agency or "", subject or "", detail)
    agency = thing.audit_agency if agency is None else agency
    subject = thing.audit_subject if subject is None else subject
    return Entry(verb, agency, subject, {**thing.audit_detail, **detail})


def record(
    verb: Verb,
    thing: Audited | None = None,
    /,
    *,
    actor: str,
    agency: str | None = None,
    subject: str | None = None,
    **detail: Any,
) -> None:
    """Add one event to the trail (`about`), inside the transaction of the action itself.

    Call it last: it locks the head of the chain until the transaction ends.  Raises
    TransactionManagementError outside of a transaction, because then the action could stand
    without its event.
    """
    record_many([about(verb, thing, agency=agency, subject=subject, **detail)], actor=actor)


def record_many(entries: Sequence[Entry], *, actor: str) -> None:
    """Add the events of one action on many things, in their order, as `record` adds one.

    The head of the chain is locked once and moved once.  Nobody else can leave an event from then
    until the transaction ends, so all that can be made before is: 60,000 events take a second.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("an event belongs in the transaction of its action")
    here = astuple(origin.here())
    actor, at = mask(actor) or SYSTEM, timezone.now()
    stored_at = connection.ops.adapt_datetimefield_value(at)
    facts = [
        (actor, one.verb.name, one.agency, *mask([one.subject, one.detail])) for one in entries
    ]
    columns = [(stored_at, *one[:-1], _as_json(one[-1]), *here) for one in facts]
    bodies = [_body(at, *one, *here) for one in facts]
    head, _ = ChainHead.objects.select_for_update().get_or_create(pk=1)
    number, chain = head.number, bytes(head.chain)
    rows: list[tuple[Any, ...]] = []
    for values, body in zip(columns, bodies, strict=True):
        number += 1
        chain = _link(chain, number, body)
        rows.append((number, *values, chain))
    bulk.insert(Event._meta.db_table, _COLUMNS, rows)
    head.number, head.chain = number, chain
    head.save(update_fields=["number", "chain"])
    origin.note(number)
    event_cache.refresh_event_cache()


def is_new(verb: Verb, *, within: timedelta, actor: str, subject: str = "") -> bool:
    """Return whether no event of this verb, actor, subject and address was added lately.

    For what a stranger, or a page that asks by itself, can do as often as it likes: ask before
    `record`, in the same transaction.  True holds until that ends, for the head of the chain is
    locked.
    """
    alike = Event.objects.filter(verb=verb.name, actor=actor, subject=subject)
    alike = alike.filter(address=origin.here().address, at__gt=timezone.now() - within)
    if alike.exists():
        return False
    hold()
    return not alike.exists()


def hold() -> None:
    """Lock the head of the chain until the transaction ends, which must be soon: for what can be
    done by one at a time and has no row of its own to lock.

    Nobody else leaves an event meanwhile.  Lock nothing afterwards that somebody else may hold.
    """
    ChainHead.objects.select_for_update().get_or_create(pk=1)


def has_recorded(request: Any) -> bool:
    """Return whether a request has left an event that was not taken back with its transaction."""
    numbers = getattr(request, "events", ())
    own = Event.objects.filter(pk__in=numbers, reference=getattr(request, "reference", ""))
    return bool(numbers) and own.exists()


def newest() -> int:
    """The number of the last event.  Events become visible in the order of their numbers."""
    return ChainHead.objects.filter(pk=1).values_list("number", flat=True).first() or 0


def anchor() -> tuple[int, str]:
    """Return the number of the last event and its link (64 hex digits); (0, "") without any.

    Kept where the database's owner cannot reach, they show later whether the end was cut off.
    """
    head = ChainHead.objects.filter(pk=1).first()
    return (head.number, bytes(head.chain).hex()) if head else (0, "")


def anchor_faults(anchors: Iterable[tuple[int, str]]) -> Iterator[str]:
    """Yield one sentence (Traditional Chinese) per anchor whose event is gone or another one."""
    for number, chain in sorted(set(anchors)):
        event = Event.objects.filter(number=number).first()
        if event is None:
            yield f"第 {number} 筆軌跡曾經存在（錨點為證），現在不見了：軌跡的尾端被截掉。"
        elif bytes(event.chain).hex() != chain:
            yield f"第 {number} 筆軌跡與錨點不符：這一筆或之前的軌跡被整段改寫。"


def faults() -> Iterator[str]:
    """Walk the whole chain; yield one sentence (Traditional Chinese) per fault found."""
    with transaction.atomic():
        head = ChainHead.objects.select_for_update().filter(pk=1).first()
        expected, chain = 1, b""
        for event in Event.objects.order_by("number").iterator():
            if event.number != expected:
                yield f"第 {expected} 筆到第 {event.number - 1} 筆軌跡不見了。"
                expected, chain = event.number, bytes(event.chain)
            else:
                facts = (getattr(event, name) for name in _SIGNED)
                chain = _link(chain, event.number, _body(event.at, *facts))
                if chain != bytes(event.chain):
                    yield f"第 {event.number} 筆軌跡的內容與簽章不符，可能遭到竄改。"
                    chain = bytes(event.chain)
            expected += 1
        if expected - 1 != (head.number if head else 0) or (head and bytes(head.chain) != chain):
            yield f"軌跡應有 {head.number if head else 0} 筆，實際到第 {expected - 1} 筆為止。"


def _body(at: datetime, *facts: Any) -> bytes:
    """Return the signed part of an event beside its number: its moment and `_SIGNED`."""
    return _as_json([at.timestamp(), *facts], sort_keys=True).encode()


def _as_json(value: Any, *, sort_keys: bool = False) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=sort_keys)


def _link(previous: bytes, number: int, body: bytes) -> bytes:
    signed: bytes = settings.KEYS.sign(previous + b"[%d, " % number + body[1:])
    return signed
