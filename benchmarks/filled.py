"""A city of 60 agencies, its people and ten years of their records, for `lists.py`.

The newest year is made by the portal's invented export, read, judged and keyed as an import does
it; the other nine are the same events in other years.  They are loaded past the import, agency by
agency, and the indexes of PostgreSQL come afterwards.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace

import polars as pl
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from ismp.accounts import demo_data
from ismp.accounts.actions import postings as accounts
from ismp.accounts.models import Agency
from ismp.hours.models import Record
from ismp.hours.portal_export import ExportChoices, pieces
from ismp.hours.portal_import import cleaning, matching
from ismp.hours.portal_import import importing as portal_importing
from ismp.hours.portal_import import reading as portal_reading
from ismp.hours.records import bulk_write, totals
from ismp.imports import kinds
from ismp.imports.models import ImportRun, State

AGENCIES, YEARS = 60, 10
BIGGEST = "390000000Z"
_RECORDS_OF_A_PERSON = 1_000 / 6
"""Over ten years; so 10,000,000 records are those of 60,000 people."""


def fill(rows: int, people: int = 0) -> None:
    call_command("migrate", verbosity=0)
    city = _city(people or round(rows / _RECORDS_OF_A_PERSON))
    accounts.import_roster(demo_data.roster_csv(city).encode(), by="benchmark")
    _say("people are there")
    newest = [
        _newest_year(
            Agency.objects.get(code=code), people, rows // YEARS * len(people) // len(city)
        )
        for code, people in _by_agency(city)
    ]
    _say("the newest year is made")
    with _later_indexes():
        for back in reversed(range(YEARS)):
            for records in newest:
                _load(records, back)
            _say(f"{YEARS - back} years are loaded")
    with transaction.atomic():
        for agency in Agency.objects.all():
            change = totals.Change()
            change.add(Record.objects.filter(agency=agency))
            change.take_effect()
    _say("tallies are there")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def _city(count: int) -> list[demo_data.Person]:
    """A tenth of all people, beside its share, serve in the biggest agency."""
    people = demo_data.people(count, AGENCIES)
    return [replace(p, agency_code=BIGGEST) if n % 10 == 0 else p for n, p in enumerate(people)]


def _by_agency(city: list[demo_data.Person]) -> Iterator[tuple[str, list[demo_data.Person]]]:
    for code in sorted({person.agency_code for person in city}):
        yield code, [p for p in city if p.agency_code == code and p.active]


def _newest_year(agency: Agency, people: list[demo_data.Person], rows: int) -> pl.DataFrame:
    today = timezone.localdate()
    choices = ExportChoices(today.replace(month=1, day=1), today, seed=agency.pk, bad_share=0)
    done = {"total": rows, "created": rows, "state": State.COMPLETED, "finished_at": timezone.now()}
    run = ImportRun.objects.create(agency=agency, filename=f"{agency.code}.csv", **done)
    table = portal_reading.read(pieces(people, rows, choices), kinds.limits())
    cleaned = map(cleaning.clean, table.slices)
    judged = pl.concat(portal_importing.judged(cleaned, matching.People(agency).load(), today))
    assert judged["code"].is_null().all()
    records = bulk_write.as_records(judged.with_columns(record=pl.lit(None, pl.Int64)), run)
    return records.drop("record").sort("ended_on", "account_id", "event_key")


def _load(records: pl.DataFrame, years_back: int) -> None:
    earlier = pl.col("started_on", "ended_on").dt.offset_by(f"-{years_back}y")
    with transaction.atomic(), connection.wrap_database_errors:
        connection.ensure_connection()
        bulk_write.load_of("hours_record", records.with_columns(earlier))()


class _later_indexes:  # noqa: N801 (used as a statement)
    """On PostgreSQL, build the indexes over the whole table: minutes instead of an hour."""

    def __enter__(self) -> None:
        self._change("remove")

    def __exit__(self, *error: object) -> None:
        self._change("add")
        _say("indexes are there")

    def _change(self, how: str) -> None:
        if connection.vendor != "postgresql":
            return
        with connection.schema_editor() as editor:
            for index in Record._meta.indexes:
                getattr(editor, f"{how}_index")(Record, index)
            for constraint in Record._meta.constraints:
                getattr(editor, f"{how}_constraint")(Record, constraint)


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
