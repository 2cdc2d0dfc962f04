"""Deeds on accounts: bring in a roster, say where and as what one serves, appoint to a role."""

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from ismp.accounts import (
    dated,
    following,
    keeping,
    persons,
    roster,
    roster_changes,
    separation,
    timeline,
)
from ismp.accounts.agencies import closing
from ismp.accounts.agencies.actions import apply_due_names
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
from ismp.accounts.roster_checks import AGAINST_WORLD, Line, World, first_fault, later_fault
from ismp.audit import changes, trail
from ismp.audit.trail import NotPossible
from ismp.ui import roc, sheets
from ismp.ui.sheets import Fault

logger = logging.getLogger(__name__)

_BATCH = 500
_SERVED = ("agency_id", "department_id", "identities", "status")
"""What an account copies from the entry of its service that holds today."""
_SERVICE = {"agency", "department", "identities", "status"}
_DUE_DAYS = 31
_SECOND_ACCOUNT = "該機關已有另一個在職帳號使用同一個身分證字號，請先將那個帳號改為離職。"


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
        _closed(places),
    )
    for one in every:
        if fault := first_fault(found.line(one.entry.line), world, AGAINST_WORLD):
            found.faults.append(fault)
    found.faults += _in_the_way(found, every)
    found.proven()


def _closed(places: Places) -> dict[str, str]:
    today = timezone.localdate()
    reasons = {code: one.why_closed(today) for code, one in places.agencies.items()}
    return {code: reason.removesuffix("。") for code, reason in reasons.items() if reason}


def _in_the_way(found: roster.Roster, every: list[LineChange]) -> list[Fault]:
    """The faults of lines that change the service of an account which has an entry for a day to
    come: one of today would not reach beyond it."""
    today, guilty = timezone.localdate(), {fault.line for fault in found.faults}
    later = Service.objects.standing().filter(since__gt=today)
    accounts = set(later.values_list("account", flat=True))
    changed = [one for one in every if one.account.pk in accounts and _SERVICE & one.fields.keys()]
    return [
        later_fault(found.line(one.entry.line), str(timeline.later_than(one.account, today)[0]))
        for one in changed
        if one.entry.line not in guilty
    ]


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
    _begin(served)
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


def _begin(served: list[Service]) -> None:
    """Store entries of service in bulk; each takes the place of one of the same day."""
    now = timezone.now()
    for start in range(0, len(served), _BATCH):
        some = {one.account.pk: one for one in served[start : start + _BATCH]}
        day = [one.since for one in some.values()]
        former = Service.objects.standing().filter(account__in=some, since__in=day)
        replaced = [one for one in former if one.since == some[one.account_id].since]
        by = served[start].recorded_by
        dated.cancel_all(replaced, reason="同一天重新匯入名冊", by=by, at=now)
        for one in some.values():
            one.recorded_at = now
        Service.objects.bulk_create(some.values())
        for one in replaced:
            Service.objects.filter(pk=one.pk).update(replaced_by=some[one.account_id])


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
    replace: bool = False,
    by: str,
) -> Service:
    """Say where and as what a person serves from a day on; what is not named stays.

    A move to another agency leaves the department behind unless one is named.  A day to come
    takes effect on that day (`apply_due`).  An entry of the same day is corrected by this one;
    later ones are replaced with `replace` only.  Raises dated.LaterEntry, NotPossible.
    """
    account = Account.objects.select_for_update(of=("self",), no_key=True).get(pk=account.pk)
    steps = timeline.of(account)
    later = [step for step in steps if step.entry.since > since]
    held = _held(account, steps, since, by)
    if held.status == Status.LEFT and status is None and held.since <= since:
        raise NotPossible(
            f"{account.name}（{account.username}）從 {timeline.day_of(held.since)} 起已離職，"
            "不能登記這項異動；請先取消離職的登記，或辦理復用。"
        )
    moves = agency is not None and agency.pk != held.agency_id
    if department and department.agency_id != (agency.pk if agency else held.agency_id):
        raise NotPossible("這個部門不屬於該機關，請重新選擇部門。")
    entry = Service(
        account=account,
        agency_id=agency.pk if agency else held.agency_id,
        department_id=department.pk if department else None if moves else held.department_id,
        identities=identities or held.identities,
        status=status or held.status,
        since=since,
        recorded_by=by,
    )
    # Nor for a day before the end: nothing later would carry the person on.
    closed = entry.agency.why_closed(max(since, timezone.localdate()))
    if closed and entry.status == Status.ACTIVE:
        raise NotPossible(closed)
    if timeline.has_double(entry):
        raise NotPossible(_SECOND_ACCOUNT)
    refusal = timeline.refusal(account, since, later) if later else ""
    dated.add(entry, replace=replace, refusal=refusal)
    copy_what_holds(account)
    trail.record(
        "assign",
        actor=by,
        agency=entry.agency.code,
        subject=f"account:{account.username}",
        since=roc.roc_date(since),
        identities=entry.identities,
        status=entry.status,
        replaced="；".join(map(str, later)),
        changes=changes.between(held, entry, *dated.BOOKKEEPING),
    )
    return entry


def _held(account: Account, steps: list[timeline.Step], since: date, by: str) -> Service:
    """The entry that an entry of that day starts from: the one that holds then; before the first
    service, that one."""
    earlier = [step.entry for step in steps if step.entry.since <= since]
    if earlier:
        return earlier[-1]
    return steps[0].entry if steps else _service(account, since, by)


def copy_what_holds(account: Account) -> bool:
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
        raise NotPossible(_SECOND_ACCOUNT) from error
    following.follow(account, before)
    return True


def apply_due() -> int:
    """Let what was assigned for a day that has come take effect; return for how many accounts.

    Agencies first: those whose name, or whose end, was entered for the day.  Called every hour by
    the worker.  What has become impossible meanwhile is tried again.
    """
    apply_due_names()
    closing.apply_due()
    closing.bring_latecomers()
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
    changed = copy_what_holds(account)
    if changed:
        trail.record(
            "begin_serving",
            actor=trail.SYSTEM,
            agency=account.agency.code,
            subject=f"account:{account.username}",
        )
    return changed


@transaction.atomic
def grade(agency: Agency, value: Grade, *, since: date, replace: bool = False, by: str) -> Grading:
    """Note the 責任等級 of an agency from a day on.  Raises dated.LaterEntry, NotPossible."""
    agency = Agency.objects.select_for_update(no_key=True).get(pk=agency.pk)
    if closed := agency.why_closed(since):
        raise NotPossible(closed)
    held = agency.gradings.on(since).first()
    grading = Grading(agency=agency, grade=value, since=since, recorded_by=by)
    later = [f"{roc.roc_date(one.since)} {one.get_grade_display()}" for one in grading.later()]
    dated.add(
        grading,
        replace=replace,
        refusal=f"「{agency}」之後已核定：{'；'.join(later)}。生效日 {roc.roc_date(since)} 比它早；"
        "請改填更後面的日期，或選擇「取代之後的登記」。",
    )
    trail.record(
        "grade",
        actor=by,
        agency=agency.code,
        subject=f"agency:{agency.pk}",
        grade=value,
        since=roc.roc_date(since),
        replaced="；".join(later),
        changes=[
            ("責任等級", held.get_grade_display() if held else "", grading.get_grade_display())
        ],
    )
    return grading


@transaction.atomic
def grant_leave(
    account: Account,
    *,
    since: date,
    until: date | None,
    reason: str,
    replace: bool = False,
    by: str,
) -> Leave:
    """留職停薪: exempt a person from the duties for a time.

    Leaves that overlap it are withdrawn with `replace`, and refuse it without.  Raises
    dated.LaterEntry, NotPossible.
    """
    if until and until < since:
        raise NotPossible("留職停薪的迄日早於起日，請更正。")
    account = Account.objects.select_for_update(of=("self",), no_key=True).get(pk=account.pk)
    over = list(account.leaves.overlapping(since, until))
    words = "；".join(one.in_words for one in over)
    if over and not replace:
        raise dated.LaterEntry(
            f"{account.name}（{account.username}）已登記留職停薪：{words}，期間重疊；"
            "請更正起迄日，或選擇「取代重疊的登記」。"
        )
    leave = Leave(account=account, since=since, until=until, reason=reason, recorded_by=by)
    for one in over:
        one.withdrawn_at, one.withdrawn_by = leave.recorded_at, by
        one.withdrawal_reason = "由新的登記取代"
        one.save(update_fields=["withdrawn_at", "withdrawn_by", "withdrawal_reason"])
    leave.save()
    trail.record(
        "grant_leave",
        actor=by,
        agency=account.agency.code,
        subject=f"account:{account.username}",
        since=roc.roc_date(since),
        until=roc.roc_date(until),
        replaced=words,
    )
    return leave


@transaction.atomic
def withdraw_leave(leave: Leave, *, reason: str = "", by: str) -> Leave:
    """Take a leave back that was noted by mistake; it stays in the trail and in old standings.

    The person is told.  Raises NotPossible.
    """
    leave = Leave.objects.select_for_update(of=("self",)).get(pk=leave.pk)
    if leave.withdrawn_at:
        raise NotPossible("這筆留職停薪已經撤銷了，請重新整理這一頁。")
    leave.withdrawn_at, leave.withdrawn_by = timezone.now(), by
    leave.withdrawal_reason = reason
    leave.save(update_fields=["withdrawn_at", "withdrawn_by", "withdrawal_reason"])
    following.tell(
        [leave.account],
        kind="service",
        subject="您的一筆留職停薪登記已撤銷",
        body=f"{leave.in_words}。理由：{reason}" if reason else leave.in_words,
    )
    trail.record(
        "withdraw_leave",
        actor=by,
        agency=leave.account.agency.code,
        subject=f"account:{leave.account.username}",
        cancelled=leave.in_words,
        reason=reason,
    )
    return leave


@transaction.atomic
def appoint(account: Account, role: Role, *, by: str) -> None:
    """Give an account its role."""
    former = ROLE_NAMES[Role(account.role)]
    account.role = role.value
    account.save(update_fields=["role"])
    separation.note_control(account, AccountControl.Kind.ROLE, by)
    trail.record(
        "appoint",
        actor=by,
        agency=account.agency.code,
        subject=f"account:{account.username}",
        role=ROLE_NAMES[role],
        changes=[("角色", former, ROLE_NAMES[role])] if former != ROLE_NAMES[role] else [],
    )
