"""合併 and 裁撤: from a day on an agency is part of another one, or is no more.

The people serve at the other agency from that day, in departments of the same names; the past stays
where it was (ADR 29).  What else belongs to an agency is known above: the packages register a
`Consequence` each, which says on the preview what becomes of it, and carries it over.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from ismp.accounts import consequences as accounts_consequences
from ismp.accounts import effective_dated, verbs
from ismp.accounts.models import Account, Agency, Closing, Department, Posting, Status
from ismp.accounts.roles import OF_AN_AGENCY, ROLE_NAMES, Role
from ismp.accounts.roster.changes import role_elsewhere
from ismp.accounts.timeline import day_of
from ismp.audit import changes, trail
from ismp.errors import ActionRefused
from ismp.ui.text import roc_dates
from ismp.ui.text.search_folding import key

logger = logging.getLogger(__name__)
_BATCH = 500
_NAMED = 10
_FARTHEST = timedelta(days=366)
_NOBODY = "這個機關已登記合併或裁撤，請先取消原來的登記。"


# --- What else belongs to an agency --------------------------------------------------------------


@dataclass(frozen=True)
class Consequence:
    """How objects of one kind are moved when an agency is merged into another one."""

    title: str
    count: Callable[[Agency], int]
    merged: str
    """What the preview of a merger says of it."""
    closed: str = "留在原機關，由平台管理者處理。"
    """What it says when the agency is dissolved without a successor."""
    carry: Callable[[Agency, Agency], Any] | None = None
    """(agency, into): brings it to the other one, within the transaction; None: it stays."""
    obstacle: Callable[[Agency], str] = lambda agency: ""
    """Why the agency cannot be closed now; empty when it can."""


_consequences: list[Consequence] = []


def register(*consequences: Consequence) -> None:
    """Called by packages above in their `AppConfig.ready()`."""
    for one in consequences:
        if one.title not in {known.title for known in _consequences}:
            _consequences.append(one)


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
    departments = _open_departments(agency)
    lines = []
    if into:
        new = [one for one in departments if _named(into, one.name) is None]
        names = "、".join(one.name for one in new[:_NAMED])
        made = f"；其中 {len(new)} 個在「{into}」新建：{names}" if new else ""
        lines += [
            ("在職同仁", len(active), f"{roc_dates.roc_date(since)} 起在「{into}」任職"),
            ("離職的帳號", left, f"改由「{into}」管理"),
            (
                "尚未生效的異動",
                _to_come(agency, since).count(),
                f"照原來的日期生效，改在「{into}」",
            ),
            ("部門", len(departments), f"同名的部門合在一起{made}"),
            ("機關管理者、教師", _with_a_role(agency).count(), "改為同仁，由新機關重新指派"),
        ]
    above = f"改以「{into}」為上級機關" if into else "改為沒有上級機關"
    lines += [
        ("下級機關", agency.children.count(), above),
        ("之後的名稱、責任等級、資安長", len(_to_cancel(agency, since)), "取消登記"),
    ]
    lines += [
        (one.title, one.count(agency), one.merged if into else one.closed) for one in _consequences
    ]
    none_of = [what for what, count, _ in lines if not count]
    return Preview([line for line in lines if line[1]], none_of, obstacles(agency, into, since))


def obstacles(agency: Agency, into: Agency | None, since: date) -> list[str]:
    """Why an agency cannot be closed as it stands, each in a sentence."""
    found = [reason for one in _consequences if (reason := one.obstacle(agency))]
    found += _orders_into(agency, since)
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


def _orders_into(agency: Agency, since: date) -> list[str]:
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
    for one in _to_come(agency, since).select_related("account").order_by("since"):
        found.setdefault(one.account_id, one)
    return list(found.values())


def _to_come(agency: Agency, since: date) -> QuerySet[Posting]:
    return Posting.objects.standing().filter(agency=agency, since__gt=since)


def _to_cancel(agency: Agency, since: date) -> list[Any]:
    """Entries about the agency itself that would begin when it is no more."""
    kinds: list[Any] = [agency.names, agency.grade_entries, agency.security_officers]
    return [one for entries in kinds for one in entries.standing().filter(since__gte=since)]


def _with_a_role(agency: Agency) -> QuerySet[Account]:
    return Account.objects.filter(agency=agency, role__in=[role.value for role in OF_AN_AGENCY])


def _open_departments(agency: Agency) -> list[Department]:
    return list(agency.departments.open().order_by("path"))


def _twins(agency: Agency, into: Agency, since: date) -> list[Account]:
    """Who would have two accounts in office in the other agency, on that day or later."""
    held, later = Posting.objects.on(since), _to_come(into, since)
    there = [one.filter(agency=into, status=Status.ACTIVE).order_by() for one in (held, later)]
    holders = Q(pk__in=there[0].values("account")) | Q(pk__in=there[1].values("account"))
    numbers = Account.objects.filter(holders).exclude(id_hash=None)
    accounts = [one.account_id for one in _serving(agency, since) if one.status == Status.ACTIVE]
    found: list[Account] = []
    for start in range(0, len(accounts), _BATCH):
        some = Account.objects.filter(pk__in=accounts[start : start + _BATCH])
        found += some.filter(id_hash__in=numbers.values("id_hash"))
    return found


# --- Ordering, cancelling, carrying out ----------------------------------------------------------


@transaction.atomic
def close(agency: Agency, *, into: Agency | None, since: date, by: Account) -> Closing:
    """Merge an agency into another one, or dissolve it, from a day on.

    Of today and earlier it is done at once; for a day to come, by the worker.

    Raises ActionRefused.
    """
    today = timezone.localdate()
    if abs(since - today) > _FARTHEST:
        raise ActionRefused("生效日要在前後一年之內，請檢查年份。")
    agency, into = _hold(agency, into)
    if agency.closed_on or agency.closings.standing().exists():
        raise ActionRefused(_NOBODY)
    if into and (into.closed_on or into.closings.standing().filter(since__lte=since).exists()):
        raise ActionRefused(f"「{into}」也已登記合併或裁撤，請選擇其他機關。")
    if reasons := _orders_into(agency, since):
        raise ActionRefused("".join(reasons))
    closing = Closing(agency=agency, into=into, since=since, recorded_by=by.username)
    closing.save(force_insert=True)
    if since <= today:
        _carry_out(closing, by.username)
    else:
        if into is None and (reasons := obstacles(agency, into, since)):
            raise ActionRefused("".join(reasons))
        trail.record(
            verbs.ORDER_CLOSING,
            agency,
            actor=by.username,
            since=roc_dates.roc_date(since),
            **_into(closing),
        )
        accounts_consequences.tell(
            _administrators(agency, into),
            kind="agency",
            subject=f"{agency}：{closing.in_words}",
            body="當天自動生效，之前仍照常辦理。",
        )
    return closing


@transaction.atomic
def cancel_closing(closing: Closing, *, reason: str, by: Account) -> Closing:
    """Cancel what was ordered for a day to come.  Raises ActionRefused."""
    agency, _ = _hold(closing.agency, None)
    closing = Closing.objects.get(pk=closing.pk)
    if closing.done_at:
        raise ActionRefused("合併或裁撤已經生效，不能取消。")
    effective_dated.cancel(closing, reason=reason, by=by.username)
    trail.record(
        verbs.CANCEL_CLOSING, agency, actor=by.username, cancelled=closing.in_words, reason=reason
    )
    return closing


def apply_due() -> int:
    """Carry out what was ordered for a day that has come; return for how many agencies.

    Called every hour by the worker.  What cannot be done yet is tried again; the page of the agency
    says why.
    """
    due = Closing.objects.standing().filter(done_at=None, since__lte=timezone.localdate())
    count = 0
    for closing in due.select_related("agency", "into").order_by("since", "pk"):
        try:
            count += _begin(closing)
        except ActionRefused:
            logger.warning("agency %s cannot be closed as ordered", closing.agency_id)
    return count


def bring_latecomers() -> int:
    """Bring over whoever was entered in an agency while its merger was being carried out: their
    transaction had not seen that it ends.  Return how many.  Called every hour by the worker."""
    late = Account.objects.filter(agency__merged_into__isnull=False).order_by().values("agency")
    count = 0
    for agency in Agency.objects.filter(pk__in=late).select_related("merged_into"):
        try:
            count += _bring_those_of(agency)
        except ActionRefused:
            logger.warning("people of agency %s cannot be brought to its successor", agency.pk)
    return count


@transaction.atomic
def _bring_those_of(agency: Agency) -> int:
    agency, into = _hold(agency, agency.merged_into)
    today = timezone.localdate()
    if into is None or (reasons := obstacles(agency, into, today)):
        raise ActionRefused("".join(reasons) if into else "")
    places = _bring_departments(agency, into)
    return len(_move_people(agency, into, today, places, trail.SYSTEM))


@transaction.atomic
def _begin(closing: Closing) -> bool:
    _hold(closing.agency, closing.into)
    waits = Closing.objects.standing().filter(done_at=None).select_related("agency", "into")
    held = waits.filter(pk=closing.pk).first()
    if held:  # it may have been cancelled, or another worker was faster
        _carry_out(held, trail.SYSTEM)
    return held is not None


def _hold(agency: Agency, into: Agency | None) -> tuple[Agency, Agency | None]:
    """Return both as they are now, locked in the order of their numbers, so that two mergers never
    wait in a circle."""
    keys = [one.pk for one in (agency, into) if one]
    rows = Agency.objects.select_for_update(of=("self",), no_key=True).order_by("pk")
    held = {one.pk: one for one in rows.filter(pk__in=keys)}
    return held[agency.pk], held[into.pk] if into else None


def _carry_out(closing: Closing, by: str) -> None:
    """Do it: people, departments, then what else belongs to the agency; one event."""
    agency, into, since = closing.agency, closing.into, closing.since
    if reasons := obstacles(agency, into, since):
        raise ActionRefused("".join(reasons))
    administrators = _administrators(into)
    detail: dict[str, Any] = {"since": roc_dates.roc_date(since), **_into(closing)}
    moved: list[Account] = []
    if into:
        places = _bring_departments(agency, into)
        for one in _consequences:  # before the people: a course goes where they will look for it
            if one.carry:
                one.carry(agency, into)
        moved = _move_people(agency, into, since, places, by)
        detail |= {"people": len(moved), "departments": len(places)}
    _hand_over_below(agency, into)
    reason = f"併入{into.name}"[:200] if into else "裁撤"
    effective_dated.cancel_all(_to_cancel(agency, since), reason=reason, by=by, at=timezone.now())
    agency.name = agency.name_on(since)
    agency.closed_on, agency.merged_into = since, into
    agency.save(update_fields=["name", "closed_on", "merged_into"])
    if into:  # what was merged into this one before is the other one's now, too
        agency.merged.update(merged_into=into)
    closing.done_at = timezone.now()
    closing.save(update_fields=["done_at"])
    if into:
        active = [one for one in moved if one.status == Status.ACTIVE]
        words = f"{roc_dates.roc_date(since)} 起，{agency.name}併入{into.name}"
        body = "您的時數與學習紀錄不變，帳號照常使用；機關管理者、教師由新機關重新指派。"
        accounts_consequences.tell(active, kind="agency", subject=words, body=body)
        body = "人員、部門與未辦完的事已移到本機關；請檢查部門，並重新指派機關管理者與教師。"
        accounts_consequences.tell(administrators, kind="agency", subject=words, body=body)
    trail.record(verbs.MERGE_AGENCY if into else verbs.CLOSE_AGENCY, agency, actor=by, **detail)


def _hand_over_below(agency: Agency, into: Agency | None) -> None:
    """Put the agencies below under the other one, which may itself be below the one that ends."""
    above = into
    while above and above.pk != agency.pk:
        above = above.parent
    if into and above:
        into.parent = agency.parent
        into.save(update_fields=["parent"])
    agency.children.exclude(pk__in=[into.pk] if into else []).update(parent=into)


def _administrators(*agencies: Agency | None) -> list[Account]:
    keys = [one.pk for one in agencies if one]
    found = Account.objects.filter(agency__in=keys, status=Status.ACTIVE)
    return list(found.filter(role=Role.AGENCY_ADMIN))


def _into(closing: Closing) -> dict[str, str]:
    return {"into": f"{closing.into.name}（{closing.into.code}）"} if closing.into else {}


def _named(agency: Agency, name: str) -> Department | None:
    """The department of that name that people can serve in; of a merged one, what it is part of."""
    rows = agency.departments.select_related("merged_into")
    found = next((one for one in rows if key(one.name) == key(name)), None)
    return (found.merged_into or found) if found else None


def _bring_departments(agency: Agency, into: Agency) -> dict[int, Department]:
    """Find or make, for each department of the agency, one of its name in the other; by number."""
    there = {key(one.name): one.merged_into or one for one in _all_departments(into)}
    places: dict[int, Department] = {}
    for one in _open_departments(agency):  # from the top down
        found = there.get(key(one.name))
        if found is None:
            above = places.get(one.parent_id) if one.parent_id else None
            path = Department.PATH.join([above.path, one.name]) if above else one.name
            found = Department.objects.create(agency=into, name=one.name, parent=above, path=path)
            there[key(one.name)] = found
        places[one.pk] = found
    for one in agency.departments.exclude(merged_into=None).select_related("merged_into"):
        if one.merged_into_id in places:
            places[one.pk] = places[one.merged_into_id]
        elif one.merged_into and one.merged_into.agency_id == into.pk:  # with the agency, before
            places[one.pk] = one.merged_into
    for key_, place in places.items():
        Department.objects.filter(pk=key_).update(merged_into=place, is_it=False)
    return places


def _all_departments(agency: Agency) -> Iterable[Department]:
    return agency.departments.select_related("merged_into")


def _move_people(
    agency: Agency, into: Agency, since: date, places: dict[int, Department], by: str
) -> list[Account]:
    """Write for everybody who serves in the agency on that day, or will, that it is the other one
    from then on; return the accounts that are of the other one today."""
    now, today = timezone.now(), timezone.localdate()
    held = list(Posting.objects.on(since).filter(agency=agency))
    entries = [*held, *_to_come(agency, since)]
    same_day = [one for one in entries if one.since >= since]
    effective_dated.cancel_all(same_day, reason=f"併入{into.name}"[:200], by=by, at=now)
    Posting.objects.bulk_create(
        [
            Posting(
                account_id=one.account_id,
                agency=into,
                department=places.get(one.department_id) if one.department_id else None,
                identities=one.identities,
                status=one.status,
                since=max(one.since, since),
                recorded_at=now,
                recorded_by=by,
            )
            for one in entries
        ],
        batch_size=_BATCH,
    )
    accounts = sorted({one.account_id for one in entries})
    former = {one.account_id: one for one in reversed(entries)}
    moved: list[Account] = []
    events: list[trail.Entry] = []
    for start in range(0, len(accounts), _BATCH):
        some = Account.objects.select_for_update(of=("self",), no_key=True)
        some = some.select_related("agency", "department")
        some = some.filter(pk__in=accounts[start : start + _BATCH], agency=agency)
        holding = Posting.objects.on(today).filter(account__in=[one.pk for one in some])
        by_account = {one.account_id: one for one in holding.select_related("agency", "department")}
        for account in some:
            entry = by_account.get(account.pk)
            if entry is None or entry.agency_id == agency.pk:
                continue
            before, role = accounts_consequences.Served.now(account), account.role
            account.agency, account.department = entry.agency, entry.department
            account.identities, account.status = entry.identities, entry.status
            account.role = role_elsewhere(account)
            account.save(update_fields=["agency", "department", "identities", "status", "role"])
            accounts_consequences.follow(account, before)
            moved.append(account)
            edits = changes.between(former[account.pk], entry, *effective_dated.BOOKKEEPING)
            if account.role != role:
                edits.append(("角色", ROLE_NAMES[Role(role)], ROLE_NAMES[Role(account.role)]))
            began_on = roc_dates.roc_date(entry.since)
            events.append(trail.about(verbs.ASSIGN, account, since=began_on, changes=edits))
    trail.record_many(events, actor=by)
    return moved


def state_of(agency: Agency) -> str:
    """使用中, or what was ordered or done."""
    if agency.closed_on:
        day = day_of(agency.closed_on)
        return f"{day} 併入{agency.merged_into}" if agency.merged_into else f"{day} 裁撤"
    return "使用中"
