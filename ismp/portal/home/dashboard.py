"""Contents of a person's 首頁: gauges, and courses not finished.

The arithmetic is `ismp.compliance`'s; this groups it as the manual draws it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils import timezone

from ismp.accounts.models import Account
from ismp.accounts.roles import Right
from ismp.compliance.rules.arithmetic import Light
from ismp.compliance.standing.explanation import Why
from ismp.courses.models import Category, Course
from ismp.security.models import Device, Incident

_WORST_FIRST = (Light.RED, Light.AMBER, Light.GREEN, Light.EXEMPT)
_COUNTED = {Category.BASIC, Category.PROFESSIONAL}
"""The categories whose courses are unfinished only while hours are missing."""


@dataclass(frozen=True)
class Report:
    """A count done of a total, as the manual writes it: 資通安全通報 3/5 件."""

    title: str
    address: str
    done: int
    total: int


@dataclass(frozen=True)
class Gauge:
    """The duties of one window together; hours beyond what one asks for do not fill another."""

    title: str
    whys: Sequence[Why]

    @property
    def required(self) -> int:
        return sum(one.line.required for one in self.whys)

    @property
    def done(self) -> int:
        return sum(min(one.line.done, one.line.required) for one in self.whys)

    @property
    def percent(self) -> int:
        """Whole percents, rounded down: full only when nothing is missing."""
        return self.done * 100 // self.required if self.required else 100

    @property
    def light(self) -> str:
        lights = {one.line.light for one in self.whys}
        return next((light for light in _WORST_FIRST if light in lights), Light.EXEMPT)


def gauges(whys: Sequence[Why]) -> list[Gauge]:
    """年度列管總時數 and 兩年內列管總時數."""
    titles = {1: "年度列管總時數", 2: "兩年內列管總時數"}
    return [
        Gauge(title, [one for one in whys if one.line.years == years])
        for years, title in titles.items()
    ]


def reports(account: Account) -> list[Report]:
    """資通安全通報 and 管制設備通報, done and in all: of the agency for those who look after it,
    else a person's own reports and the devices in their custody."""
    everybodys = account.may(Right.VIEW_SECURITY)
    whose = {"agency": account.agency_id} if everybodys else {"reporter": account}
    own = Incident.objects.visible_to(account).filter(**whose)
    of_agency = Device.objects.filter(agency=account.agency_id)
    held = of_agency if everybodys else Device.objects.kept_by(account)
    decided = held.decided_of_restricted(timezone.localdate())
    address = "devices:list" if everybodys else "security:my_devices"
    return [
        Report("資通安全通報", "security:my_incidents", **own.real().closed_of_reported()),
        Report("管制設備通報", address, **decided),
    ]


def unfinished(account: Account, whys: Sequence[Why]) -> QuerySet[Course]:
    """未完成課程: courses to begin or joined; in categories of a duty only those that close a
    gap."""
    missing = {code for one in whys if one.line.missing for code in one.line.category.split("+")}
    wanted = missing | (set(Category.values) - _COUNTED)
    offered = Course.objects.offered_to(account).filter(category__in=wanted)
    return offered.before(account).not_completed_by(account, timezone.localdate().year)
