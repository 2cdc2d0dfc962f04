"""Hours that are credited here (our own courses, certificates), written as the portal's file would
tell them.

They take the same way as the rows of a file (clean → keys → store), so that the same event from
either side is one record.  Knows no course: who completed what is told by the caller.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import polars as pl
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Account, Agency
from ismp.audit import trail
from ismp.hours import verbs
from ismp.hours.models import Deletion, Record, RecordRevision, Withdrawal, in_hours
from ismp.hours.portal_import import cleaning, matching
from ismp.hours.portal_import import importing as portal_importing
from ismp.hours.portal_import.layout import NAMES
from ismp.hours.portal_import.result import ResultOfHours
from ismp.hours.records import totals, undoing
from ismp.imports.models import CREDITED, ImportRun, Source, State
from ismp.ui.text import roc_dates

_HOURS_UNIT = "1"
_DIGITAL, _CLASSROOM = "1", "2"


@dataclass(frozen=True)
class Credit:
    """One person's completion of one training; hours in thousandths."""

    account: Account
    category: int
    organizer_code: str
    organizer_name: str
    title: str
    term: str
    started_on: date
    ended_on: date
    digital_hours: int = 0
    classroom_hours: int = 0
    score: str = ""
    agency_id: int | None = None
    """Whose record it is, where that is not the agency in which the person serves now: a record
    that is corrected after the person has moved stays where it is."""

    @property
    def credited_in(self) -> int:
        return self.agency_id or self.account.agency_id

    def cells(self) -> dict[str, str]:
        """The row of the portal's file that says the same."""
        department = self.account.department
        return dict.fromkeys(NAMES, "") | {
            "name": self.account.name,
            "organizer_code": self.organizer_code,
            "organizer_name": self.organizer_name,
            "department": department.name if department else "",
            "category": str(self.category),
            "title": self.title,
            "term": self.term,
            "started_on": roc_dates.roc_date(self.started_on),
            "ended_on": roc_dates.roc_date(self.ended_on),
            "total": in_hours(self.digital_hours + self.classroom_hours),
            "unit": _HOURS_UNIT,
            "score": self.score,
            "nature": _DIGITAL if self.digital_hours else _CLASSROOM,
            "digital_hours": in_hours(self.digital_hours),
            "classroom_hours": in_hours(self.classroom_hours),
        }


@transaction.atomic
def credit(
    credits: Iterable[Credit], *, about: str, source: Source = Source.PLATFORM, by: Account
) -> list[ImportRun]:
    """Give people the hours that they earned `of` something (in words), as one of CREDITED.

    Giving the same again changes nothing; giving other contents for the same event changes its
    record, with its history.  Returns a run for each agency.
    """
    of_agency: dict[int, list[Credit]] = {}
    for one in credits:
        of_agency.setdefault(one.credited_in, []).append(one)
    agencies = Agency.objects.filter(pk__in=of_agency).order_by("pk")
    runs = [_credited(each, about, source, by) for each in agencies.select_for_update(no_key=True)]
    for run in runs:
        result = _store(of_agency[run.agency_id], run)
        ImportRun.objects.filter(pk=run.pk).update(**result.counts(), **result.edition_fields())
    for run in runs:  # last: whoever records holds the head of the trail, and waits for nothing
        trail.record(
            verbs.CREDIT_HOURS,
            run,
            actor=by.username,
            of=run.filename,
            count=len(of_agency[run.agency_id]),
        )
    return runs


def _credited(agency: Agency, about: str, source: Source, by: Account) -> ImportRun:
    now = timezone.now()
    return ImportRun.objects.create(
        agency=agency,
        source=source,
        filename=national_id.hide(about)[:255],
        started_by=by.username,
        started_by_name=by.name,
        state=State.COMPLETED,
        received_at=now,
        finished_at=now,
    )


def _store(credits: Sequence[Credit], run: ImportRun) -> ResultOfHours:
    """Write them as the records of a run of their agency, whose lock the caller holds.

    A record that somebody deleted stays deleted, with these contents.
    """
    result = portal_importing.store(
        run, iter([_frame(credits)]), ResultOfHours([]), lambda *_: None
    )
    result.store_held(run)
    return result


def _frame(credits: Sequence[Credit]) -> pl.DataFrame:
    """The rows of a file that say the same, cleaned, with their people and keys."""
    frame = pl.DataFrame([credit.cells() for credit in credits], dict.fromkeys(NAMES, pl.String))
    frame = cleaning.clean(frame.with_row_index("line", offset=1)).with_columns(
        pl.Series("account", [credit.account.pk for credit in credits], pl.Int64),
        other_name=pl.lit(value=False),
        code=pl.lit(None, pl.String),
    )
    return matching.add_keys(frame)


@transaction.atomic
def revoke(run: ImportRun, *, reason: str, by: Account) -> Deletion | None:
    """Take back for good what was credited: no restoring and no 可能重複 brings it back.

    What a file holds besides, as the same event, is the file's and stays.
    """
    Agency.objects.select_for_update(no_key=True).get(pk=run.agency_id)
    former = RecordRevision.objects.filter(agency=run.agency_id, run=run).values("record")
    given = Record.objects.filter(Q(run=run) | Q(pk__in=former), agency=run.agency_id)
    deletion = _withdraw(run.agency, given, run=run, reason=reason, by=by)
    trail.record(
        verbs.TAKE_BACK_HOURS, run, actor=by.username, count=deletion.count if deletion else 0
    )
    return deletion


@transaction.atomic
def withdraw(records: QuerySet[Record], *, about: str, reason: str, by: Account) -> int:
    """Take back what our own courses gave as if it had never been; return how many records go.

    What a file holds besides stays.  Leaves an event for each agency: `of` what, in words.
    """
    of_agency: dict[int, list[int]] = {}
    for pk, agency_id in records.order_by("pk").values_list("pk", "agency"):
        of_agency.setdefault(agency_id, []).append(pk)
    agencies = Agency.objects.filter(pk__in=of_agency).order_by("pk")
    counts = []
    for agency in agencies.select_for_update(no_key=True):
        given = Record.objects.filter(pk__in=of_agency[agency.pk])
        run = ImportRun.objects.filter(pk__in=given.values("run"), source__in=CREDITED).first()
        deletion = _withdraw(agency, given, run=run, reason=reason, by=by)
        counts.append((agency, run, deletion.count if deletion else 0))
    for agency, run, count in counts:  # last, as in `credit`
        trail.record(
            verbs.WITHDRAW_HOURS,
            run,
            actor=by.username,
            agency=agency.code,
            of=national_id.hide(about),
            reason=national_id.hide(reason),
            count=count,
        )
    return sum(count for _, _, count in counts)


def _withdraw(
    agency: Agency, given: QuerySet[Record], *, run: ImportRun | None, reason: str, by: Account
) -> Deletion | None:
    records = list(given.values_list("pk", flat=True))
    planned = undoing.plan_withdrawal(Record.objects.filter(pk__in=records), agency)
    deletion = undoing.carry_out(
        planned, reason=national_id.hide(reason), by=by, run=run, at=timezone.now()
    )
    edition = totals.begin_edition([agency.pk])
    Withdrawal.objects.bulk_create(
        Withdrawal(agency=agency, record_id=pk, edition=edition) for pk in records
    )
    return deletion


def records_of(credits: Sequence[Credit]) -> list[int | None]:
    """Return the id of the record of each credit, live or deleted; None where there is none."""
    keys = [UUID(bytes=key) for key in _frame(credits)["event_key"]]
    people = {one.account.pk for one in credits}
    found = Record.objects.filter(account__in=people, event_key__in=set(keys))
    records = {
        (agency, account, key): pk
        for agency, account, key, pk in found.values_list("agency", "account", "event_key", "pk")
    }
    keyed = zip(credits, keys, strict=True)
    return [records.get((one.credited_in, one.account.pk, key)) for one, key in keyed]
