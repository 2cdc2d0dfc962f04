"""Carrying out on its day that an agency is merged or dissolved."""

import logging
from collections.abc import Iterable
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone

from ismp.accounts import consequences as accounts_consequences
from ismp.accounts import effective_dated, verbs
from ismp.accounts.agencies.closing.consequences import REGISTERED
from ismp.accounts.agencies.closing.preview import (
    BATCH,
    obstacles,
    open_departments,
    to_cancel,
    to_come,
)
from ismp.accounts.models import Account, Agency, Closing, Department, Posting, Status
from ismp.accounts.roles import ROLE_NAMES, Role
from ismp.accounts.roster.changes import role_elsewhere
from ismp.audit import changes, trail
from ismp.errors import ActionRefused
from ismp.ui.text import roc_dates
from ismp.ui.text.search_folding import key

logger = logging.getLogger(__name__)


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
    agency, into = hold_both(agency, agency.merged_into)
    today = timezone.localdate()
    if into is None or (reasons := obstacles(agency, into, today)):
        raise ActionRefused("".join(reasons) if into else "")
    places = _bring_departments(agency, into)
    return len(_move_people(agency, into, today, places, trail.SYSTEM))


@transaction.atomic
def _begin(closing: Closing) -> bool:
    hold_both(closing.agency, closing.into)
    waits = Closing.objects.standing().filter(done_at=None).select_related("agency", "into")
    held = waits.filter(pk=closing.pk).first()
    if held:  # it may have been cancelled, or another worker was faster
        carry_out(held, trail.SYSTEM)
    return held is not None


def hold_both(agency: Agency, into: Agency | None) -> tuple[Agency, Agency | None]:
    """Return both as they are now, locked in the order of their numbers, so that two mergers never
    wait in a circle."""
    keys = [one.pk for one in (agency, into) if one]
    rows = Agency.objects.select_for_update(of=("self",), no_key=True).order_by("pk")
    held = {one.pk: one for one in rows.filter(pk__in=keys)}
    return held[agency.pk], held[into.pk] if into else None


def carry_out(closing: Closing, by: str) -> None:
    """Do it: people, departments, then what else belongs to the agency; one event."""
    agency, into, since = closing.agency, closing.into, closing.since
    if reasons := obstacles(agency, into, since):
        raise ActionRefused("".join(reasons))
    administrators = administrators_of(into)
    detail: dict[str, Any] = {"since": roc_dates.roc_date(since), **into_in_words(closing)}
    moved: list[Account] = []
    if into:
        places = _bring_departments(agency, into)
        for one in REGISTERED:  # before the people: a course goes where they will look for it
            if one.carry:
                one.carry(agency, into)
        moved = _move_people(agency, into, since, places, by)
        detail |= {"people": len(moved), "departments": len(places)}
    _hand_over_below(agency, into)
    reason = f"併入{into.name}"[:200] if into else "裁撤"
    effective_dated.cancel_all(to_cancel(agency, since), reason=reason, by=by, at=timezone.now())
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


def administrators_of(*agencies: Agency | None) -> list[Account]:
    keys = [one.pk for one in agencies if one]
    found = Account.objects.filter(agency__in=keys, status=Status.ACTIVE)
    return list(found.filter(role=Role.AGENCY_ADMIN))


def into_in_words(closing: Closing) -> dict[str, str]:
    return {"into": f"{closing.into.name}（{closing.into.code}）"} if closing.into else {}


def _bring_departments(agency: Agency, into: Agency) -> dict[int, Department]:
    """Find or make, for each department of the agency, one of its name in the other; by number."""
    there = {key(one.name): one.merged_into or one for one in _all_departments(into)}
    places: dict[int, Department] = {}
    for one in open_departments(agency):  # from the top down
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
    entries = [*held, *to_come(agency, since)]
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
        batch_size=BATCH,
    )
    accounts = sorted({one.account_id for one in entries})
    former = {one.account_id: one for one in reversed(entries)}
    moved: list[Account] = []
    events: list[trail.Entry] = []
    for start in range(0, len(accounts), BATCH):
        some = Account.objects.select_for_update(of=("self",), no_key=True)
        some = some.select_related("agency", "department")
        some = some.filter(pk__in=accounts[start : start + BATCH], agency=agency)
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
