"""The records that a search finds, newest first: counted exactly, and read at any place at once.

Sums (`tallies`) say how many there are in each span of time; the days of the spans that a page
touches say on which day, and in which agency, it begins; only there are records read.  So a page
costs the same wherever it lies (docs/adr/0006).  Knows neither addresses nor how a record is shown.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cached_property, reduce
from itertools import chain
from operator import or_
from typing import Any, NamedTuple, TypeVar

from django.db.models import Count, Q, QuerySet, Sum

from ismp.accounts.models import Account, Agency
from ismp.hours.models import (
    SEARCH_FIELDS,
    DayTally,
    MonthTally,
    PersonYear,
    Record,
    RecordQuerySet,
    Wording,
)


class Keyword(NamedTuple):
    """What a `field` (of SEARCH_FIELDS) must contain; an empty text asks for nothing."""

    field: str
    text: str


class Span(NamedTuple):
    """A month or a year, or what the search leaves of it, and how many records are found in it."""

    first: date
    last: date
    found: int


class Shelf(NamedTuple):
    """A day and an agency, and how many of its records of that day are found."""

    day: date
    agency: int
    found: int


class Newest:
    """Counted and sliced by a Paginator as a list would be; `batches` reads all of it."""

    def __init__(
        self,
        period: tuple[date | None, date | None],
        keyword: Keyword | None = None,
        *,
        agency: Agency | None,
        user: Account,
        using: str,
    ) -> None:
        def mine(model: Any) -> Any:
            return model.objects.using(using).visible_to(user).of_agency(agency)

        field, text = keyword or ("", "")
        self._start, self._end = period[0] or date.min, period[1] or date.max
        self._records: RecordQuerySet = mine(Record).live().of_people(field, text)
        self._days: QuerySet[DayTally] | None = None
        if not text:
            self._days = mine(DayTally).filter(live__gt=0)
            self._sums = mine(MonthTally).filter(wording=MonthTally.EVERY_RECORD)
        elif SEARCH_FIELDS[field] == field:
            wordings = mine(Wording).filter(field=field, text__icontains=text)
            self._sums = mine(MonthTally).filter(wording__in=wordings.values("wording"))
        else:
            self._sums = mine(PersonYear).of_people(field, text)

    def count(self) -> int:
        return sum(span.found for span in self._spans)

    def __getitem__(self, part: slice) -> list[Record]:
        wanted = part.stop - part.start
        spans, skipped = _reaching(self._spans, part.start, wanted)
        shelves, skipped = _reaching(self._shelves(spans), skipped, wanted)
        rows = self._on(shelves).newest_first().select_related("account", "agency")
        return list(rows[skipped : skipped + wanted])

    def batches(self, size: int) -> Iterator[RecordQuerySet]:
        """All of it in order, in questions that find about `size` records each."""
        batch: list[Shelf] = []
        found = 0
        for shelf in chain.from_iterable(self._shelves([span]) for span in self._spans):
            if found >= size:
                yield self._on(batch).newest_first()
                batch, found = [], 0
            batch.append(shelf)
            found += shelf.found
        if batch:
            yield self._on(batch).newest_first()

    @cached_property
    def _spans(self) -> list[Span]:
        """Those in the search's period, newest first; one that its ends cut is counted by days."""
        return [span for whole in self._whole_spans() if (span := self._cut(whole)).found]

    def _whole_spans(self) -> Iterator[Span]:
        unit = "year" if self._sums.model is PersonYear else "month"
        sums = self._sums.values_list(unit).annotate(found=Sum("live")).order_by(f"-{unit}")
        for begin, live in sums:
            first = date(begin, 1, 1) if unit == "year" else begin
            yield Span(first, _last_day(unit, first), live)

    def _cut(self, span: Span) -> Span:
        first, last = max(span.first, self._start), min(span.last, self._end)
        if (first, last) == (span.first, span.last):
            return span
        left = Span(first, last, 0)
        return left._replace(found=sum(shelf.found for shelf in self._shelves([left])))

    def _shelves(self, spans: list[Span]) -> list[Shelf]:
        """Of these spans, which follow one another; newest first."""
        if not spans or spans[-1].first > spans[0].last:
            return []
        days: QuerySet[Any] = self._records if self._days is None else self._days
        days = days.filter(ended_on__range=(spans[-1].first, spans[0].last))
        counted = days.values_list("ended_on", "agency_id").annotate(
            found=Count("*") if self._days is None else Sum("live")
        )
        return [Shelf(*one) for one in counted.order_by("-ended_on", "-agency_id")]

    def _on(self, shelves: list[Shelf]) -> RecordQuerySet:
        """The records on these shelves, asked for by the key of their index."""
        agencies: dict[date, list[int]] = defaultdict(list)
        for shelf in shelves:
            agencies[shelf.day].append(shelf.agency)
        days: dict[tuple[int, ...], list[date]] = defaultdict(list)
        for day, found in agencies.items():
            days[tuple(found)].append(day)
        wheres = (Q(agency__in=found, ended_on__in=some) for found, some in days.items())
        return self._records.filter(reduce(or_, wheres, Q())) if shelves else self._records.none()


def _last_day(unit: str, first: date) -> date:
    following = first.year + (unit == "year" or first.month == 12)
    month = 1 if unit == "year" else first.month % 12 + 1
    return date(following, month, 1) - timedelta(days=1)


Counted = TypeVar("Counted", Span, Shelf)


def _reaching(counted: list[Counted], skipped: int, wanted: int) -> tuple[list[Counted], int]:
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
