"""The records that a search finds, newest first: counted exactly, and read at any place at once.

Totals (`records.totals`) say how many there are in each month, and on which day and in which agency
a page begins; only there are records read.  So a page costs the same wherever it lies
(docs/adr/0006). Knows neither addresses nor how a record is shown.
"""

import calendar
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from functools import cached_property, reduce
from itertools import chain
from operator import or_
from typing import Any, NamedTuple, TypeVar

from django.db.models import Count, Q, Sum

from ismp.accounts.models import Account, Agency, Posting
from ismp.hours.models import (
    DAYS_OF_A_MONTH,
    SEARCH_FIELDS,
    MonthlyCount,
    PersonYear,
    Record,
    RecordQuerySet,
    SearchText,
)
from ismp.ui.resources.search import containing

Period = tuple[date | None, date | None]
_FEW = 200
"""Of so few people all records are counted in less time than their years are looked up."""
_MANY = 2_000
"""So many people are asked for by their keyword again: a list of them is no shorter way."""


class Keyword(NamedTuple):
    """Text that a `field` (of SEARCH_FIELDS) must contain; an empty one matches everything."""

    field: str
    text: str


class PeriodCount(NamedTuple):
    """From one day to another, and how many records are found in it."""

    first: date
    last: date
    found: int


class DayCount(NamedTuple):
    """A day and an agency, and how many of its records of that day are found."""

    day: date
    agency: int
    found: int


_SEEN = {"id", "username", "name", "agency"}
_UNSEEN = [f"account__{f.name}" for f in Account._meta.concrete_fields if f.name not in _SEEN]
"""Of fifty accounts no list needs the password and the encrypted number."""


class RecordPages:
    """Counted and sliced by a Paginator as a list would be; `batches` reads all of it."""

    def __init__(
        self,
        period: Period,
        keyword: Keyword | None = None,
        *,
        agency: Agency | None,
        user: Account,
        using: str,
    ) -> None:
        def counted(model: Any) -> Any:
            return model.objects.using(using).visible_to(user).of_agency(agency)

        field, text = keyword or ("", "")
        self._first, self._last = period[0] or date.min, period[1] or date.max
        self._records: RecordQuerySet = counted(Record).live().of_people(field, text)
        self._sums: _Months | _People
        if not text:
            self._sums = _AllMonths(counted(MonthlyCount).filter(wording=MonthlyCount.EVERY_RECORD))
        elif SEARCH_FIELDS[field] == field:
            wordings = counted(SearchText).filter(containing("text", text), field=field)
            self._sums = _Months(
                counted(MonthlyCount).filter(wording__in=wordings.values("wording"))
            )
        else:
            people: Any = Account.objects.using(using).filter(containing(field, text))
            if agency:
                there = Posting.objects.filter(agency__in=agency.with_merged())
                served = there.order_by().values("account")
                ours = Account.objects.filter(agency=agency).order_by().values("pk")
                people = people.filter(pk__in=served.union(ours))
            people = people.order_by().values_list("pk", flat=True)
            found = list(people[:_MANY])
            among = Q(account__in=found if len(found) < _MANY else people)
            records, years = counted(Record).live().filter(among), counted(PersonYear).filter(among)
            self._sums = _People(years, records, few=len(found) <= _FEW)
            if len(found) < _MANY:
                self._records = records

    def count(self) -> int:
        return sum(span.found for span in self._spans)

    def __getitem__(self, part: slice) -> list[Record]:
        wanted = part.stop - part.start
        spans, skipped = _covering(self._spans, part.start, wanted)
        shelves, skipped = _covering(self._shelves_of(spans), skipped, wanted)
        rows = self._on(shelves).newest_first().select_related("account", "agency")
        return list(rows.defer(*_UNSEEN)[skipped : skipped + wanted])

    def batches(self, size: int) -> Iterator[RecordQuerySet]:
        """All of it in order, in questions that find about `size` records each."""
        batch: list[DayCount] = []
        found = 0
        for shelf in chain.from_iterable(self._shelves_of([span]) for span in self._spans):
            if found >= size:
                yield self._on(batch).newest_first()
                batch, found = [], 0
            batch.append(shelf)
            found += shelf.found
        if batch:
            yield self._on(batch).newest_first()

    @cached_property
    def _spans(self) -> list[PeriodCount]:
        """Those in the search's period, newest first."""
        return [span for span in self._sums.spans(self._first, self._last) if span.found]

    def _shelves_of(self, spans: list[PeriodCount]) -> list[DayCount]:
        """Of spans that follow one another."""
        return self._sums.shelves(spans[-1].first, spans[0].last) if spans else []

    def _on(self, shelves: list[DayCount]) -> RecordQuerySet:
        """The records on these shelves, asked for by the unique key of records."""
        agencies: dict[date, list[int]] = defaultdict(list)
        for shelf in shelves:
            agencies[shelf.day].append(shelf.agency)
        days: dict[tuple[int, ...], list[date]] = defaultdict(list)
        for day, some in agencies.items():
            days[tuple(some)].append(day)
        wheres = (Q(agency__in=some, ended_on__in=on) for some, on in days.items())
        return self._records.filter(reduce(or_, wheres)) if shelves else self._records.none()


class _Months:
    """The sums of records with certain texts: no record is read to count them."""

    def __init__(self, months: Any) -> None:
        self._months = months

    def spans(self, first: date, last: date) -> Iterator[PeriodCount]:
        sums = self._within(first, last).values_list("month").annotate(found=Sum("live"))
        for month, found in sums.order_by("-month"):
            end = month.replace(day=calendar.monthrange(month.year, month.month)[1])
            if first <= month and end <= last:
                yield PeriodCount(month, end, found)
            else:
                begin, end = max(first, month), min(last, end)
                yield PeriodCount(
                    begin, end, sum(shelf.found for shelf in self.shelves(begin, end))
                )

    def shelves(self, first: date, last: date) -> list[DayCount]:
        """Newest first."""
        shelves = (
            DayCount(month.replace(day=day), agency, found)
            for month, agency, *days in self._days(self._within(first, last))
            for day, found in enumerate(days, start=1)
            if found
        )
        return sorted((s for s in shelves if first <= s.day <= last), reverse=True)

    def _days(self, months: Any) -> Any:
        """Of each month and agency, what each of its 31 days has."""
        sums = {f"sum_of_{day}": Sum(day) for day in DAYS_OF_A_MONTH}
        return months.values_list("month", "agency_id").annotate(**sums).order_by()

    def _within(self, first: date, last: date) -> Any:
        return self._months.filter(month__range=(first.replace(day=1), last))


class _AllMonths(_Months):
    """The sums of all records: a month of an agency is one row, so that nothing is added up."""

    def _days(self, months: Any) -> Any:
        return months.values_list("month", "agency_id", *DAYS_OF_A_MONTH).order_by()


class _People:
    """The sums of certain people: of whole years, and of days by their index of records."""

    def __init__(self, years: Any, records: Any, *, few: bool) -> None:
        self._years, self._records, self._few = years, records, few
        self._counted: dict[tuple[date, date], list[DayCount]] = {}

    def spans(self, first: date, last: date) -> Iterator[PeriodCount]:
        if self._few or first.year == last.year:
            yield self._span(first, last)
            return
        years = self._years.filter(year__range=(first.year, last.year))
        for year, found in years.values_list("year").annotate(found=Sum("live")).order_by("-year"):
            begin, end = date(year, 1, 1), date(year, 12, 31)
            if first <= begin and end <= last:
                yield PeriodCount(begin, end, found)
            else:
                yield self._span(max(first, begin), min(last, end))

    def _span(self, first: date, last: date) -> PeriodCount:
        return PeriodCount(first, last, sum(shelf.found for shelf in self.shelves(first, last)))

    def shelves(self, first: date, last: date) -> list[DayCount]:
        """Newest first."""
        if (first, last) not in self._counted:
            days = self._records.ended_in(first, last).values_list("ended_on", "agency_id")
            counted = days.annotate(found=Count("*")).order_by("-ended_on", "-agency_id")
            self._counted[first, last] = [DayCount(*one) for one in counted]
        return self._counted[first, last]


Counted = TypeVar("Counted", PeriodCount, DayCount)


def _covering(counted: list[Counted], skipped: int, wanted: int) -> tuple[list[Counted], int]:
    """Those that `wanted` records after `skipped` ones lie in, and how many of the first of these
    are still to be skipped."""
    reached: list[Counted] = []
    reach = 0
    for one in counted:
        if not reached and one.found <= skipped:
            skipped -= one.found
        elif reach < skipped + wanted:
            reached.append(one)
            reach += one.found
    return reached, skipped
