"""Reading a roster: the CSV in which an agency tells us its people (docs/explain/contracts.md).

Knows the file only; what becomes of the people is `actions.import_roster`.  Every reason for which
a line is not taken stands in `checks`.  A column that the file does not have says nothing:
the entry has None, and what is stored stays.
"""

from dataclasses import dataclass, field

from ismp.accounts import national_id
from ismp.accounts.identities import Identity, as_set
from ismp.accounts.models import Status
from ismp.accounts.roster import checks
from ismp.accounts.roster.lines import HEADER, REQUIRED, Line
from ismp.ui import limits, reading
from ismp.ui.reading import faults as reading_faults
from ismp.ui.reading import row_checks
from ismp.ui.reading.faults import Fault

_IDENTITIES = {label: value for value, label in Identity.choices}
_STATUSES = {label: value for value, label in Status.choices}
_ALIASES = {"身份證字號": "身分證字號", "身分證": "身分證字號", "身份證": "身分證字號"}
_NO_HEADER = f"名冊第 1 列必須是標題：{'、'.join(HEADER)}；第 {{line}} 列缺少{{titles}}。"


@dataclass(frozen=True)
class Entry:
    """One line of the roster, checked and folded; None where the file has no such column."""

    line: int
    agency_code: str
    agency_name: str
    department: str | None
    username: str
    name: str
    national_id: str | None
    email: str | None
    identities: str | None
    status: str


class RosterRejected(reading_faults.FileRejected):
    """The roster as a whole is refused, because of these lines; nothing is stored."""

    def __init__(self, faults: list[Fault]) -> None:
        more = f"另外還有 {len(faults) - 1:,} 列要更正。" if len(faults) > 1 else ""
        super().__init__(f"{national_id.hide(faults[0].sentence)}{more}")
        self.faults = faults


@dataclass
class Roster:
    """The lines of a file: one entry per account, and one fault per line that is not taken."""

    notes: dict[str, object]
    """What the result tells of the columns."""
    entries: list[Entry] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    lines: dict[int, Line] = field(default_factory=dict)
    usernames: set[str] = field(default_factory=set)
    """Of every line, small letters: also of those that are not taken."""

    def line(self, number: int) -> Line:
        return self.lines[number]

    def proven(self) -> list[Entry]:
        """The entries of a roster in which nothing is at fault.  Raises RosterRejected."""
        if self.faults:
            raise RosterRejected(sorted(self.faults, key=lambda fault: fault.line))
        return self.entries


def read(data: bytes) -> Roster:
    """Of an account's several lines the one in office stands.

    Raises FileRejected when the file cannot be read at all.
    """
    table = reading.read(
        data,
        HEADER,
        limits=limits.of_tables(),
        required=REQUIRED,
        aliases=_ALIASES,
        missing=_NO_HEADER,
    )
    has = frozenset(table.place)
    roster, entries = Roster(_notes(table)), dict[str, Entry]()
    repeats = checks.Repeats()
    for row in table.rows:
        line = Line.from_row(row, table)
        roster.lines[line.number] = line
        roster.usernames.add(line.username.lower())
        if fault := row_checks.first_fault(checks.CHECKS, line) or repeats.fault(line):
            roster.faults.append(fault)
            continue
        entry = _entry(line, has)
        former = entries.get(entry.username.lower())
        if not former or entry.status == Status.ACTIVE or former.status == Status.LEFT:
            entries[entry.username.lower()] = entry
    roster.entries = list(entries.values())
    return roster


def _notes(table: reading.Table) -> dict[str, object]:
    return {**table.notes, "ignored": [national_id.hide(title) for title in table.ignored]}


def _entry(line: Line, has: frozenset[str]) -> Entry:
    identities = as_set(_IDENTITIES[one] for one in line.identities) or Identity.GENERAL.value
    return Entry(
        line=line.number,
        agency_code=line.agency_code,
        agency_name=line["機關名稱"],
        department=line["部門"] if "部門" in has else None,
        username=line.username,
        name=line["姓名"],
        national_id=line.national_id if "身分證字號" in has else None,
        email=line["電子郵件"] if "電子郵件" in has else None,
        identities=identities if "資安列管身分" in has else None,
        status=_STATUSES[line["狀態"]],
    )
