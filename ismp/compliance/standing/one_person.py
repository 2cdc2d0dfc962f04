"""One person's standing on a day: the same as `table.table`, from that person's rows alone.

首頁 asks for it on every visit, and a table of one row costs more than all the arithmetic on it; so
here the rules judge plain values.  The tests hold the two against each other.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ismp.accounts import persons
from ismp.accounts.effective_dated import known
from ismp.accounts.identities import members
from ismp.accounts.models import Account, AgencyGrade, Posting, Status
from ismp.audit.event_cache import EventCache
from ismp.audit.verbs import Topic, rewrites
from ismp.compliance.models import categories_text
from ismp.compliance.rules import arithmetic
from ismp.compliance.rules.arithmetic import Credit, Verdict
from ismp.compliance.standing import table
from ismp.compliance.standing.table import InForce, Line

_grades = EventCache[str](concerns=lambda event, grade: rewrites(event.verb, Topic.GRADES))


@dataclass(frozen=True)
class Office:
    """Agency and identities of a person on a day; `leave` is the reason of an absence, if any."""

    agency: int
    department: int | None
    identities: str
    grade: str
    arrived_on: date | None
    leave: str


def in_office(account: Account, on: date, known_at: datetime | None = None) -> Office | None:
    """None when this account does not serve on that day."""
    accounts = persons.accounts_of(account, known_at)
    entries = Posting.objects.filter(known(known_at), account__in=accounts, since__lte=on)
    by_account: dict[int, dict[date, Posting]] = defaultdict(dict)
    for entry in entries.order_by("since", "pk"):  # of the same day, what was recorded last
        by_account[entry.account_id][entry.since] = entry
    own = by_account[account.pk]
    here = own[max(own)] if own else None
    if here is None or here.status != Status.ACTIVE:
        return None
    spells = [spell for of_one in by_account.values() for spell in _spells(of_one, on)]
    arrived = arithmetic.arrival(spells)
    return Office(
        here.agency_id,
        here.department_id,
        here.identities,
        grade_of(here.agency_id, on, known_at),
        arrived if arrived and arrived > Posting.UNKNOWN else None,
        table.leaves(on, known_at, [account.pk]).get(account.pk, ""),
    )


def _spells(by_day: dict[date, Posting], on: date) -> Iterator[tuple[date, date]]:
    """When an account served, up to a day: first day, day after the last."""
    days = sorted(by_day)
    for since, end in zip(days, [*days[1:], on + timedelta(days=1)], strict=True):
        if by_day[since].status == Status.ACTIVE:
            yield since, end


def grade_of(agency: int, on: date, known_at: datetime | None = None) -> str:
    """The 責任等級 of an agency on a day; empty while 未核定."""

    def read() -> str:
        grading = AgencyGrade.objects.on(on, known_at).filter(agency=agency).first()
        return grading.grade if grading else ""

    return read() if known_at else _grades.get((agency, on), read)


def judged(
    account: Account, office: Office, credits: Iterable[Credit], in_force: InForce, on: date
) -> list[tuple[Line, Verdict]]:
    """Judge each duty of the person by all completed hours."""
    whose = arithmetic.Person(
        frozenset(members(office.identities)), office.grade, office.arrived_on, office.leave
    )
    verdicts = arithmetic.judge(whose, credits, in_force.duties, in_force.policy, on)
    note = table.note(office.arrived_on, office.leave, in_force.policy, on)
    return [(_line(account, office, verdict, note), verdict) for verdict in verdicts]


def _line(account: Account, office: Office, verdict: Verdict, note: str) -> Line:
    return Line(
        account=account.pk,
        agency=office.agency,
        department=office.department,
        identities=office.identities,
        grade=office.grade,
        arrived_on=office.arrived_on,
        category=categories_text(verdict.duty.categories),
        years=verdict.duty.years,
        window_start=verdict.window.start,
        window_end=verdict.window.end,
        required=verdict.required,
        done=verdict.done,
        missing=verdict.missing,
        light=verdict.light.value,
        note=note,
        rule=verdict.duty.rule,
    )
