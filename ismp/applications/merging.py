"""Open applications when their agency is merged into another one or dissolved."""

from copy import copy

from django.db.models import Q
from django.utils import timezone

from ismp.accounts.agencies.closing.consequences import Consequence
from ismp.accounts.models import Agency
from ismp.applications.models import AccountApplication, IdentityChange, State, Transfer
from ismp.audit import changes

_NEEDLESS = "機關合併後已在同一個機關，不必再辦異動。"


def _to_decide(agency: Agency) -> int:
    kinds = (AccountApplication, IdentityChange)
    return sum(one.objects.waiting().filter(agency=agency).count() for one in kinds)


def _carry_to_decide(agency: Agency, into: Agency) -> None:
    AccountApplication.objects.waiting().filter(agency=agency).update(agency=into)
    IdentityChange.objects.waiting().filter(agency=agency).update(agency=into)


def _of(agency: Agency) -> Q:
    return Q(origin=agency) | Q(destination=agency)


def _transfers(agency: Agency) -> int:
    return Transfer.objects.waiting().filter(_of(agency)).count()


def _carry_transfers(agency: Agency, into: Agency) -> None:
    """The other agency stands where this one stood; one between the two is needless."""
    for one in Transfer.objects.waiting().filter(_of(agency)).select_for_update(of=("self",)):
        before = copy(one)
        if {one.origin_id, one.destination_id} == {agency.pk, into.pk}:
            one.state, one.decided_at, one.comment = State.WITHDRAWN, timezone.now(), _NEEDLESS
        else:
            for side in ("agency_id", "origin_id", "destination_id"):
                if getattr(one, side) == agency.pk:
                    setattr(one, side, into.pk)
            if one.destination_id == into.pk:
                one.department = None
        changes.store(one, before)


CONSEQUENCES = (
    Consequence(
        "等候審核的帳號申請、身分變更",
        _to_decide,
        "移到新機關，由新機關的管理者審核。",
        carry=_carry_to_decide,
    ),
    Consequence(
        "等候審核的機關異動",
        _transfers,
        "改為新機關的異動；兩個機關之間的不必再辦，自動撤回。",
        carry=_carry_transfers,
    ),
)
