"""Changes that the lines of a roster make to stored accounts: found, described, written.

Between the file (`reading`) and `importing`, which decides whether it may.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Lower

from ismp.accounts.agencies import fold_code
from ismp.accounts.identities import Identity, in_words
from ismp.accounts.models import Account, Agency, Department, Status
from ismp.accounts.roles import OF_AN_AGENCY, ROLE_NAMES, Role
from ismp.accounts.roster.checks import Number
from ismp.accounts.roster.reading import Entry
from ismp.audit.changes import SECRET, SECRET_CHANGED, Change
from ismp.storage import bulk
from ismp.ui.text.search_folding import key, one_line

_BATCH = 1_000
_KEYS = ("agency_id", "status")
"""With the national ID they are unique among those in office."""
SERVICE = {"agency", "department", "identities", "status"}
"""The fields that say where and as what somebody serves."""


def stored(usernames: Collection[str]) -> dict[str, Account]:
    """Return the accounts with these names (small letters) by them, as they are now."""
    return _named_by(usernames, Account.objects.all())


def hold(usernames: Collection[str]) -> dict[str, Account]:
    """As `stored`, but locked in the order of their numbers, so that two rosters wait for each
    other and never in a circle.

    Nobody waits for them who only signs in or reads: neither waits for an account.
    """
    return _named_by(usernames, Account.objects.select_for_update(of=("self",), no_key=True))


def _named_by(usernames: Collection[str], rows: QuerySet[Account]) -> dict[str, Account]:
    wanted = sorted(usernames)
    named = Account.objects.order_by().annotate(folded=Lower("username"))
    keys: list[int] = []
    for start in range(0, len(wanted), _BATCH):
        names = wanted[start : start + _BATCH]
        keys += named.filter(folded__in=names).values_list("pk", flat=True)
    keys.sort()
    rows = rows.order_by("pk")
    found: dict[str, Account] = {}
    for start in range(0, len(keys), _BATCH):
        some = rows.filter(pk__in=keys[start : start + _BATCH])
        found |= {
            account.username.lower(): account
            for account in some.select_related("agency", "department")
        }
    return found


def holders(numbers: Collection[Number], usernames: Collection[str]) -> dict[Number, Account]:
    """Return who is in office with one of these numbers and has none of these names (small
    letters)."""
    wanted, found = sorted({number for _, number in numbers}), {}
    rows = Account.objects.filter(status=Status.ACTIVE).select_related("agency").order_by("pk")
    for start in range(0, len(wanted), _BATCH):
        for account in rows.filter(id_hash__in=wanted[start : start + _BATCH]):
            if account.username.lower() not in usernames:
                found[fold_code(account.agency.code), bytes(account.id_hash or b"")] = account
    return found


@dataclass(frozen=True)
class Names:
    """Names of the agencies and departments of a whole roster, each from the first line that
    has it, whichever batch needs it first."""

    agencies: dict[str, str]
    """By folded code."""
    departments: dict[tuple[str, str], str]
    """By folded code of the agency and folded name."""

    @classmethod
    def from_entries(cls, entries: list[Entry]) -> Self:
        agencies, departments = dict[str, str](), dict[tuple[str, str], str]()
        for entry in entries:
            agencies.setdefault(entry.agency_code, entry.agency_name)
            if entry.department:
                departments.setdefault((entry.agency_code, key(entry.department)), entry.department)
        return cls(agencies, departments)

    def close_first_rosters(self) -> None:
        """The roster has told all that it has to tell of the agencies that were new."""
        named = Agency.objects.filter(in_first_roster=True, code__in=list(self.agencies))
        named.update(in_first_roster=False)


class Places:
    """The agencies and departments that some lines of a roster name, by folded code and name."""

    def __init__(self, entries: Iterable[Entry], names: Names) -> None:
        every = Agency.objects.select_related("merged_into")
        self.agencies = {fold_code(agency.code): agency for agency in every}
        self._entries, self._names = list(entries), names
        self._read_departments()

    def _read_departments(self) -> None:
        named = {entry.agency_code for entry in self._entries}
        agencies = {agency.pk: code for code, agency in self.agencies.items() if code in named}
        of_agencies = Department.objects.filter(agency__in=agencies)
        rows = {one.pk: one for one in of_agencies}
        self._departments: dict[tuple[str, str], Department] = {}
        for name in ("path", "name"):  # a name stands before a path that reads the same
            for one in rows.values():
                stands = rows.get(one.merged_into_id or one.pk, one)
                self._departments[agencies[one.agency_id], key(getattr(one, name))] = stands

    def department(self, code: str, name: str) -> Department | None:
        """By its name or its path; of a merged one, what it was merged into."""
        return self._departments.get((code, key(name))) if name else None

    def add_missing(self) -> None:
        """Create what the roster names and does not exist."""
        codes = sorted({entry.agency_code for entry in self._entries} - self.agencies.keys())
        new = {
            code: Agency(code=code, name=self._names.agencies[code], in_first_roster=True)
            for code in codes
        }
        Agency.objects.bulk_create(new.values())
        self.agencies |= new
        missing = {
            (entry.agency_code, key(entry.department))
            for entry in self._entries
            if entry.department and not self.department(entry.agency_code, entry.department)
        }
        Department.objects.bulk_create(
            [
                Department(agency=self.agencies[place[0]], name=name, path=name)
                for place in sorted(missing)
                for name in [self._names.departments[place]]
            ],
            ignore_conflicts=True,
        )
        if missing:
            self._read_departments()


@dataclass(frozen=True)
class LineChange:
    """The effect of a line on its account: a new one, or other values of some fields."""

    entry: Entry
    account: Account
    """As it is stored, until `apply`."""
    fields: dict[str, Change]
    """What changes of a stored account, in words, by the field; but for the number."""
    number_is_new: bool
    is_new: bool = False
    """Whether there was no such account."""

    @cached_property
    def holds(self) -> Number | None:
        """Which number no other account can have in office while this one is as it is."""
        account = self.account
        if account.pk is None or not account.is_active or not account.id_hash:
            return None
        return fold_code(account.agency.code), bytes(account.id_hash)

    @cached_property
    def takes(self) -> Number | None:
        """Which number it has in office from now on, and had not before."""
        entry, stored_hash = self.entry, self.account.id_hash
        if entry.status != Status.ACTIVE:
            return None
        number = bytes(stored_hash) if stored_hash else b""
        if self.number_is_new:
            number = settings.KEYS.blind_index(entry.national_id) if entry.national_id else b""
        taken = (entry.agency_code, number)
        return taken if number and taken != self.holds else None

    @property
    def changes(self) -> list[Change]:
        """In words, before and after; empty where nothing changes and for a new account."""
        number = self.number_is_new and not self.is_new
        return [*self.fields.values(), *([SECRET_CHANGED] if number else [])]

    @property
    def outcome(self) -> str:
        if self.is_new:
            return "created"
        return "updated" if self.changes else "unchanged"

    @property
    def words(self) -> str:
        """For a reader; of a national ID only that it changes."""
        if self.is_new:
            return f"新增：{self.entry.agency_name} {self.entry.department or ''}".strip()
        words = [
            f"{t}「{a}」改為「{b}」" for t, a, b in self.changes if (t, a, b) != SECRET_CHANGED
        ]
        if self.number_is_new:
            words.append("身分證字號變更" if self.entry.national_id else "移除身分證字號")
        return "；".join(words)

    def apply(self, places: Places) -> dict[str, Any]:
        """Give the account what the line says; return the columns of it that are others now."""
        entry, account = self.entry, self.account
        agency = places.agencies[entry.agency_code]
        department = places.department(entry.agency_code, entry.department or "")
        facts: dict[str, Any] = {
            "agency": agency,
            "department": department,
            "name": entry.name,
            "email": entry.email or "",
            "identities": entry.identities or Identity.GENERAL.value,
            "status": entry.status,
            "role": role_elsewhere(account),
        }
        if account.pk:
            moves = {"department"} if "agency" in self.fields else set()
            facts = {name: facts[name] for name in {*self.fields, *moves}}
        unique = [getattr(account, name, None) for name in _KEYS]
        for name, value in facts.items():
            setattr(account, name, value)
        written = _columns(account, facts)
        if self.number_is_new:
            account.national_id = entry.national_id or ""
            written |= {name: getattr(account, name) for name in SECRET}
        elif account.id_hash and unique != [getattr(account, name) for name in _KEYS]:
            written["id_hash"] = account.id_hash  # `write` takes it off before
        return written


def _columns(account: Account, facts: dict[str, Any]) -> dict[str, Any]:
    fields = [field for field in Account._meta.concrete_fields if field.name in facts]
    return {field.attname: getattr(account, field.attname) for field in fields}


def line_change(entry: Entry, account: Account | None, places: Places) -> LineChange:
    """Compare a line with its account."""
    if account is None:
        new = Account(username=entry.username)
        return LineChange(entry, new, {}, number_is_new=bool(entry.national_id), is_new=True)
    number_is_new = False
    if entry.national_id is not None:
        wanted = settings.KEYS.blind_index(entry.national_id) if entry.national_id else None
        number_is_new = wanted != (bytes(account.id_hash) if account.id_hash else None)
    fields = {
        field: (title, before, after)
        for field, title, before, after in _both(entry, account, places)
        if before != after
    }
    return LineChange(entry, account, fields, number_is_new)


def since(judged: LineChange, now: LineChange) -> tuple[LineChange, list[str]]:
    """Of a line that was judged before and now again: what is left of the change, and in words what
    somebody else has changed since that stands in its way.

    What the line did not change when it was judged stays, whoever has changed it since.  Where and
    as what somebody serves is one thing.
    """
    if judged.is_new:
        others = [] if now.is_new else [title for title, *_ in now.changes]
        return now, others
    fields = {name: now.fields[name] for name in judged.fields if name in now.fields}
    if "agency" in fields and "role" in now.fields:
        fields["role"] = now.fields["role"]
    number = judged.number_is_new and now.number_is_new
    left = replace(now, fields=fields, number_is_new=number)
    changed = {
        name for name in fields if name != "role" and fields[name][1] != judged.fields[name][1]
    }
    if SERVICE & fields.keys():
        changed |= SERVICE & now.fields.keys() - judged.fields.keys()
    words = [f"{now.fields[one][0]}現在是「{now.fields[one][1]}」" for one in sorted(changed)]
    hashes = [one.account.id_hash and bytes(one.account.id_hash) for one in (judged, now)]
    return left, [*words, *(["身分證字號"] if number and hashes[0] != hashes[1] else [])]


def _both(entry: Entry, account: Account, places: Places) -> Iterator[tuple[str, str, str, str]]:
    """Yield (field, title, as it is, as the line wants it), where both may be the same."""
    agency = places.agencies.get(entry.agency_code)
    moves = agency is None or agency.pk != account.agency_id
    if moves:
        new = agency or Agency(code=entry.agency_code, name=entry.agency_name)
        yield "agency", "機關", _named(account.agency), _named(new)
        elsewhere = role_elsewhere(account)
        yield "role", "角色", ROLE_NAMES[Role(account.role)], ROLE_NAMES[Role(elsewhere)]
    here = account.department.name if account.department else ""
    if entry.department is not None:
        found = places.department(entry.agency_code, entry.department)
        yield "department", "部門", here, found.name if found else entry.department
    elif moves:
        yield "department", "部門", here, ""
    yield "name", "姓名", one_line(account.name), entry.name
    if entry.email is not None:
        yield "email", "電子郵件", key(account.email), entry.email
    if entry.identities is not None:
        former = account.get_identities_display()
        yield "identities", "資安列管身分", former, in_words(entry.identities)
    yield "status", "狀態", account.get_status_display(), str(Status(entry.status).label)


def _named(agency: Agency) -> str:
    return f"{agency.name}（{agency.code}）"


def role_elsewhere(account: Account) -> str:
    """An administrator who moves to another agency does not administer that one."""
    return Role.STAFF.value if account.role in OF_AN_AGENCY else account.role


def write(values: dict[int, dict[str, Any]]) -> None:
    """Write what lines change of stored accounts, each only its own columns."""
    # Taking the numbers off first lets two people swap places without a clash of the unique key.
    bulk.update(Account, {pk: {"id_hash": None} for pk, one in values.items() if "id_hash" in one})
    bulk.update(Account, values)
