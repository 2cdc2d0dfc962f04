"""Before an agency is merged or dissolved: what would follow, and what stands in the way."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from ismp.accounts.agencies.closing.consequences import REGISTERED
from ismp.accounts.models import Account, Agency, Closing, Department, Posting, Status
from ismp.accounts.roles import OF_AN_AGENCY
from ismp.ui.text import roc_dates
from ismp.ui.text.search_folding import key

BATCH = 500
_NAMED = 10
FARTHEST = timedelta(days=366)
ALREADY_ORDERED = "這個機關已登記合併或裁撤，請先取消原來的登記。"


# --- Before it is ordered ------------------------------------------------------------------------


@dataclass(frozen=True)
class Preview:
    """Preview the closing of an agency: lines of (kind, count, consequence), without kinds of which
    there is none, and why it cannot be done as it stands."""

    lines: list[tuple[str, int, str]]
    none_of: list[str]
    obstacles: list[str]


def preview(agency: Agency, into: Agency | None, since: date) -> Preview:
    serving = _serving(agency, since)
    active = [one for one in serving if one.status == Status.ACTIVE]
    left = len(serving) - len(active)
    departments = open_departments(agency)
    lines = []
    if into:
        new = [one for one in departments if department_named(into, one.name) is None]
        names = "、".join(one.name for one in new[:_NAMED])
        made = f"；其中 {len(new)} 個在「{into}」新建：{names}" if new else ""
        lines += [
            ("在職同仁", len(active), f"{roc_dates.roc_date(since)} 起在「{into}」任職"),
            ("離職的帳號", left, f"改由「{into}」管理"),
            (
                "尚未生效的異動",
                to_come(agency, since).count(),
                f"照原來的日期生效，改在「{into}」",
            ),
            ("部門", len(departments), f"同名的部門合在一起{made}"),
            ("機關管理者、教師", _with_a_role(agency).count(), "改為同仁，由新機關重新指派"),
        ]
    above = f"改以「{into}」為上級機關" if into else "改為沒有上級機關"
    lines += [
        ("下級機關", agency.children.count(), above),
        ("之後的名稱、責任等級、資安長", len(to_cancel(agency, since)), "取消登記"),
    ]
    lines += [
        (one.title, one.count(agency), one.merged if into else one.closed) for one in REGISTERED
    ]
    none_of = [what for what, count, _ in lines if not count]
    return Preview([line for line in lines if line[1]], none_of, obstacles(agency, into, since))


def obstacles(agency: Agency, into: Agency | None, since: date) -> list[str]:
    """Why an agency cannot be closed as it stands, each in a sentence."""
    found = [reason for one in REGISTERED if (reason := one.obstacle(agency))]
    found += orders_into(agency, since)
    if into is None:
        people = [one for one in _serving(agency, since) if one.status == Status.ACTIVE]
        if people:
            named = "、".join(one.account.name for one in people[:_NAMED])
            found.append(
                f"{roc_dates.roc_date(since)} 以後還有 {len(people)} 人在職（{named}"
                f"{'……' if len(people) > _NAMED else ''}）：請選擇併入的機關，"
                "或先辦理調職、離職。"
            )
        return found
    if reason := into.why_closed(max(since, timezone.localdate())):
        found.append(reason)
    if twins := _twins(agency, into, since):
        named = "、".join(f"{one.name}（{one.username}）" for one in twins[:_NAMED])
        found.append(
            f"「{into}」已有同一個身分證字號的在職帳號：{named}。"
            "請先將其中一個帳號改為離職，再合併。"
        )
    return found


def orders_into(agency: Agency, since: date) -> list[str]:
    """Why it cannot end on a day while others are to be merged into it then or later."""
    coming = Closing.objects.standing().filter(into=agency, done_at=None, since__gte=since)
    return [
        f"「{one.agency}」已登記 {one.in_words}，與這次的生效日同一天或更晚；請先取消那一筆登記。"
        for one in coming.select_related("agency", "into")
    ]


def _serving(agency: Agency, since: date) -> list[Posting]:
    """The entries by which people are of the agency on that day or later, one for each account."""
    held = Posting.objects.on(since).filter(agency=agency).select_related("account")
    found = {one.account_id: one for one in held}
    for one in to_come(agency, since).select_related("account").order_by("since"):
        found.setdefault(one.account_id, one)
    return list(found.values())


def to_come(agency: Agency, since: date) -> QuerySet[Posting]:
    return Posting.objects.standing().filter(agency=agency, since__gt=since)


def to_cancel(agency: Agency, since: date) -> list[Any]:
    """Entries about the agency itself that would begin when it is no more."""
    kinds: list[Any] = [agency.names, agency.grade_entries, agency.security_officers]
    return [one for entries in kinds for one in entries.standing().filter(since__gte=since)]


def _with_a_role(agency: Agency) -> QuerySet[Account]:
    return Account.objects.filter(agency=agency, role__in=[role.value for role in OF_AN_AGENCY])


def open_departments(agency: Agency) -> list[Department]:
    return list(agency.departments.open().order_by("path"))


def _twins(agency: Agency, into: Agency, since: date) -> list[Account]:
    """Who would have two accounts in office in the other agency, on that day or later."""
    held, later = Posting.objects.on(since), to_come(into, since)
    there = [one.filter(agency=into, status=Status.ACTIVE).order_by() for one in (held, later)]
    holders = Q(pk__in=there[0].values("account")) | Q(pk__in=there[1].values("account"))
    numbers = Account.objects.filter(holders).exclude(id_hash=None)
    accounts = [one.account_id for one in _serving(agency, since) if one.status == Status.ACTIVE]
    found: list[Account] = []
    for start in range(0, len(accounts), BATCH):
        some = Account.objects.filter(pk__in=accounts[start : start + BATCH])
        found += some.filter(id_hash__in=numbers.values("id_hash"))
    return found


def department_named(agency: Agency, name: str) -> Department | None:
    """The department of that name that people can serve in; of a merged one, what it is part of."""
    rows = agency.departments.select_related("merged_into")
    found = next((one for one in rows if key(one.name) == key(name)), None)
    return (found.merged_into or found) if found else None
