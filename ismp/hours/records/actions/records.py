"""Actions on learning hours: undo an import, delete and restore records.

Each is one transaction with one event in the audit trail.  Hours that need no file are given by
`crediting`; what looks the same is decided in `duplicates`.
"""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import BigIntegerField, Count, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Account, Agency
from ismp.audit import trail
from ismp.errors import ActionRefused
from ismp.hours import verbs
from ismp.hours.models import Deletion, Record
from ismp.hours.records import bulk_write, duplicates, totals, unclaimed, undoing
from ismp.hours.records.soft_delete import soft_delete
from ismp.imports import kinds
from ismp.imports.models import ImportRun

# --- Undoing an import -------------------------------------------------------------------------


NOT_TO_UNDO = "這次匯入已經復原過，或沒有可以復原的資料。"


class Differs(ActionRefused):
    """The confirmed effect differs from the present one; the page asks again."""

    def __init__(self) -> None:
        super().__init__("您確認之後資料有了變動，還沒有執行；請核對新的內容，再按一次確定。")


def undo_effects(run: ImportRun) -> dict[str, int]:
    """Count the effects of `undo` now (`undoing.Plan.effects`)."""
    return undoing.plan(run).effects


@transaction.atomic
def undo(run: ImportRun, *, shown: dict[str, int] | None = None, by: Account) -> dict[str, int]:
    """復原: nothing that the run brought counts any more.

    What nobody else holds goes; what the run changed gets back what the others say.  Returns the
    effects.  Raises Differs when they are not those that were `shown`.  An undo that changes
    nothing, since others hold it all, is not used up.
    """
    Agency.objects.select_for_update(no_key=True).get(pk=run.agency_id)
    run = ImportRun.objects.select_for_update(of=("self",)).select_related("agency").get(pk=run.pk)
    if not run.can_be_undone:
        raise ActionRefused(kinds.kind_of(run).no_undo or NOT_TO_UNDO)
    planned = undoing.plan(run)
    effects, now = planned.effects, timezone.now()
    if shown is not None and shown != effects:
        raise Differs
    if run.released_at and planned.changes.is_empty():
        return effects
    undoing.carry_out(planned, reason=f"復原匯入 {run.pk}", by=by, run=run, at=now)
    unclaimed.forget(run)
    run.released_at = now
    if undoing.changes_something(effects):
        run.undone_at, run.undone_by, run.undo_result = now, by.username, effects
    run.save(update_fields=["released_at", "undone_at", "undone_by", "undo_result"])
    counts: dict[str, Any] = effects
    trail.record(verbs.UNDO_IMPORT, run, actor=by.username, **counts)
    return effects


# --- Deleting and restoring ----------------------------------------------------------------------


def delete_effects(records: QuerySet[Record]) -> dict[str, int]:
    """Count the effects of `delete`: records, people, and the sum of the ids (`which`)."""
    return records.order_by().aggregate(
        count=Count("pk", filter=Q(deletion=None)),
        people=Count("account", distinct=True, filter=Q(deletion=None)),
        which=Coalesce(Sum("pk", filter=Q(deletion=None)), 0, output_field=BigIntegerField()),
    )


@transaction.atomic
def delete(
    records: QuerySet[Record], *, reason: str, shown: dict[str, int] | None = None, by: Account
) -> Deletion | None:
    """刪除時數: take live records out of every list and sum; restorable for some days.

    Raises Differs when they are not those that were `shown`.  None where there are none.
    """
    agencies = _locked_agencies_of(records)
    agency = agencies[0] if len(agencies) == 1 else None
    records = records.filter(agency__in=agencies, deletion=None)
    if shown is not None and shown != delete_effects(records):
        raise Differs
    if not records.exists():
        return None
    deletion = soft_delete(records, agency=agency, reason=national_id.hide(reason), by=by)
    for each in agencies:
        duplicates.settle(each, None, None)
    trail.record(
        verbs.DELETE_HOURS,
        deletion,
        actor=by.username,
        count=deletion.count,
        people=deletion.people,
    )
    return deletion


def _locked_agencies_of(records: QuerySet[Record]) -> list[Agency]:
    """So that nobody imports into them until the action is done."""
    agencies = Agency.objects.filter(pk__in=records.order_by().values("agency").distinct())
    return list(agencies.select_for_update(no_key=True).order_by("pk"))


NOT_TO_RESTORE = "這些時數已經還原過，或超過可還原的期限。"


@transaction.atomic
def restore(deletion: Deletion, *, by: Account) -> int:
    """Bring deleted records back as they were; return how many.

    Those that an import has brought back meanwhile are no longer part of the deletion; where none
    is left, nothing is done and the deletion may still be restored.
    """
    deletion = Deletion.objects.select_for_update(of=("self",)).get(pk=deletion.pk)
    if not deletion.restorable:
        raise ActionRefused(NOT_TO_RESTORE)
    deleted = Record.objects.filter(deletion=deletion)
    agencies = _locked_agencies_of(deleted)
    if not agencies:
        return 0
    ended = deleted.aggregate(first=Min("ended_on"), last=Max("ended_on"))
    change = totals.Change()
    change.add(deleted)
    deletion.restored_edition = change.take_effect()
    now = timezone.now()
    bulk_write.end_deletion(deletion, now)
    count = deleted.update(deletion=None)
    for agency in agencies:
        duplicates.settle(agency, **ended)
    deletion.restored_at, deletion.restored_by = now, by.username
    deletion.save(update_fields=["restored_at", "restored_by", "restored_edition"])
    trail.record(verbs.RESTORE_HOURS, deletion, actor=by.username, count=count)
    return count


def people_of(records: QuerySet[Record], most: int) -> Iterable[Any]:
    """Whom a deletion concerns: the first `most` people with their number of records."""
    return (
        records.order_by("account__username")
        .values("account__username", "account__name")
        .annotate(count=Count("pk"))[:most]
    )
