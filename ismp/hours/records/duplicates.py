"""可能重複: hours that were credited here (our own course, or a certificate), and that the portal's
file brings too.

The same event is the same record and needs nothing of this.  What only looks the same (person,
category, title, about the same day) counts once until somebody decides: the credited record is
set aside while the imported one stands.  `settle` makes that true after every action, in its
transaction, and sees one agency at a time; `actions.duplicates.decide` is what somebody says.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import chain
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from ismp.accounts.models import Agency
from ismp.hours.models import Decision, Duplicate, Record
from ismp.hours.records.soft_delete import revive, soft_delete
from ismp.imports.models import CREDITED, ImportRun, Source
from ismp.ui.text.search_folding import fold

_DAYS = timedelta(days=31)
"""The portal may tell the day on which an upload was checked instead of the last of the course."""
_BATCH = 500


def settle(
    agency: Agency, first: date | None, last: date | None, at: datetime | None = None
) -> list[int]:
    """Find what looks the same among records that ended in a range, and let each count once.

    Whoever changed which records of the agency are live calls this under the agency's lock, and
    passes `at`, the moment from which its own change counts.  Returns the ids of those suspended.
    """
    at, pairs = at or timezone.now(), Duplicate.objects.filter(agency=agency)
    if pairs.exists():
        _bring_back(agency, at)
    if first and last:
        Duplicate.objects.bulk_create(
            _found(agency, first - _DAYS, last + _DAYS), batch_size=_BATCH, ignore_conflicts=True
        )
    return _set_aside(agency, at) if pairs.exists() else []


def _found(agency: Agency, first: date, last: date) -> Iterator[Duplicate]:
    """Credited records beside imported ones; most agencies have few."""
    since = timezone.make_aware(datetime.combine(first, time.min))
    runs = ImportRun.objects.filter(agency=agency, source__in=CREDITED, finished_at__gte=since)
    ended = Record.objects.filter(agency=agency, ended_on__range=(first, last))
    live = ended.live()
    # What is set aside for one file's record may look like another's, for when that one goes.
    counted = live | ended.filter(deletion__duplicates=True)
    keys = list(runs.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(keys), _BATCH):
        credited = list(counted.filter(run__in=keys[start : start + _BATCH]))
        people = {record.account_id for record in credited}
        imported = defaultdict(list)
        for record in live.filter(account__in=people, run__source=Source.FILE):
            imported[_likeness(record)].append(record)
        for credit in credited:
            for theirs in chain.from_iterable(imported[one] for one in _likenesses(credit)):
                if is_near(credit.ended_on, theirs.ended_on):
                    yield Duplicate(agency=agency, credited=credit, imported=theirs)


def _likeness(record: Record) -> tuple[Any, ...]:
    return record.account_id, record.category, fold(record.title)


def _likenesses(record: Record) -> set[tuple[Any, ...]]:
    """Also as the portal may tell of what was uploaded: a character that its files cannot write
    (CP950) comes back as a question mark."""
    *others, title = _likeness(record)
    returned = record.title.encode("cp950", "replace").decode("cp950")
    return {(*others, title), (*others, fold(returned))}


def is_near(one: date, other: date) -> bool:
    """Whether two days on which something ended may be the same event's."""
    return abs(one - other) <= _DAYS


def _in_question(agency: Agency) -> QuerySet[Duplicate]:
    """The pairs that count once, and whose imported record stands."""
    pairs = Duplicate.objects.filter(agency=agency).exclude(decision=Decision.BOTH)
    return pairs.filter(imported__deletion=None)


def _bring_back(agency: Agency, at: datetime) -> None:
    aside = Record.objects.filter(agency=agency, deletion__duplicates=True)
    aside = aside.exclude(pk__in=_in_question(agency).values("credited"))
    revive(aside, at)


def _set_aside(agency: Agency, at: datetime) -> list[int]:
    ours = Record.objects.live().filter(agency=agency, run__source__in=CREDITED)
    keys = list(
        ours.filter(pk__in=_in_question(agency).values("credited")).values_list("pk", flat=True)
    )
    if keys:
        going = Record.objects.filter(pk__in=keys)
        soft_delete(going, agency=agency, reason="可能重複", by=None, at=at)
    return keys
