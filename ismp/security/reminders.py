"""Reminders before deadlines: an advisory to answer, the clocks of an incident, the yearly
inventory, an exception that ends.

Those who answer for it are told, each occasion once: the notice, the row that claims it
(`Reminder`) and the event stand in one transaction, so a killed worker leaves all or nothing, and
of two workers one tells.  How a notice travels is known to `ismp.notifications`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from ismp.accounts.models import Account, Agency, Status
from ismp.audit import trail
from ismp.notifications.actions import notify
from ismp.security import verbs
from ismp.security.incidents.actions import handlers, reviewers
from ismp.security.incidents.levels import STEPS, Limit, Step
from ismp.security.models import (
    Address,
    Campaign,
    Decision,
    Incident,
    Reminder,
    SignOff,
    TimeLimit,
)
from ismp.ui.templatetags.ismp_ui import roc_moment
from ismp.ui.text import roc_dates

Occasion = Reminder.Occasion


@dataclass(frozen=True)
class Deadline:
    """One occasion to remind an agency, or the reviewers, of one thing that is due."""

    subject: str
    occasion: str
    due_at: datetime
    words: str
    """May travel by e-mail, so they name nobody."""
    link: str
    agency: Agency | None
    """None: of several agencies, told to the reviewers."""
    by_reviewers: bool = False

    @property
    def answering(self) -> Iterable[Account]:
        if self.by_reviewers or self.agency is None:
            return reviewers()
        return handlers(self.agency)


def remind() -> int:
    """Tell of every deadline that is near or over and was not told of yet; return of how many.

    Called every minute by the worker.
    """
    now = timezone.now()
    found = [one for source in _SOURCES for one in source(now)]
    already_sent = set(
        Reminder.objects.filter(subject__in={one.subject for one in found}).values_list(
            "subject", "occasion", "due_at"
        )
    )
    new = [one for one in found if (one.subject, one.occasion, one.due_at) not in already_sent]
    return sum(map(_tell, new))


@transaction.atomic
def _tell(deadline: Deadline) -> bool:
    people = list(deadline.answering)
    if not people:  # whoever is appointed in time is told then
        return False
    _, is_new = Reminder.objects.get_or_create(
        subject=deadline.subject, occasion=deadline.occasion, due_at=deadline.due_at
    )
    if not is_new:  # another worker was faster
        return False
    notices = notify(people, kind="deadline", subject=deadline.words, link=deadline.link)
    trail.record(
        verbs.REMIND_DEADLINE,
        actor=trail.SYSTEM,
        agency=deadline.agency.code if deadline.agency else "",
        subject=deadline.subject.split("/")[0],
        count=len(notices),
    )
    return True


# --- What is due ---------------------------------------------------------------------------------


def _advisories(now: datetime) -> Iterator[Deadline]:
    """Not answered some days before, on the day itself, and each week after it."""
    waiting = Address.objects.waiting().select_related("advisory", "agency")
    columns = waiting.defer("advisory__stix", "advisory__source_says", "advisory__body")
    until = _day(now) + timedelta(days=settings.ADVISORY_REMIND_DAYS)
    late: dict[int, list[Address]] = defaultdict(list)
    for address in columns.filter(due_on__lte=until):
        due_on = address.due_on or until
        facts = {
            "subject": f"advisory:{address.advisory_id}/{address.agency.code}",
            "link": reverse("addresses:page", args=[address.pk]),
            "agency": address.agency,
        }
        words = f"情資尚未回覆：{address.advisory.name_in_notices}"
        if due_on >= _day(now):
            yield _of_day(now, due_on, words=words, **facts)
        else:
            late[address.advisory_id].append(address)
            yield _overdue(now, due_on, words=words, **facts)
    for addresses in late.values():
        advisory = addresses[0].advisory
        yield _overdue(
            now,
            min(one.due_on for one in addresses if one.due_on),
            words=f"有 {len(addresses)} 個機關逾期未回覆情資：{advisory.name_in_notices}",
            subject=f"advisory:{advisory.pk}/late",
            link=advisory.get_absolute_url(),
            agency=None,
        )


def _overdue(now: datetime, due_on: date, *, words: str, **facts: Any) -> Deadline:
    """Anew on the day after and then each week, as a deadline of its own."""
    days = (_day(now) - due_on).days
    week = (days - 1) // 7
    return Deadline(
        occasion=Occasion.OVERDUE,
        due_at=end_of(due_on + timedelta(weeks=week)),
        words=f"{words}（已逾期 {days} 天）",
        **facts,
    )


def _campaigns(now: datetime) -> Iterator[Deadline]:
    """Agencies that have not signed their inventory."""
    until = _day(now) + timedelta(days=settings.INVENTORY_REMIND_DAYS)
    active = Agency.objects.filter(accounts__status=Status.ACTIVE).distinct()
    for campaign in Campaign.objects.filter(due_on__range=(_day(now), until)):
        signed = SignOff.objects.valid().filter(campaign=campaign).values("agency")
        for agency in active.exclude(pk__in=signed):
            yield _of_day(
                now,
                campaign.due_on,
                subject=f"campaign:{campaign.pk}/{agency.code}",
                words=f"{campaign.year} 年度管制設備盤點尚未簽署",
                link=reverse("campaigns:page", args=[campaign.pk]),
                agency=agency,
            )


def _of_day(now: datetime, due_on: date, *, words: str, **facts: object) -> Deadline:
    is_today = due_on == _day(now)
    when = "今天到期" if is_today else f"{roc_dates.roc_date(due_on)} 到期"
    return Deadline(
        occasion=Occasion.TODAY if is_today else Occasion.SOON,
        due_at=end_of(due_on),
        words=f"{words}（{when}）",
        **facts,  # type: ignore[arg-type]
    )


def _exceptions(now: datetime) -> Iterator[Deadline]:
    """Exceptions for devices in use that end soon, unless a later decision took their place."""
    until = _day(now) + timedelta(days=settings.EXCEPTION_REMIND_DAYS)
    kept = Decision.objects.standing().filter(device__retired_on=None, kind=Decision.Kind.KEEP)
    ending = kept.filter(expires_on__range=(_day(now), until))
    for decision in ending.select_related("device__agency"):
        day = decision.expires_on or until
        yield Deadline(
            subject=f"device:{decision.device_id}",
            occasion=Occasion.SOON,
            due_at=end_of(day),
            words=f"設備例外留用將於 {roc_dates.roc_date(day)} 到期：{decision.device}"[:200],
            link=reverse("devices:page", args=[decision.device_id]),
            agency=decision.device.agency,
        )


_REVIEWERS = frozenset({Step.REVIEW, Step.FORWARD})
"""Steps of the body that receives reports; the others are the agency's."""


def _incidents(now: datetime) -> Iterator[Deadline]:
    """Each clock that runs: when half of its time is over, and when all of it is."""
    clocks = [line.clock for line in TimeLimit.objects.all()]
    for incident in Incident.objects.open().select_related("agency"):
        for limit in incident.running(clocks):
            yield from _of_clock(now, incident, limit)


def _of_clock(now: datetime, incident: Incident, limit: Limit) -> Iterator[Deadline]:
    if limit.at is None or limit.start is None:
        return
    if now > limit.at:
        occasion, when = Occasion.OVERDUE, "已逾期"
    elif now >= limit.start + (limit.at - limit.start) / 2:
        occasion, when = Occasion.HALFWAY, f"期限 {roc_moment(limit.at)}"
    else:
        return
    word = "資安事件（演練）" if incident.is_drill else "資安事件"
    yield Deadline(
        subject=f"incident:{incident.pk}/{limit.step.value}",
        occasion=occasion,
        due_at=limit.at,
        words=f"{word} {incident.number}「{STEPS[limit.step]}」{when}",
        link=incident.get_absolute_url(),
        agency=incident.agency,
        by_reviewers=limit.step in _REVIEWERS,
    )


_SOURCES = (_advisories, _incidents, _campaigns, _exceptions)


def _day(now: datetime) -> date:
    return timezone.localdate(now)


def end_of(day: date) -> datetime:
    """The moment until which something that is due on a day is not late."""
    return timezone.make_aware(datetime.combine(day, time.max))
