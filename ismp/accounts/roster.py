"""Reading a roster: the CSV in which an agency tells us its people (product.md, contracts).

Knows the file only; what becomes of the people is `actions.import_roster`.  Every reason for which
a line is not taken stands in `roster_checks`.
"""

from dataclasses import dataclass, field

from ismp.accounts import national_id, roster_checks
from ismp.accounts.identities import Identity, as_set
from ismp.accounts.models import Status
from ismp.accounts.roster_checks import HEADER, Line
from ismp.ui import sheets
from ismp.ui.sheets import Fault

_IDENTITIES = {label: value for value, label in Identity.choices}
_STATUSES = {label: value for value, label in Status.choices}


@dataclass(frozen=True)
class Entry:
    """One line of the roster, checked and folded."""

    line: int
    agency_code: str
    agency_name: str
    department: str
    username: str
    name: str
    national_id: str
    email: str
    identities: str
    status: str


class RosterRefused(sheets.Refused):
    """The roster as a whole is refused, because of these lines; nothing is stored."""

    def __init__(self, faults: list[Fault]) -> None:
        more = f"另外還有 {len(faults) - 1:,} 列要更正。" if len(faults) > 1 else ""
        super().__init__(f"{national_id.hide(faults[0].sentence)}{more}")
        self.faults = faults


@dataclass
class Roster:
    """The lines of a file: one entry per account, and one fault per line that is not taken."""

    entries: list[Entry] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    cells: dict[int, list[str]] = field(default_factory=dict)
    """Each line as it was written."""
    usernames: set[str] = field(default_factory=set)
    """Of every line, small letters: also of those that are not taken."""

    def line(self, number: int) -> Line:
        return Line(number, self.cells[number])

    def proven(self) -> list[Entry]:
        """The entries of a roster in which nothing is at fault.  Raises RosterRefused."""
        if self.faults:
            raise RosterRefused(sorted(self.faults, key=lambda fault: fault.line))
        return self.entries


def read(data: bytes) -> Roster:
    """Of an account's several lines the one in office stands.

    Raises sheets.Refused when the file cannot be read at all.
    """
    rows = [row for row in sheets.csv_rows(data) if any(row)]
    if not rows or [cell.strip() for cell in rows[0]] != HEADER:
        raise sheets.Refused(f"名冊第 1 列必須是標題：{'、'.join(HEADER)}。")
    roster, entries = Roster(), dict[str, Entry]()
    repeats = roster_checks.Repeats()
    for number, cells in enumerate(rows[1:], start=2):
        line = Line(number, [cell.strip() for cell in cells])
        roster.cells[number] = line.cells
        roster.usernames.add(line.username.lower())
        if fault := roster_checks.first_fault(line) or repeats.fault(line):
            roster.faults.append(fault)
            continue
        entry = _entry(line)
        former = entries.get(entry.username.lower())
        if not former or entry.status == Status.ACTIVE or former.status == Status.LEFT:
            entries[entry.username.lower()] = entry
    roster.entries = list(entries.values())
    return roster


def _entry(line: Line) -> Entry:
    return Entry(
        line=line.number,
        agency_code=line["機關代碼"],
        agency_name=line["機關名稱"],
        department=line["部門"],
        username=line.username,
        name=line["姓名"],
        national_id=line.national_id,
        email=line["電子郵件"],
        identities=as_set(_IDENTITIES[one] for one in line.identities) or Identity.GENERAL.value,
        status=_STATUSES[line["狀態"]],
    )
