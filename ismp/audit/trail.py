"""Writing and verifying the trail.  It knows no deed: verbs and details come from the caller."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from ismp.audit import kept
from ismp.audit.models import ChainHead, Event

SYSTEM = "（系統）"
_WORTH_A_COPY = 100
"""So many rows PostgreSQL takes faster by COPY."""


class NotPossible(ValueError):
    """A deed cannot be done (any more) and leaves no event; the text is one sentence in Chinese."""


@dataclass(frozen=True)
class Entry:
    """What one event of `record_many` says."""

    verb: str
    agency: str = ""
    subject: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


def record(verb: str, *, actor: str, agency: str = "", subject: str = "", **detail: Any) -> None:
    """Add one event to the trail, inside the transaction of the deed itself.

    Call it last: it locks the head of the chain until the transaction ends.  Raises
    TransactionManagementError outside of a transaction, because then the deed could stand
    without its event.
    """
    record_many([Entry(verb, agency, subject, detail)], actor=actor)


def record_many(entries: Sequence[Entry], *, actor: str) -> None:
    """Add the events of one deed on many things, in their order, as `record` adds one.

    The head of the chain is locked once and moved once.  Nobody else can leave an event from then
    until the transaction ends, so all that can be made before is: 60,000 events take a second.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("an event belongs in the transaction of its deed")
    actor, at = actor or SYSTEM, timezone.now()
    stored_at = connection.ops.adapt_datetimefield_value(at)
    columns = [
        (stored_at, actor, one.verb, one.agency, one.subject, _as_json(one.detail))
        for one in entries
    ]
    bodies = [_body(at, actor, one.verb, one.agency, one.subject, one.detail) for one in entries]
    head, _ = ChainHead.objects.select_for_update().get_or_create(pk=1)
    number, chain = head.number, bytes(head.chain)
    rows: list[tuple[Any, ...]] = []
    for values, body in zip(columns, bodies, strict=True):
        number += 1
        chain = _link(chain, number, body)
        rows.append((number, *values, chain))
    _insert(rows)
    head.number, head.chain = number, chain
    head.save(update_fields=["number", "chain"])
    kept.look_again()


def _insert(rows: list[tuple[Any, ...]]) -> None:
    """Past the models: for 60,000 events they take ten times as long."""
    into = f"{Event._meta.db_table} (number, at, actor, verb, agency, subject, detail, chain)"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql" and len(rows) >= _WORTH_A_COPY:
            with cursor.copy(f"COPY {into} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * 8)
            cursor.executemany(f"INSERT INTO {into} VALUES ({marks})", rows)  # noqa: S608


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
                told = (event.at, event.actor, event.verb, event.agency, event.subject)
                chain = _link(chain, event.number, _body(*told, event.detail))
                if chain != bytes(event.chain):
                    yield f"第 {event.number} 筆軌跡的內容與簽章不符，可能遭到竄改。"
                    chain = bytes(event.chain)
            expected += 1
        if expected - 1 != (head.number if head else 0) or (head and bytes(head.chain) != chain):
            yield f"軌跡應有 {head.number if head else 0} 筆，實際到第 {expected - 1} 筆為止。"


def _body(at: datetime, *told: Any) -> bytes:
    """What is signed of an event beside its number: actor, verb, agency, subject, detail."""
    return _as_json([at.timestamp(), *told], sort_keys=True).encode()


def _as_json(value: Any, *, sort_keys: bool = False) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=sort_keys)


def _link(previous: bytes, number: int, body: bytes) -> bytes:
    return settings.KEYS.sign(previous + b"[%d, " % number + body[1:])
