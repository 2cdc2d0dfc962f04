"""Claims for hours when their agency is merged into another one or dissolved."""

from ismp.accounts.agencies.closing.consequences import Consequence
from ismp.accounts.models import Agency
from ismp.external_hours.models import ExternalClaim, State


def _pending(agency: Agency) -> int:
    return ExternalClaim.objects.filter(agency=agency, state=State.PENDING).count()


def _carry(agency: Agency, into: Agency) -> None:
    ExternalClaim.objects.filter(agency=agency, state=State.PENDING).update(agency=into)


CONSEQUENCES = (
    Consequence(
        "等候審核的外部時數認列",
        _pending,
        "移到新機關，由新機關的管理者審核；已審核的留在原機關。",
        carry=_carry,
    ),
)
