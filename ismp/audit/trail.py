"""Writing and verifying the trail.  It knows no deed: verbs and details come from the caller."""

import json
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from ismp.audit import kept
from ismp.audit.models import ChainHead, Event

SYSTEM = "（系統）"


class NotPossible(ValueError):
    """A deed cannot be done (any more) and leaves no event; the text is one sentence in Chinese."""


def record(verb: str, *, actor: str, agency: str = "", subject: str = "", **detail: Any) -> Event:
    """Add one event to the trail, inside the transaction of the deed itself.

    Call it last: it locks the head of the chain until the transaction ends.  Raises
    TransactionManagementError outside of a transaction, because then the deed could stand
    without its event.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("an event belongs in the transaction of its deed")
    head, _ = ChainHead.objects.select_for_update().get_or_create(pk=1)
    event = Event(
        number=head.number + 1,
        at=timezone.now(),
        actor=actor or SYSTEM,
        verb=verb,
        agency=agency,
        subject=subject,
        detail=detail,
    )
    event.chain = _link(bytes(head.chain), event)
    event.save(force_insert=True)
    head.number, head.chain = event.number, event.chain
    head.save(update_fields=["number", "chain"])
    kept.look_again()
    return event


def newest() -> int:
    """The number of the last event.  Events become visible in the order of their numbers."""
    return ChainHead.objects.filter(pk=1).values_list("number", flat=True).first() or 0


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
                chain = _link(chain, event)
                if chain != bytes(event.chain):
                    yield f"第 {event.number} 筆軌跡的內容與簽章不符，可能遭到竄改。"
                    chain = bytes(event.chain)
            expected += 1
        if expected - 1 != (head.number if head else 0) or (head and bytes(head.chain) != chain):
            yield f"軌跡應有 {head.number if head else 0} 筆，實際到第 {expected - 1} 筆為止。"


def _link(previous: bytes, event: Event) -> bytes:
    body = json.dumps(
        [
            event.number,
            event.at.timestamp(),
            event.actor,
            event.verb,
            event.agency,
            event.subject,
            event.detail,
        ],
        ensure_ascii=False,
        sort_keys=True,
    )
    return settings.KEYS.sign(previous + body.encode())
