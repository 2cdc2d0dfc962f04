"""Deeds on accounts: bring in a roster, appoint to a role."""

from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from ismp.accounts import roster
from ismp.accounts.models import Account, Agency, Department, Status
from ismp.accounts.roles import ROLE_NAMES, Role
from ismp.audit import trail

_BATCH = 500
_FIELDS = [
    "username",
    "name",
    "agency",
    "department",
    "email",
    "identity",
    "status",
    "sealed_id",
    "id_hash",
    "key_version",
]


@dataclass(frozen=True)
class RosterResult:
    """How many accounts the roster made, changed and left as they were."""

    created: int
    updated: int
    unchanged: int


@transaction.atomic
def import_roster(data: bytes, *, by: str) -> RosterResult:
    """Bring accounts, agencies and departments in line with a roster file.

    An account that served elsewhere moves.  Importing the same roster again changes nothing.
    Raises roster.RosterRefused (nothing stored) with the line at fault.
    """
    entries = roster.read(data)
    agencies = _agencies(entries)
    departments = _departments(entries, agencies)
    known = {account.username.lower(): account for account in Account.objects.all()}
    _refuse_second_account(entries, agencies, known)

    created: list[Account] = []
    updated: list[Account] = []
    for entry in entries:
        account = known.get(entry.username.lower()) or Account()
        agency = agencies[entry.agency_code]
        facts = {
            "username": entry.username,
            "name": entry.name,
            "agency_id": agency.pk,
            "department_id": departments.get((agency.pk, entry.department)),
            "email": entry.email,
            "identity": entry.identity,
            "status": entry.status,
        }
        id_hash = settings.KEYS.blind_index(entry.national_id) if entry.national_id else None
        same_id = id_hash == (bytes(account.id_hash) if account.id_hash else None)
        if same_id and all(getattr(account, name) == value for name, value in facts.items()):
            continue
        for name, value in facts.items():
            setattr(account, name, value)
        if not same_id:
            account.national_id = entry.national_id
        if account.pk is None:
            # Nobody can sign in until a password is set; hashing a random one would be slow.
            account.password = "!"  # noqa: S105 (marks an unusable one)
            created.append(account)
        else:
            updated.append(account)

    # Clearing first lets two people swap places without tripping over the unique key.
    for start in range(0, len(updated), _BATCH):
        keys = [account.pk for account in updated[start : start + _BATCH]]
        Account.objects.filter(pk__in=keys).update(id_hash=None)
    Account.objects.bulk_update(updated, _FIELDS, batch_size=_BATCH)
    Account.objects.bulk_create(created, batch_size=_BATCH)
    result = RosterResult(len(created), len(updated), len(entries) - len(created) - len(updated))
    if created or updated:
        trail.record("import_roster", actor=by, created=result.created, updated=result.updated)
    return result


@transaction.atomic
def appoint(account: Account, role: Role, *, by: str) -> None:
    """Give an account its role."""
    account.role = role.value
    account.save(update_fields=["role"])
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
        [Department(agency_id=agency, name=name) for agency, name in sorted(wanted)],
        ignore_conflicts=True,
    )
    rows = Department.objects.filter(agency__in={agency for agency, _ in wanted})
    return {(row.agency_id, row.name): row.pk for row in rows}


def _refuse_second_account(
    entries: list[roster.Entry], agencies: dict[str, Agency], known: dict[str, Account]
) -> None:
    """An ID in office that an account outside of this file already holds in the same agency."""
    in_file = {entry.username.lower() for entry in entries}
    held = {
        (account.agency_id, bytes(account.id_hash)): account
        for username, account in known.items()
        if username not in in_file and account.id_hash and account.status == Status.ACTIVE
    }
    for entry in entries:
        if entry.status != Status.ACTIVE or not entry.national_id:
            continue
        id_hash = settings.KEYS.blind_index(entry.national_id)
        if other := held.get((agencies[entry.agency_code].pk, id_hash)):
            raise roster.RosterRefused(
                f"第 {entry.line} 列：這個身分證字號在同一機關已有在職帳號 {other.username}，"
                "請先將舊帳號改為離職，或更正這一列。"
            )
