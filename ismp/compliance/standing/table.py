"""達標狀況: what people must have done on a day, what they have done, and what is missing.

Sums come from the database over whole sets of people, the duties from `rules`; nothing is stored.
Hours follow the person: accounts that are confirmed to be one person's count together (ADR 23),
records of any agency count, and an event that several of them brought counts once (ADR 10).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Self

import polars as pl
from django.db.models import Case, Exists, F, Max, Min, OuterRef, Q, QuerySet, Sum, When
from django.utils import timezone

from ismp.accounts import persons
from ismp.accounts.effective_dated import known
from ismp.accounts.identities import members
from ismp.accounts.models import AgencyGrade, Leave, Posting, Status
from ismp.audit.event_cache import EventCache
from ismp.audit.verbs import Topic, rewrites
from ismp.compliance.models import PolicyVersion, RuleVersion, categories_text, duty_title
from ismp.compliance.rules import arithmetic
from ismp.compliance.rules.arithmetic import Duty, Light, Policy
from ismp.hours.models import PersonYear, Record, RecordRevision
from ismp.ui.text import roc_dates

EVERYBODY = Q()
WORDS = {"red": "未達標", "amber": "寬限中", "green": "已達標", "exempt": "免列管"}
"""Each light in a word; a colour never stands alone."""
_FEW = 1_000
"""Up to so many accounts are asked for by number, and their records read one by one."""


@dataclass(frozen=True)
class InForce:
    """The duties and the policy by which people are judged on a day."""

    duties: tuple[Duty, ...]
    policy: Policy

    @classmethod
    def on(cls, day: date, known_at: datetime | None = None) -> Self:
        """By what is known now it is kept in memory until the rules or the policy change."""
        if known_at is None:
            kept: Self = _in_force.get(day, lambda: cls.read(day, None))
            return kept
        return cls.read(day, known_at)

    @classmethod
    def read(cls, day: date, known_at: datetime | None = None) -> Self:
        """Never from memory: in a transaction too it says what was written there."""
        duties = RuleVersion.objects.on(day, known_at).duties()
        return cls(tuple(duties), PolicyVersion.objects.on(day, known_at).policy())


_in_force = EventCache[Any](
    concerns=lambda event, in_force: rewrites(event.verb, Topic.RULES),
    most=1_000,
)


@dataclass(frozen=True)
class Line:
    """One duty of one person; a row of `table`.  Hours are thousandths."""

    account: int
    agency: int
    department: int | None
    identities: str
    grade: str
    arrived_on: date | None
    category: str
    years: int
    window_start: date
    window_end: date
    required: int
    done: int
    missing: int
    light: str
    note: str
    rule: int

    @property
    def title(self) -> str:
        return duty_title(self.category, self.years)

    @property
    def word(self) -> str:
        return WORDS[self.light]


_PEOPLE = {
    "account": pl.Int64,
    "agency": pl.Int64,
    "department": pl.Int64,
    "identities": pl.String,
    "since": pl.Date,
}
_OWED = {
    "identities": pl.String,
    "grade": pl.String,
    "category": pl.String,
    "years": pl.Int64,
    "window_start": pl.Date,
    "window_end": pl.Date,
    "required": pl.Int64,
    "rule": pl.Int64,
}
_COVERED = {"category": pl.String, "of_category": pl.Int64}
_EVENTS = {
    "account": pl.Int64,
    "agency": pl.Int64,
    "of_category": pl.Int64,
    "ended_on": pl.Date,
    "event": pl.String,
    "hours": pl.Int64,
}
_SUMS = {
    "account": pl.Int64,
    "of_category": pl.Int64,
    "this_year": pl.Int64,
    "two_years": pl.Int64,
    "first_agency": pl.Int64,
    "last_agency": pl.Int64,
}


def table(
    whom: Q = EVERYBODY,
    *,
    on: date | None = None,
    known_at: datetime | None = None,
    in_force: InForce | None = None,
) -> pl.DataFrame:
    """One row per person in office on that day × duty; its columns are the fields of `Line`.

    `whom` is a condition on `Posting`: `Q(agency=…)`, `Q(department=…)`, `Q(account__in=…)`.
    With `known_at`, by what was known at that moment: records, service, grades, leave and rules.
    """
    on = on or timezone.localdate()
    in_force = in_force or InForce.on(on, known_at)
    people = people_of(whom, on, known_at)
    return judged(people, done_by(people, in_force.policy, on, known_at), in_force, on)


def behind(lines: pl.DataFrame) -> pl.Series:
    """The accounts with at least one duty not done (red, or amber while a newcomer has time)."""
    return lines.filter(pl.col("light").is_in([Light.RED, Light.AMBER]))["account"].unique().sort()


def people_of(whom: Q, on: date, known_at: datetime | None = None) -> pl.DataFrame:
    """Who is in office on that day: account, person, agency, department, identities, grade,
    arrived_on and leave (why, or null).

    `person` is the lowest number of the accounts that are confirmed to be one person's.
    """
    serving = Posting.objects.on(on, known_at).filter(whom, status=Status.ACTIVE)
    people = _frame(
        serving.values_list("account", "agency", "department", "identities", "since"), _PEOPLE
    )
    grade_entries = AgencyGrade.objects.on(on, known_at).values_list("agency", "grade")
    grades = _frame(grade_entries, {"agency": pl.Int64, "grade": pl.String})
    few = people["account"].to_list() if _one_by_one(people) else None
    people = people.join(grades, on="agency", how="left")
    people = people.join(_several(few, known_at), on="account", how="left")
    people = people.with_columns(pl.col("person").fill_null(pl.col("account")))
    people = people.join(_arrivals(people, few, on, known_at), on="account", how="left")
    people = people.join(
        _frame(leaves(on, known_at, few).items(), {"account": pl.Int64, "leave": pl.String}),
        on="account",
        how="left",
    )
    return people.with_columns(pl.col("grade").fill_null(""))


def judged(people: pl.DataFrame, done: pl.DataFrame, in_force: InForce, on: date) -> pl.DataFrame:
    """The lines of these people, given what each person has done (`summed`)."""
    owed, covered = _owed(people, in_force, on)
    lines = people.join(owed, on=["identities", "grade"])
    key = ["account", "category", "years"]
    hours = pl.when(pl.col("years") == 1).then("this_year").otherwise("two_years")
    sums = (
        lines.select(*key, "person")
        .join(covered, on="category")
        .join(done, on=["person", "of_category"])
        .group_by(key)
        .agg(hours.sum().alias("done"))
    )
    lines = lines.join(sums, on=key, how="left").with_columns(pl.col("done").fill_null(0))
    waited_for = pl.col("arrived_on") + pl.duration(days=in_force.policy.grace_days - 1) >= on
    open_hours = pl.max_horizontal(pl.col("required") - pl.col("done"), 0)
    lines = lines.with_columns(
        missing=pl.when(pl.col("leave").is_null()).then(open_hours).otherwise(0),
        light=pl.when(pl.col("leave").is_not_null())
        .then(pl.lit(Light.EXEMPT.value))
        .when(open_hours == 0)
        .then(pl.lit(Light.GREEN.value))
        .when(waited_for)
        .then(pl.lit(Light.AMBER.value))
        .otherwise(pl.lit(Light.RED.value)),
    )
    notes = _notes(people, in_force.policy, on)
    lines = lines.join(notes, on=["arrived_on", "leave"], how="left", nulls_equal=True)
    return lines.select(*Line.__annotations__).sort("account", "category", "years")


def summed(events: pl.DataFrame, on: date) -> pl.DataFrame:
    """Hours by person and category, this year's and those of the whole time that was asked for.

    Of an event that several agencies or accounts of a person brought, the most hours count.
    """
    once = events.group_by("person", "event").agg(
        pl.col("of_category", "ended_on").first(), pl.col("hours").max()
    )
    late = pl.col("ended_on") >= date(on.year, 1, 1)
    return once.group_by("person", "of_category").agg(
        this_year=pl.col("hours").filter(late).sum(), two_years=pl.col("hours").sum()
    )


def events_of(
    accounts: Iterable[int], first: date, last: date, known_at: datetime | None = None
) -> pl.DataFrame:
    """The records of these accounts that ended in that time and were live: account, agency,
    of_category, ended_on, event, hours."""
    numbers, parts = list(accounts), [pl.DataFrame(schema=_EVENTS)]
    for start in range(0, len(numbers), _FEW):
        some = numbers[start : start + _FEW]
        for source, owner, event in contents(known_at):
            asked = source.filter(**{f"{owner}__in": some}, ended_on__range=(first, last))
            columns = (owner, "agency_id", "category", "ended_on", event, "hours")
            rows = [(*row[:4], row[4].hex, row[5]) for row in asked.values_list(*columns)]
            parts.append(pl.DataFrame(rows, _EVENTS, orient="row"))
    return pl.concat(parts)


def contents(known_at: datetime | None = None) -> list[tuple[QuerySet[Any, Any], str, str]]:
    """Live rows as query sets, with the names of their account and of their event's key."""
    records: Any = Record.objects
    if known_at is None:
        return [(records.live().order_by(), "account", "event_key")]
    former: Any = RecordRevision.objects
    return [
        (records.unchanged_since(known_at).order_by(), "account", "event_key"),
        (former.known_at(known_at).order_by(), "record__account", "record__event_key"),
    ]


def done_by(
    people: pl.DataFrame, policy: Policy, on: date, known_at: datetime | None = None
) -> pl.DataFrame:
    """`summed` for these people: from their records when they are few, else from sums by account,
    reading records only of those whose events may have come from several sides."""
    first = arithmetic.window(2, policy, on).start
    accounts = accounts_of(people, known_at)
    if _one_by_one(accounts):
        return _summed_events(accounts, first, on, known_at)
    sums = accounts.join(_sums(first, on, known_at), on="account")
    sides = sums.group_by("person").agg(
        several=(pl.col("account").n_unique() > 1)
        | (pl.col("first_agency").min() != pl.col("last_agency").max())
    )
    several = sides.filter("several").select("person")
    single = sums.join(several, on="person", how="anti")
    single = single.group_by("person", "of_category").agg(pl.col("this_year", "two_years").sum())
    mixed = accounts.join(several, on="person", how="semi")
    return pl.concat([single, _summed_events(mixed, first, on, known_at)])


def _one_by_one(accounts: pl.DataFrame) -> bool:
    return len(accounts) <= _FEW


def _summed_events(
    accounts: pl.DataFrame, first: date, on: date, known_at: datetime | None
) -> pl.DataFrame:
    events = events_of(accounts["account"], first, on, known_at)
    return summed(events.join(accounts, on="account"), on)


def accounts_of(people: pl.DataFrame, known_at: datetime | None = None) -> pl.DataFrame:
    """Every account of these persons, in office or not: account, person."""
    own = people.select("account", "person")
    few = own["account"].to_list() if _one_by_one(own) else None
    others = _several(few, known_at).join(own, on="person", how="semi")
    return pl.concat([own, others]).unique()


def _sums(first: date, on: date, known_at: datetime | None) -> pl.DataFrame:
    """Hours by account and category, with the first and the last agency they were brought by."""
    years = (first.year, on.year)
    whole_years = on >= timezone.localdate() or (on.month, on.day) == (12, 31)
    if known_at is None and whole_years:
        totals = PersonYear.objects.filter(live__gt=0, year__range=years)
        return _frame(_by_account(totals, "account", Q(year=on.year)), _SUMS)
    this_year = Q(ended_on__gte=date(on.year, 1, 1))
    parts = [
        _frame(_by_account(source.filter(ended_on__range=(first, on)), owner, this_year), _SUMS)
        for source, owner, _ in contents(known_at)
    ]
    return (
        pl.concat(parts)
        .group_by("account", "of_category")
        .agg(
            pl.col("this_year", "two_years").sum(),
            pl.col("first_agency").min(),
            pl.col("last_agency").max(),
        )
    )


def _by_account(source: QuerySet[Any, Any], owner: str, this_year: Q) -> QuerySet[Any, Any]:
    rows: QuerySet[Any, Any] = source.values_list(owner, "category").annotate(
        this_year=Sum(Case(When(this_year, then=F("hours")), default=0)),
        two_years=Sum("hours"),
        first_agency=Min("agency_id"),
        last_agency=Max("agency_id"),
    )
    return rows


def _owed(people: pl.DataFrame, in_force: InForce, on: date) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Duties of each set of identities in agencies of each grade, and the categories of hours
    that that each duty accepts."""
    owed: list[tuple[Any, ...]] = []
    covered: set[tuple[str, int]] = set()
    for identities, grade in people.select("identities", "grade").unique().iter_rows():
        whose = members(identities)
        for duty in arithmetic.owed(whose, grade, in_force.duties, in_force.policy, on):
            window = arithmetic.window(duty.years, in_force.policy, on)
            category = categories_text(duty.categories)
            covered.update((category, one) for one in duty.categories)
            asks = (category, duty.years, window.start, window.end, duty.hours, duty.rule)
            owed.append((identities, grade, *asks))
    return (
        pl.DataFrame(owed, _OWED, orient="row"),
        pl.DataFrame(sorted(covered), _COVERED, orient="row"),
    )


def _arrivals(
    people: pl.DataFrame, few: list[int] | None, on: date, known_at: datetime | None
) -> pl.DataFrame:
    """到職日, where it is known: from when on a person has served without a break, at whatever
    agencies and accounts of the person (`rules.arrival`): account, arrived_on."""
    known = people.filter(pl.col("since") > Posting.UNKNOWN).select("account", "person")
    if known.is_empty():
        return pl.DataFrame(schema={"account": pl.Int64, "arrived_on": pl.Date})
    others = _several(few, known_at).join(known.select("person").unique(), on="person")
    accounts = pl.concat([known, others.select("account", "person")]).unique()
    kinds = {"account": pl.Int64, "since": pl.Date, "status": pl.String}
    rows = [
        row
        for entries in _entries_of(accounts, others, on, known_at)
        for row in entries.order_by("account", "since", "pk").values_list(*kinds)
    ]
    spells = (
        _frame(rows, kinds)
        .unique(["account", "since"], keep="last", maintain_order=True)
        .sort("account", "since")
        .with_columns(end=pl.col("since").shift(-1).over("account").fill_null(on + timedelta(1)))
        .filter(status=Status.ACTIVE.value)
        .join(accounts, on="account")
        .sort("person", "since")
    )
    reached = pl.col("end").to_physical().cum_max().shift(1).over("person")
    begins = reached.is_null() | (pl.col("since").to_physical() > reached)
    arrived = (
        spells.with_columns(begins=begins)
        .filter("begins")
        .group_by("person")
        .agg(arrived_on=pl.col("since").max())
    )
    return (
        known.join(arrived, on="person")
        .select("account", "arrived_on")
        .filter(pl.col("arrived_on") > Posting.UNKNOWN)
    )


def _entries_of(
    accounts: pl.DataFrame, others: pl.DataFrame, on: date, known_at: datetime | None
) -> Iterable[Any]:
    """Query sets of the entries of these accounts, and of others.  Who has an entry with a day is
    asked for at once; the other accounts of a person may have none, and are asked for by number."""
    entries = Posting.objects.filter(known(known_at), since__lte=on)
    if _one_by_one(accounts):
        yield entries.filter(account__in=accounts["account"].to_list())
        return
    since_known = entries.filter(account=OuterRef("account"), since__gt=Posting.UNKNOWN)
    yield entries.filter(Exists(since_known))
    numbers = others["account"].to_list()
    for start in range(0, len(numbers), _FEW):
        yield entries.filter(account__in=numbers[start : start + _FEW])


def leaves(
    on: date, known_at: datetime | None = None, accounts: list[int] | None = None
) -> dict[int, str]:
    """Why those are exempt who are on leave on that day, by account; of several, the newest."""
    begun = Leave.objects.filter(since__lte=on).order_by("since", "pk")
    if accounts is not None:
        begun = begun.filter(account__in=accounts)
    return {
        leave.account_id: f"留職停薪（{leave.reason}，{roc_dates.roc_date(leave.since)} 起）"
        for leave in begun
        if leave.holds(on, known_at)
    }


def _several(few: list[int] | None, known_at: datetime | None) -> pl.DataFrame:
    """Return the accounts that are one person's with others: account, person."""
    schema = {"account": pl.Int64, "person": pl.Int64}
    return _frame(persons.several(known_at, few).items(), schema)


def _notes(people: pl.DataFrame, policy: Policy, on: date) -> pl.DataFrame:
    """Text beside a light: the reason of an exemption, or the day of arrival."""
    cases = people.select("arrived_on", "leave").unique()
    notes = [note(arrived_on, leave, policy, on) for arrived_on, leave in cases.iter_rows()]
    return cases.with_columns(pl.Series("note", notes, pl.String))


def note(arrived_on: date | None, leave: str | None, policy: Policy, on: date) -> str:
    """Reason of an exemption, or the day of arrival."""
    if leave:
        return leave
    if arrived_on is None or arrived_on.year < on.year:
        return ""
    came = f"{roc_dates.roc_date(arrived_on)} 到職"
    if arithmetic.in_grace(arrived_on, policy, on):
        return f"{came}，寬限到 {roc_dates.roc_date(arithmetic.grace_until(arrived_on, policy))}"
    return came


def _frame(rows: Iterable[Any], schema: Any) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema, orient="row")
