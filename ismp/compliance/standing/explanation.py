"""Why a light is as it is: the arithmetic of each duty of a person, in words, record by record.

Says what `rules.arithmetic` found for a person's records; the figures are those of `table`.
"""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

from django.db.models import F, QuerySet, Value
from django.utils import timezone

from ismp.accounts import persons
from ismp.accounts.models import Account
from ismp.compliance.models import CATEGORY_SETS
from ismp.compliance.rules import arithmetic
from ismp.compliance.rules.arithmetic import Credit, Light, Reason, Verdict
from ismp.compliance.standing import one_person, table
from ismp.compliance.standing.table import InForce, Line
from ismp.courses import catalogue
from ismp.courses.models import Course
from ismp.hours.models import Record, in_hours
from ismp.hours.portal_import.layout import CATEGORIES
from ismp.imports.models import Source
from ismp.ui.text import roc_dates

_NAMED = 5
"""How many records the sentence names; all of them stand in the lists beside it."""
_COURSES = 3
_ELSEWHERE = "其他機關"
_COLUMNS = {
    **{name: name for name in ("title", "category", "ended_on", "hours", "agency_id", "line")},
    "agency": "agency__name",
    "run": "run_id",
    "source": "run__source",
}
"""What an `Item` takes from a record."""


@dataclass(frozen=True)
class Item:
    """One record, where it came from, and why it does not count (empty when it does)."""

    title: str
    category: str
    ended_on: date
    hours: int
    agency: str
    agency_id: int
    run: int
    source: str
    line: int
    why_not: str = ""

    @property
    def origin(self) -> str:
        """Where it came from, when that was no file."""
        return "" if self.source == Source.FILE else str(Source(self.source).label)

    def __str__(self) -> str:
        text = f"{roc_dates.roc_date(self.ended_on)}「{self.title}」{in_hours(self.hours)} 小時"
        text += f"（{Source.EXTERNAL.label}）" if self.source == Source.EXTERNAL else ""
        return f"{text}（{self.why_not}）" if self.why_not else text


@dataclass(frozen=True)
class Why:
    """One duty of a person: its figures, the sentence, the records, what would close the gap."""

    line: Line
    sentence: str
    counted: list[Item]
    not_counted: list[Item]
    citation: str
    account: Account
    on: date

    @cached_property
    def courses(self) -> list[Course]:
        """Courses offered now that give hours for this duty; none when no hours are missing.

        Asked for only where it is shown.
        """
        found: list[Course] = []
        for category in self.line.category.split("+") if self.line.missing else ():
            found += catalogue.open_for(category, self.on, self.account)[:_COURSES]
        return found[:_COURSES]


def of_person(
    account: Account,
    on: date | None = None,
    known_at: datetime | None = None,
    *,
    former_agency: int | None = None,
) -> list[Why]:
    """Explain each duty of the person by the postings of this account; none when not in office.

    Deleted records are named only in the present: what `known_at` asks for is what was live.
    For somebody of an agency that the person has left (`former_agency`) it tells only what counted
    on that day: nothing later, and no other agency by name.
    """
    on = on or timezone.localdate()
    office = one_person.in_office(account, on, known_at)
    if office is None:
        return []
    in_force = InForce.on(on, known_at)
    rows = _rows(account, in_force, on, known_at)
    if former_agency:
        rows = [_as_it_was(row, former_agency) for row in rows if _counted_then(row, on)]
    credits = [
        Credit(row["category"], row["ended_on"], row["hours"], row["key"], row["deleted"])
        for row in rows
    ]
    behind = {id(credit): row for credit, row in zip(credits, rows, strict=True)}
    judged = one_person.judged(account, office, credits, in_force, on)
    return [_why(line, verdict, behind, account, on) for line, verdict in judged]


def _rows(
    account: Account, in_force: InForce, on: date, known_at: datetime | None
) -> list[dict[str, Any]]:
    """The person's records of these years and the one before, under all accounts."""
    since = arithmetic.window(2, in_force.policy, on).start.year - 1
    accounts = persons.accounts_of(account, known_at)

    def asked(contents: Any, owner: str, event: str, *, deleted: bool) -> QuerySet[Any, Any]:
        found = contents.filter(**{f"{owner}__in": accounts}, ended_on__gte=date(since, 1, 1))
        rows: QuerySet[Any, Any] = found.values(
            *_COLUMNS.values(), key=F(event), deleted=Value(deleted)
        )
        return rows

    parts = [asked(*source, deleted=False) for source in table.contents(known_at)]
    if known_at is None:
        gone = Record.objects.order_by().exclude(deletion=None)
        parts.append(asked(gone, "account", "event_key", deleted=True))
    return list(parts[0].union(*parts[1:], all=True))


def _counted_then(row: dict[str, Any], on: date) -> bool:
    return row["ended_on"] <= on and not row["deleted"]


def _as_it_was(row: dict[str, Any], agency: int) -> dict[str, Any]:
    return row if row["agency_id"] == agency else row | {"agency__name": _ELSEWHERE}


def _why(
    line: Line, verdict: Verdict, rows: dict[int, dict[str, Any]], account: Account, on: date
) -> Why:
    counted = [_item(rows[id(credit)]) for credit in verdict.counted]
    not_counted = [
        _item(rows[id(credit)], _why_not(credit, reason, line))
        for credit, reason in verdict.not_counted
    ]
    return Why(
        line,
        _sentence(line, counted, not_counted),
        counted,
        sorted(not_counted, key=lambda item: item.ended_on),
        verdict.duty.citation,
        account,
        on,
    )


def _item(row: dict[str, Any], why_not: str = "") -> Item:
    category = CATEGORIES[row["category"]]
    values = {name: row[column] for name, column in _COLUMNS.items()} | {"category": category}
    return Item(**values, why_not=why_not)


def _why_not(credit: Credit, reason: Reason, line: Line) -> str:
    words = {
        Reason.DELETED: "這筆時數已刪除",
        Reason.CATEGORY: f"{CATEGORIES[credit.category]}不能抵{CATEGORY_SETS[line.category]}",
        Reason.BEFORE: f"在 {roc_dates.roc_date(line.window_start)} 之前",
        Reason.AFTER: "在基準日之後",
        Reason.SAME_EVENT: "與已採計的是同一個課程，只採計一次",
    }
    return words[reason]


def _sentence(line: Line, counted: list[Item], not_counted: list[Item]) -> str:
    """The arithmetic of one duty: window, what counts, what is missing, until when, what not."""
    span = f"{roc_dates.roc_date(line.window_start)} 至 {roc_dates.roc_date(line.window_end)}"
    parts = [
        f"{span} 應有{CATEGORY_SETS[line.category]} {in_hours(line.required)} 小時，"
        f"已採計 {in_hours(line.done)} 小時{_named(counted)}"
    ]
    if line.light == Light.EXEMPT:
        parts.append(f"{line.note}，這段期間免計。")
    elif not line.missing:
        parts.append("已達標。")
    else:
        parts.append(f"還差 {in_hours(line.missing)} 小時，{_until(line)}。")
    if not_counted and line.missing:
        parts.append(f"另有 {len(not_counted)} 筆不採計{_named(not_counted)}。")
    return "，".join(parts[:2]) + "".join(parts[2:])


def _until(line: Line) -> str:
    if line.window_end < timezone.localdate():
        return "期間已經結束"
    note = f"（{line.note}）" if line.light == Light.AMBER else ""
    return f"請在 {roc_dates.roc_date(line.window_end)} 前完成{note}"


def _named(items: list[Item]) -> str:
    if not items:
        return ""
    more = f"等 {len(items)} 筆" if len(items) > _NAMED else ""
    return f"（{'；'.join(map(str, items[:_NAMED]))}{more}）"
