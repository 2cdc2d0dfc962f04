"""Match devices with the lines of the list of restricted products."""

from collections import defaultdict
from datetime import date

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from ismp.security.devices import product_matching
from ismp.security.models import (
    Device,
    RestrictedProduct,
)

BATCH = 5_000
UPDATED_AT_ONCE = 200


_LIST_LOCK = 0x4C495354
"""Of `pg_advisory_xact_lock`: the list of restricted products beside what falls under it."""


def hold_list(*, to_change: bool) -> None:
    """Let nobody change the list, or with `to_change` match devices either, until the transaction
    ends: each would match by what the other one has not stored yet.

    SQLite has one writer at a time anyhow.
    """
    if connection.vendor == "postgresql":
        kind = "" if to_change else "_shared"
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_advisory_xact_lock{kind}(%s)", [_LIST_LOCK])


def match(devices: QuerySet[Device], today: date | None = None) -> int:
    """Note on each of these devices what it falls under; return how many changed.

    Call `hold_list` before the devices, or the list, are written.
    """
    today = today or timezone.localdate()
    listed = RestrictedProduct.objects.filter(issued_on__lte=today).exclude(ended_on__lt=today)
    patterns = {one.pk: (one.brand, one.model) for one in listed}
    held = list(devices.order_by().values_list("pk", "brand", "model", "restriction"))
    found = product_matching.match(((brand, model) for _, brand, model, _ in held), patterns)
    changed: dict[int | None, list[int]] = defaultdict(list)
    for pk, brand, model, restriction in held:
        if (wanted := found.get((brand, model))) != restriction:
            changed[wanted].append(pk)
    for wanted, devices_of_it in changed.items():
        for start in range(0, len(devices_of_it), BATCH):
            some = Device.objects.filter(pk__in=devices_of_it[start : start + BATCH])
            some.update(restriction=wanted)
    return sum(map(len, changed.values()))
