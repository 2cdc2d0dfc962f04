"""Deeds on accounts: bring in a roster, say where and as what one serves, appoint to a role."""

import logging
from dataclasses import dataclass
from datetime import date, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from ismp.accounts import following, persons, roster, separation
from ismp.accounts.identities import in_words
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
from ismp.accounts.roles import OF_AN_AGENCY, ROLE_NAMES, Role
from ismp.accounts.roster_checks import AGAINST_WORLD, World, first_fault
from ismp.audit import trail
from ismp.audit.trail import NotPossible
from ismp.ui import roc

logger = logging.getLogger(__name__)

_BATCH = 500
_SERVED = ("agency_id", "department_id", "identities", "status")
"""What an account copies from the entry of its service that holds today."""
_DUE_DAYS = 31
_FIELDS = [
    "username",
    "name",
    "agency",
    "department",
    "email",
    "identities",
    "status",
    "role",
    "sealed_id",
    "id_hash",
    "key_version",
]


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


@transaction.atomic
def import_roster(
    data: bytes, *, keeper: Account | None = None, of: str = "", by: str
) -> RosterResult:
    """Bring accounts, agencies and departments in line with a roster file.

    An account that served elsewhere moves.  Importing the same roster again changes nothing.
    With a `keeper` only what she may change by hand may stand in the roster; `of` is what the
    event is about.  Raises roster.RosterRefused with every line at fault, or sheets.Refused;
    then nothing is stored.
    """
    found = roster.read(data)
    accounts = Account.objects.select_related("agency", "department")
    known = {account.username.lower(): account for account in accounts}
    entries = _proven(found, known, keeper)
    before = set(Agency.objects.values_list("code", flat=True))
    agencies = _agencies(entries)
    departments = _departments(entries, agencies)

    created: list[Account] = []
    updated: list[Account] = []
    served: list[Service] = []
    numbered: list[Account] = []
    before_it: dict[int, following.Served] = {}
    controls: list[AccountControl] = []
    lines: list[RosterLine] = []
    for entry in entries:
        account = known.get(entry.username.lower()) or Account()
        agency = agencies[entry.agency_code]
        facts = {
            "username": entry.username,
            "name": entry.name,
            "agency_id": agency.pk,
            "department_id": departments.get((agency.pk, entry.department)),
            "email": entry.email,
            "identities": entry.identities,
            "status": entry.status,
        }
        id_hash = settings.KEYS.blind_index(entry.national_id) if entry.national_id else None
        same_id = id_hash == (bytes(account.id_hash) if account.id_hash else None)
        told = (entry.line, entry.username, entry.name)
        if same_id and all(getattr(account, name) == value for name, value in facts.items()):
            lines.append(RosterLine(*told, "unchanged"))
            continue
        outcome = "updated" if account.pk else "created"
        lines.append(RosterLine(*told, outcome, _changes(account, entry, same_id)))
        serves_anew = any(getattr(account, name) != facts[name] for name in _SERVED)
        if keeper:
            controls += _controls(account, entry, same_id, keeper)
        if account.pk:
            before_it[account.pk] = following.Served.now(account)
        _leave_role_behind(account, agency.pk)
        for name, value in facts.items():
            setattr(account, name, value)
        if account.pk is None or serves_anew:
            served.append(_service(account, _since(account, entry.agency_code not in before), by))
        if not same_id:
            account.national_id = entry.national_id
            numbered.append(account)
        if account.pk is None:
            # Nobody can sign in until a password is set; hashing a random one would be slow.
            account.password = "!"  # noqa: S105 (marks an unusable one)
            created.append(account)
        else:
            updated.append(account)

    _store(created, updated, served, controls)
    persons.numbers_set(numbered, by=keeper)
    for account in updated:
        following.follow(account, before_it[account.pk])
    result = RosterResult(
        len(created), len(updated), len(entries) - len(created) - len(updated), lines
    )
    if created or updated:
        trail.record(
            "import_roster",
            actor=by,
            subject=of,
            created=result.created,
            updated=result.updated,
        )
    return result


def _store(
    created: list[Account],
    updated: list[Account],
    served: list[Service],
    controls: list[AccountControl],
) -> None:
    # Clearing first lets two people swap places without tripping over the unique key.
    for start in range(0, len(updated), _BATCH):
        keys = [account.pk for account in updated[start : start + _BATCH]]
        Account.objects.filter(pk__in=keys).update(id_hash=None)
    Account.objects.bulk_update(updated, _FIELDS, batch_size=_BATCH)
    Account.objects.bulk_create(created, batch_size=_BATCH)
    Service.objects.bulk_create(served, batch_size=_BATCH)
    AccountControl.objects.bulk_create(controls, batch_size=_BATCH)


def _controls(
    account: Account, entry: roster.Entry, same_id: bool, keeper: Account
) -> list[AccountControl]:
    """What control of an account its line of the roster gives the sender (`separation`)."""
    kind, facts = AccountControl.Kind, {"account": account, "by": keeper}
    if account.pk is None:
        return [AccountControl(kind=kind.CREATED, **facts)]
    if account.pk == keeper.pk:
        return []
    found = []
    if account.email != entry.email:
        found.append(AccountControl(kind=kind.EMAIL, **facts))
    if account.status == Status.LEFT and entry.status == Status.ACTIVE:
        found.append(AccountControl(kind=kind.RETURNED, **facts))
    if not same_id:
        found.append(AccountControl(kind=kind.NUMBER, former_hash=account.id_hash, **facts))
    return found


def _changes(account: Account, entry: roster.Entry, same_id: bool) -> str:
    """What a line changes, in words; of a national ID only that it does."""
    if account.pk is None:
        return f"新增：{entry.agency_name} {entry.department}".strip()
    here = account.department.name if account.department else ""
    pairs = (
        ("機關", account.agency.name, entry.agency_name),
        ("部門", here, entry.department),
        ("姓名", account.name, entry.name),
        ("電子郵件", account.email, entry.email),
        ("身分", account.get_identities_display(), in_words(entry.identities)),
        ("狀態", account.get_status_display(), Status(entry.status).label),
    )
    words = [f"{title}「{old}」改為「{new}」" for title, old, new in pairs if old != new]
    number = "" if same_id else "身分證字號變更" if entry.national_id else "移除身分證字號"
    return "；".join([*words, *filter(None, [number])])


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
    _leave_role_behind(account, entry.agency_id)
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


def _leave_role_behind(account: Account, agency_id: int) -> None:
    """Whoever administers an agency does not administer the one she moves to."""
    if account.pk and account.agency_id != agency_id and account.role in OF_AN_AGENCY:
        account.role = Role.STAFF.value


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


def _agencies(entries: list[roster.Entry]) -> dict[str, Agency]:
    names = {entry.agency_code: entry.agency_name for entry in entries}
    Agency.objects.bulk_create(
        [Agency(code=code, name=name) for code, name in names.items()],
        update_conflicts=True,
        unique_fields=["code"],
        update_fields=["name"],
    )
    return {agency.code: agency for agency in Agency.objects.filter(code__in=names)}


def _departments(
    entries: list[roster.Entry], agencies: dict[str, Agency]
) -> dict[tuple[int, str], int]:
    wanted = {(agencies[e.agency_code].pk, e.department) for e in entries if e.department}
    Department.objects.bulk_create(
        [Department(agency_id=agency, name=name, path=name) for agency, name in sorted(wanted)],
        ignore_conflicts=True,
    )
    rows = Department.objects.filter(agency__in={agency for agency, _ in wanted})
    return {(row.agency_id, row.name): row.merged_into_id or row.pk for row in rows}


def _proven(
    found: roster.Roster, known: dict[str, Account], keeper: Account | None
) -> list[roster.Entry]:
    """The entries, none of which is at fault by itself or against what is stored."""
    holders = {
        (account.agency.code, bytes(account.id_hash)): account
        for username, account in known.items()
        if username not in found.usernames and account.id_hash and account.status == Status.ACTIVE
    }
    world = World(keeper, known, holders)
    for entry in found.entries:
        if fault := first_fault(found.line(entry.line), world, AGAINST_WORLD):
            found.faults.append(fault)
    return found.proven()
