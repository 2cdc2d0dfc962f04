"""報修 of an agency that is merged into another one or dissolved."""

from ismp.accounts.agencies.closing.consequences import Consequence
from ismp.accounts.models import Agency
from ismp.portal.models import Ticket


def _open(agency: Agency) -> int:
    return Ticket.objects.filter(agency=agency).exclude(state=Ticket.State.CLOSED).count()


def _carry(agency: Agency, into: Agency) -> None:
    Ticket.objects.filter(agency=agency).exclude(state=Ticket.State.CLOSED).update(agency=into)


CONSEQUENCES = (
    Consequence("未結案的報修", _open, "移到新機關；已結案的留在原機關。", carry=_carry),
)
