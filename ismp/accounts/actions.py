"""Deeds on accounts: bring in a roster, say where and as what one serves, appoint to a role."""

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from ismp.accounts import following, keeping, persons, roster, roster_changes, separation
from ismp.accounts.identities import Identity
from ismp.accounts.models import (
    Account,
    AccountControl,
    Agency,
    Department,
    Grade,
    Grading,
    Leave,
    Service,
    Status,
)
from ismp.accounts.roles import ROLE_NAMES, Role
from ismp.accounts.roster_changes import LineChange, Places, role_elsewhere
from ismp.accounts.roster_checks import AGAINST_WORLD, Line, World, first_fault
from ismp.audit import trail
from ismp.audit.trail import NotPossible
from ismp.ui import roc, sheets

logger = logging.getLogger(__name__)

_BATCH = 500
_SERVED = ("agency_id", "department_id", "identities", "status")
"""What an account copies from the entry of its service that holds today."""
_DUE_DAYS = 31


@dataclass(frozen=True)
class RosterLine:
    """What a line of the roster does to its account; `words` say it to a reader."""

    line: int
    username: str
    name: str
    outcome: str
    """created | updated | unchanged."""
    words: str = ""


@dataclass(frozen=True)
class RosterResult:
    """How many accounts the roster made, changed and left as they were; and line by line."""

    created: int
    updated: int
    unchanged: int
    lines: list[RosterLine]
    notes: dict[str, object]
    """Which columns were not there or not ours (`roster.Roster`)."""


@transaction.atomic
def import_roster(
    data: bytes, *, keeper: Account | None = None, of: str = "", by: str
) -> RosterResult:
    """Bring accounts, agencies and departments in line with a roster file.

    An account that served elsewhere moves.  Importing the same roster again changes nothing; what
    the file has no column for stays.  Holds its accounts from here on, writes only what a line
    changes, and leaves an event for each account that it makes or changes.  With a `keeper` only
    what she may change by hand may stand in the roster; `of` is what the event of the whole is
    about.  Raises roster.RosterRefused with every line at fault, or sheets.Refused; then nothing is
    stored.
    """
    found = roster.read(data)
    known = roster_changes.hold(found.usernames)
    places = Places(found.entries)
    every = [
        roster_changes.of(entry, known.get(entry.username.lower()), places)
        for entry in found.entries
    ]
    _prove(found, every, known, places, keeper)
    lines = [
        RosterLine(one.entry.line, one.account.username, one.entry.name, one.outcome, one.words)
        for one in every
    ]
    outcomes = Counter(line.outcome for line in lines)
    result = RosterResult(
        outcomes["created"], outcomes["updated"], outcomes["unchanged"], lines, found.notes
    )
    changed = [one for one in every if one.outcome != "unchanged"]
    if not changed:
        return result
    events = [_event_of(one, found.line(one.entry.line)) for one in changed]
    controls = [control for one in changed for control in _controls(one, keeper)]
    former = [
        (one.account, one.account.email)
        for one in changed
        if one.account.pk and "email" in one.fields
    ]
    try:
        with transaction.atomic():
            _store(changed, places, keeper, by)
            AccountControl.objects.bulk_create(controls, batch_size=_BATCH)
            keeping.tell_of_email(former, keeper)
    except IntegrityError as error:
        raise sheets.Refused(
            "匯入期間有人變更了名冊裡的帳號，檔案沒有匯入，資料沒有變動；請再匯入一次。"
        ) from error
    told = {"created": result.created, "updated": result.updated}
    trail.record_many([*events, trail.Entry("import_roster", "", of, told)], actor=by)
    return result


def _prove(
    found: roster.Roster,
    every: list[LineChange],
    known: dict[str, Account],
    places: Places,
    keeper: Account | None,
) -> None:
    """Raise RosterRefused if a line is at fault by itself or against what is stored."""
    numbers = {one.entry.national_id for one in every if one.entry.national_id}
    hashes = {settings.KEYS.blind_index(number) for number in numbers}
    world = World(
        keeper,
        {code: agency.name for code, agency in places.agencies.items()},
        known,
        roster_changes.holders(hashes, found.usernames),
        {one.entry.line: [title for title, *_ in one.changes] for one in every},
    )
    for one in every:
        if fault := first_fault(found.line(one.entry.line), world, AGAINST_WORLD):
            found.faults.append(fault)
    found.proven()


def _store(changed: list[LineChange], places: Places, keeper: Account | None, by: str) -> None:
    """Write the accounts that lines change, their service, and what follows from both."""
    places.add_missing()
    created: list[Account] = []
    updated: list[tuple[Account, following.Served]] = []
    values: dict[int, dict[str, Any]] = {}
    served: list[Service] = []
    for one in changed:
        account = one.account
        if account.pk:
            before = following.Served.now(account)
            values[account.pk] = one.apply(places)
            updated.append((account, before))
            anew = following.Served.now(account) != before
        else:
            one.apply(places)
            # Nobody can sign in until a password is set; hashing a random one would be slow.
            account.password = "!"  # noqa: S105 (marks an unusable one)
            created.append(account)
            anew = True
        if anew:
            is_new = one.entry.agency_code not in places.known_before
            served.append(_service(account, _since(account, is_new), by))
    roster_changes.write(values)
    Account.objects.bulk_create(created, batch_size=_BATCH)
    Service.objects.bulk_create(served, batch_size=_BATCH)
    persons.numbers_set([one.account for one in changed if one.number_is_new], by=keeper)
    for account, before in updated:
        following.follow(account, before)


def _controls(change: LineChange, keeper: Account | None) -> list[AccountControl]:
    """What control of an account its line of the roster gives the sender (`separation`)."""
    entry, account = change.entry, change.account
    if keeper is None or account.pk == keeper.pk:
        return []
    kind, facts = AccountControl.Kind, {"account": account, "by": keeper}
    if account.pk is None:
        return [AccountControl(kind=kind.CREATED, **facts)]
    found = []
    if "email" in change.fields:
        found.append(AccountControl(kind=kind.EMAIL, **facts))
    if "status" in change.fields and entry.status == Status.ACTIVE:
        found.append(AccountControl(kind=kind.RETURNED, **facts))
    if change.number_is_new:
        found.append(AccountControl(kind=kind.NUMBER, former_hash=account.id_hash, **facts))
    return found


def _event_of(change: LineChange, line: Line) -> trail.Entry:
    """The event of one account: which line of the file changed what of it."""
    entry, account = change.entry, change.account
    agency, subject, told = entry.agency_code, f"account:{account.username}", {"line": line.number}
    if account.pk is None:
        new = told | {"identities": entry.identities or Identity.GENERAL.value}
        return trail.Entry("create_by_roster", agency, subject, new)
    return trail.Entry("change_by_roster", agency, subject, told | {"changes": change.changes})


def _since(account: Account, agency_is_new: bool) -> date:
    """The first roster of an agency tells who has served there, not since when."""
    is_first = account.pk is None and agency_is_new
    return Service.UNKNOWN if is_first else timezone.localdate()


def _service(account: Account, since: date, by: str) -> Service:
    served = {name: getattr(account, name) for name in _SERVED}
    return Service(account=account, since=since, recorded_by=by, **served)


@transaction.atomic
def assign(
    account: Account,
    *,
    agency: Agency | None = None,
    department: Department | None = None,
    identities: str | None = None,
    status: Status | None = None,
    since: date,
    by: str,
) -> Service:
    """Say where and as what a person serves from a day on; what is not named stays.

    A move to another agency leaves the department behind unless one is named.  A day to come
    takes effect on that day (`apply_due`).  Raises NotPossible.
    """
    account = Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
    held = account.services.on(since).first() or _service(account, since, by)
    moves = agency is not None and agency.pk != held.agency_id
    if department and department.agency_id != (agency.pk if agency else held.agency_id):
        raise NotPossible("這個部門不屬於該機關，請重新選擇部門。")
    entry = Service.objects.create(
        account=account,
        agency_id=agency.pk if agency else held.agency_id,
        department_id=department.pk if department else None if moves else held.department_id,
        identities=identities or held.identities,
        status=status or held.status,
        since=since,
        recorded_by=by,
    )
    _copy_what_holds(account)
    trail.record(
        "assign",
        actor=by,
        agency=entry.agency.code,
        subject=f"account:{account.username}",
        since=roc.roc_date(since),
        identities=entry.identities,
        status=entry.status,
    )
    return entry


def _copy_what_holds(account: Account) -> bool:
    """Make the account what its service says of today; return whether it was something else."""
    entry = account.services.on(timezone.localdate()).first()
    if entry is None or all(getattr(entry, name) == getattr(account, name) for name in _SERVED):
        return False
    before = following.Served.now(account)
    if account.agency_id != entry.agency_id:
        account.role = role_elsewhere(account)
    for name in _SERVED:
        setattr(account, name, getattr(entry, name))
    try:
        with transaction.atomic():
            account.save(update_fields=[*_SERVED, "role"])
    except IntegrityError as error:
        raise NotPossible(
            "該機關已有另一個在職帳號使用同一個身分證字號，請先將那個帳號改為離職。"
        ) from error
    following.follow(account, before)
    return True


def apply_due() -> int:
    """Let what was assigned for a day that has come take effect; return for how many accounts.

    Called every hour by the worker.  What has become impossible meanwhile is tried again.
    """
    today = timezone.localdate()
    begun = Service.objects.filter(since__range=(today - timedelta(days=_DUE_DAYS), today))
    changed = 0
    for account in Account.objects.filter(pk__in=begun.values("account")):
        try:
            changed += _begin_serving(account)
        except NotPossible:
            logger.warning("account %s cannot serve as assigned", account.pk)
    return changed


@transaction.atomic
def _begin_serving(account: Account) -> bool:
    changed = _copy_what_holds(account)
    if changed:
        trail.record(
            "begin_serving",
            actor=trail.SYSTEM,
            agency=account.agency.code,
            subject=f"account:{account.username}",
        )
    return changed


@transaction.atomic
def grade(agency: Agency, value: Grade, *, since: date, by: str) -> Grading:
    """Note the 責任等級 of an agency from a day on."""
    grading = Grading.objects.create(agency=agency, grade=value, since=since, recorded_by=by)
    trail.record("grade", actor=by, agency=agency.code, grade=value, since=roc.roc_date(since))
    return grading


@transaction.atomic
def grant_leave(
    account: Account, *, since: date, until: date | None, reason: str, by: str
) -> Leave:
    """留職停薪: exempt a person from the duties for a time.  Raises NotPossible."""
    if until and until < since:
        raise NotPossible("留職停薪的迄日早於起日，請更正。")
    leave = Leave.objects.create(
        account=account, since=since, until=until, reason=reason, recorded_by=by
    )
    trail.record(
        "grant_leave",
        actor=by,
        agency=account.agency.code,
        subject=f"account:{account.username}",
        since=roc.roc_date(since),
        until=roc.roc_date(until),
    )
    return leave


@transaction.atomic
def withdraw_leave(leave: Leave, *, by: str) -> Leave:
    """Take a leave back that was noted by mistake; it stays in the trail and in old standings."""
    leave.withdrawn_at = timezone.now()
    leave.save(update_fields=["withdrawn_at"])
    trail.record(
        "withdraw_leave",
        actor=by,
        agency=leave.account.agency.code,
        subject=f"account:{leave.account.username}",
    )
    return leave


@transaction.atomic
def appoint(account: Account, role: Role, *, by: str) -> None:
    """Give an account its role."""
    account.role = role.value
    account.save(update_fields=["role"])
    separation.note_control(account, AccountControl.Kind.ROLE, by)
    trail.record(
        "appoint",
        actor=by,
        agency=account.agency.code,
        subject=f"account:{account.username}",
        role=ROLE_NAMES[role],
    )
