"""Taking records out of every list and sum, and letting them count again.

Whoever does it holds the lock of the records' agencies, and records the event.
"""

from datetime import datetime

from django.db.models import Count, QuerySet
from django.utils import timezone

from ismp.accounts.models import Account, Agency
from ismp.audit import trail
from ismp.hours.models import Deletion, Record
from ismp.hours.records import bulk_write, totals
from ismp.imports.models import ImportRun


def soft_delete(
    records: QuerySet[Record],
    *,
    agency: Agency | None,
    reason: str,
    by: Account | None,
    run: ImportRun | None = None,
    at: datetime | None = None,
) -> Deletion:
    """Delete live records in one deletion; without `by` the platform sets them aside (可能重複)."""
    numbers = records.order_by().aggregate(
        count=Count("pk"), people=Count("account", distinct=True)
    )
    deletion = Deletion.objects.create(
        agency=agency,
        at=at or timezone.now(),
        reason=reason,
        by=by.username if by else trail.SYSTEM,
        by_name=by.name if by else "",
        duplicates=by is None,
        run=run,
        **numbers,
    )
    Record.objects.filter(pk__in=records.order_by().values("pk")).update(deletion=deletion)
    change = totals.Change()
    change.take(Record.objects.filter(deletion=deletion))
    deletion.edition = change.take_effect()
    deletion.save(update_fields=["edition"])
    return deletion


def revive(records: QuerySet[Record], at: datetime) -> None:
    """Let deleted records count again, with their history."""
    if keys := list(records.values_list("pk", flat=True)):
        returning = Record.objects.filter(pk__in=keys)
        change = totals.Change()
        change.add(returning)
        change.take_effect()
        bulk_write.end_deletion_of(keys, at)
        returning.update(deletion=None)
