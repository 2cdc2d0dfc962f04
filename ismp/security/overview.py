"""How far the agencies are with what they report and decide: done of all, and what is late."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from ismp.accounts.models import Account, Agency
from ismp.security.incidents.levels import Clock
from ismp.security.models import Address, Device, Incident, TimeLimit


@dataclass(frozen=True)
class Figure:
    title: str
    address: str
    """The name of the address where they are listed."""
    done: int
    total: int
    late: int


def counts(user: Account, agency: Agency | None = None) -> list[Figure]:
    """通報, 管制設備, 情資回覆 of one agency, or of all that somebody sees; what is late first."""

    def visible(model: Any) -> Any:
        return model.objects.visible_to(user).of_agency(agency).order_by()

    incidents = visible(Incident).in_administration(user)
    drills = _incidents("資通安全通報（演練）", incidents.filter(is_drill=True))
    found = [
        _incidents("資通安全通報", incidents.real()),
        _devices(visible(Device)),
        *([drills] if drills.total or drills.late else []),
        _answers(visible(Address).of_published()),
    ]
    return sorted(found, key=lambda figure: -figure.late)


def _incidents(title: str, incidents: Any) -> Figure:
    """Drills and real incidents are counted apart."""
    clocks, now = [line.clock for line in TimeLimit.objects.all()], timezone.now()
    late = sum(_is_late(one, clocks, now) for one in incidents.open())
    counts = incidents.closed_of_reported()
    return Figure(title, "incidents:list", late=late, **counts)


def _is_late(incident: Incident, clocks: list[Clock], now: datetime) -> bool:
    """Whether one of its clocks has run out before its step was done."""
    return any(limit.at is not None and limit.at < now for limit in incident.running(clocks))


def _devices(devices: Any) -> Figure:
    today = timezone.localdate()
    late, counts = devices.overdue(today).count(), devices.decided_of_restricted(today)
    return Figure("管制設備通報", "devices:list", late=late, **counts)


def _answers(addresses: Any) -> Figure:
    waiting = addresses.waiting()
    total = addresses.count()
    late = waiting.filter(due_on__lt=timezone.localdate()).count()
    return Figure("資安情資回覆", "addresses:list", total - waiting.count(), total, late)
