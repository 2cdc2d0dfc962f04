"""Saying whether hours that look the same are one event or two (`records.duplicates`)."""

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from ismp.accounts import separation
from ismp.accounts.models import Account, Agency
from ismp.accounts.roles import Right
from ismp.audit import trail
from ismp.hours import verbs
from ismp.hours.models import Decision, Duplicate
from ismp.hours.records import duplicates
from ismp.ui.resources import versions


def hold_agencies(pairs: list[int]) -> None:
    """Hold the agencies of pairs (by their keys), as whoever changes which records are live."""
    agencies = Duplicate.objects.filter(pk__in=pairs).values_list("agency", flat=True)
    versions.hold(Agency.objects.all(), agencies)


@transaction.atomic
def decide(pairs: QuerySet[Duplicate], *, decision: Decision, by: Account) -> int:
    """Say whether what looks the same counts once or twice; it may be said otherwise later.

    Returns of how many pairs it was said.  Raises ActionRefused for one's own hours.
    """
    keys = list(pairs.values_list("pk", flat=True))
    hold_agencies(keys)
    said = {"decision": decision, "decided_by": by.username, "decided_at": timezone.now()}
    held = Duplicate.objects.filter(pk__in=keys).order_by("pk")
    pairs_held = list(held.select_related("agency", "credited__account"))
    agencies = sorted({pair.agency for pair in pairs_held}, key=lambda agency: agency.pk)
    for agency in agencies:
        theirs = [pair.credited.account for pair in pairs_held if pair.agency_id == agency.pk]
        separation.refuse_own(by, theirs, right=Right.DELETE_HOURS, agency=agency)
    Duplicate.objects.filter(pk__in=[pair.pk for pair in pairs_held]).update(**said)
    for agency in agencies:
        duplicates.settle(agency, None, None)
    for pair in pairs_held:
        trail.record(verbs.DECIDE_DUPLICATE, pair, actor=by.username, decision=decision.value)
    return len(pairs_held)
