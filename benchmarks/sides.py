"""The sides of `import.py`: what each of them does with the same file, as fair as we know how."""

import csv
import io
import uuid
from typing import Any

import polars as pl
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone
from import_export import fields, resources, widgets
from import_export.instance_loaders import CachedInstanceLoader
from tablib import Dataset

from ismp.accounts import demo_data, national_id
from ismp.accounts.actions import postings as accounts
from ismp.accounts.models import Account, Agency
from ismp.audit import trail
from ismp.hours import verbs
from ismp.hours.models import (
    MonthlyCount,
    PersonYear,
    Record,
    RecordRevision,
    RecordsVersion,
    SearchText,
    Waiting,
)
from ismp.hours.portal_export import ExportChoices, export
from ismp.hours.portal_import import cleaning, matching
from ismp.hours.portal_import import importing as portal_importing
from ismp.hours.portal_import import reading as portal_reading
from ismp.hours.portal_import.layout import TITLES
from ismp.hours.records import bulk_write
from ismp.imports import actions as import_actions
from ismp.imports import kinds, run_files
from ismp.imports.models import ImportRun, RunFile
from ismp.ui.text import roc_dates

BAD_SHARE = 0.03


class World:
    """One agency's people (rows / 10), their file, and the clean rows of it, ready to load."""

    def __init__(self, *, rows: int, agencies: int, filled: int) -> None:
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        people = demo_data.people(rows // 10, 1)
        accounts.import_roster(demo_data.roster_csv(people).encode(), by="benchmark")
        others = [Agency(code=f"X{n:09}", name=f"示範{n}") for n in range(agencies - 1)]
        Agency.objects.bulk_create(others)
        self.agency = Agency.objects.get(code=people[0].agency_code)
        choices = ExportChoices(
            roc_dates.parse("115-01-01"), roc_dates.parse("115-10-31"), bad_share=BAD_SHARE
        )
        self.data = export(people, rows, choices)
        self.clean = self._clean_rows()
        # The driver of SQLite knows no dates.
        kinds = [pl.Date] if connection.vendor == "sqlite" else []
        self.ready = self.clean.with_columns(pl.col(kinds).cast(pl.String)).rows()
        if filled:
            self._fill(filled)
        self.kept = filled

    def _clean_rows(self) -> pl.DataFrame:
        run = ImportRun(pk=1, agency=self.agency)
        table = portal_reading.read([self.data], kinds.limits())
        people, cleaned = matching.People(self.agency).load(), map(cleaning.clean, table.slices)
        judged = pl.concat(portal_importing.judged(cleaned, people, timezone.localdate()))
        passed = judged.filter(pl.col("code").is_null())
        return bulk_write.as_records(passed.with_columns(record=pl.lit(None, pl.Int64)), run).drop(
            "record"
        )

    def _fill(self, filled: int) -> None:
        """Records of the other agencies and of other years, as they would stand there."""
        clean, copies = self.clean, -(-filled // len(self.clean))
        others = list(Agency.objects.exclude(pk=self.agency.pk).values_list("pk", flat=True))
        for number in range(copies):
            year = 2016 + number % 10
            part = clean.with_columns(
                agency_id=pl.lit(others[number % len(others)], pl.Int64),
                started_on=pl.col("started_on").dt.offset_by(f"{year - 2026}y"),
                ended_on=pl.col("ended_on").dt.offset_by(f"{year - 2026}y"),
                account_id=pl.col("account_id") + 1_000_000 * (number // (10 * len(others)) + 1),
                run_id=pl.lit(0, pl.Int64),
            )
            with transaction.atomic():
                bulk_write.load("hours_record", part.head(filled - number * len(clean)))
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")

    def prepare(self, side: str) -> None:
        """An empty agency for each side; those that come again find what the import stored."""
        if "again" in side:
            return
        for model in (RunFile, RecordRevision):
            model.objects.all().delete()
        of_agency = (Record, Waiting, PersonYear, MonthlyCount, SearchText, RecordsVersion)
        for model in of_agency:
            model.objects.filter(agency=self.agency).delete()
        ImportRun.objects.all().delete()
        if connection.vendor == "postgresql":
            tables = [model._meta.db_table for model in (RunFile, RecordRevision, *of_agency)]
            with connection.cursor() as cursor:
                # What is deleted stays in the indexes until then: each insert would look at it.
                cursor.execute(f"{'VACUUM' if self.kept else 'TRUNCATE'} {', '.join(tables)}")
                cursor.execute("CHECKPOINT")

    def load_clean_rows(self) -> None:
        """Tuples that lie ready, in the way that the manual of each driver shows for many."""
        columns = ", ".join(self.clean.columns)
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                with cursor.copy(f"COPY hours_record ({columns}) FROM STDIN") as copy:
                    for row in self.ready:
                        copy.write_row(row)
            else:
                marks = ", ".join(["%s"] * len(self.clean.columns))
                cursor.executemany(
                    f"INSERT INTO hours_record ({columns}) VALUES ({marks})", self.ready
                )

    def import_new(self) -> None:
        run = self._import()
        assert run.created == len(self.clean), run.reason

    def import_again(self) -> None:
        """The same bytes, and nothing has changed since."""
        run = self._import()
        assert run.unchanged == len(self.clean), run.reason

    def import_again_read(self) -> None:
        """The same rows in other bytes."""
        run = self._import(self.data + b"\r\n")
        assert run.unchanged == len(self.clean), run.reason

    def _import(self, data: bytes = b"") -> ImportRun:
        return import_actions.import_file([data or self.data], agency=self.agency, filename="f.csv")

    def bulk_create(self) -> None:
        """A good Django import by hand: maps in memory, checks in Python, one bulk_create."""
        people = self._people()
        run = ImportRun.objects.create(agency=self.agency, filename="f.csv")
        found = []
        reader = csv.DictReader(io.StringIO(self.data.decode("cp950", "replace")))
        for line, row in enumerate(reader, start=2):
            record = _record(row, people)
            if record:
                _complete(record, self.agency, run, line)
                found.append(record)
        with transaction.atomic():
            Record.objects.bulk_create(found, batch_size=2_000, ignore_conflicts=True)
        self.check_peer()

    def _people(self) -> dict[bytes, int]:
        active = Account.objects.filter(agency=self.agency, status="active")
        return {bytes(h): pk for h, pk in active.values_list("id_hash", "pk")}

    def import_export_upsert(self) -> None:
        """As the documentation advises for speed (Bulk imports, Performance tuning) where rows may
        be new or known: bulk operations, no diffs, known events in a CachedInstanceLoader, people
        in a ForeignKeyWidget that caches.  It tells new from known, but not what is unchanged."""
        self._import_export(
            instance_loader_class=CachedInstanceLoader, import_id_fields=("event_key",)
        )

    def import_export_whole(self) -> None:
        """The same job as ours: it tells unchanged events from updated ones, too, for which its
        way needs the diff, collects the failed rows, and keeps the report and an audit event."""
        self._import_export(
            report=True,
            instance_loader_class=CachedInstanceLoader,
            import_id_fields=("event_key",),
            skip_diff=False,
            skip_unchanged=True,
        )

    def import_export_new(self) -> None:
        """The fastest it can do: it looks for no event, so each row must be new."""
        self._import_export(force_init_instance=True, import_id_fields=())

    def _import_export(self, *, report: bool = False, **settings_: Any) -> None:
        agency = self.agency
        run = ImportRun.objects.create(agency=agency, filename="f.csv")
        seen: set[uuid.UUID] = set()
        readings = {
            "category": cleaning._category,
            "started_on": cleaning._date,
            "ended_on": cleaning._date,
            **dict.fromkeys(cleaning.HOUR_CELLS, cleaning._thousandths),
            **dict.fromkeys((*cleaning.EVENT_TEXT, *cleaning.OTHER_TEXT), str.strip),
        }
        options = {
            "model": Record,
            "fields": ("account", "event_key", *readings),
            "use_bulk": True,
            "batch_size": 2_000,
            "skip_diff": True,
            "skip_html_diff": True,
            "report_skipped": False,
            "use_transactions": True,
            "clean_model_instances": False,
        }

        class RecordResource(resources.ModelResource):
            account = fields.Field("account", TITLES["national_id"], CachedPeople(agency))
            event_key = fields.Field("event_key", "event_key")
            for name, reading in readings.items():
                locals()[name] = fields.Field(name, TITLES[name], Read(reading))
            Meta = type("Meta", (), options | settings_)

            def get_queryset(self):
                return Record.objects.filter(agency=agency)

            def before_import(self, dataset, **kwargs):
                cells = (TITLES["national_id"], *(TITLES[name] for name in _EVENT_CELLS))
                columns = zip(*(dataset[cell] for cell in cells), strict=True)
                dataset.append_col([_key(*row) for row in columns], header="event_key")

            def skip_row(self, instance, original, row, import_validation_errors=None):
                if import_validation_errors:
                    return False  # so that the row is told among the failed ones
                if not _is_good(instance):
                    raise ValidationError("hours or dates")
                if instance.event_key in seen:
                    return True
                seen.add(instance.event_key)
                _complete(instance, agency, run, 0)
                return super().skip_row(instance, original, row, import_validation_errors)

        data = Dataset().load(self.data.decode("cp950", "replace"), format="csv")
        result = RecordResource().import_data(data, raise_errors=False, collect_failed_rows=report)
        if report:
            failed = result.failed_dataset.export("csv").encode()
            run_files.store(run, RunFile.Kind.REJECTED, [failed])
            with transaction.atomic():
                trail.record(
                    verbs.IMPORT_HOURS, actor="benchmark", agency=agency.code, **result.totals
                )
        self.check_peer()

    def check_peer(self) -> None:
        """A peer that stores other rows than we do would be no measure."""
        stored = Record.objects.filter(agency=self.agency).count()
        assert abs(stored - len(self.clean)) <= len(self.clean) // 100, (stored, len(self.clean))


def _is_good(record: Record) -> bool:
    return (
        record.started_on <= record.ended_on <= timezone.localdate()
        and record.digital_hours + record.classroom_hours == record.total
    )


_EVENT_CELLS = ("category", *cleaning.EVENT_TEXT, "started_on", "ended_on")


def _key(*parts: object) -> uuid.UUID:
    """A digest as ours; the peers put the person into it, because they can look for one field."""
    return uuid.UUID(bytes=matching._digest("\x1f".join(map(str, parts)).encode()))


def _complete(record: Record, agency: Agency, run: ImportRun, line: int) -> None:
    record.agency, record.run, record.line = agency, run, line
    record.hours = record.digital_hours + record.classroom_hours
    contents = (getattr(record, name) for name in (*cleaning.OTHER_TEXT, *cleaning.HOUR_CELLS))
    record.content_key = _key(*contents)


class Read(widgets.Widget):
    """A cell by one of our own readings; what it cannot read is an error of the row."""

    def __init__(self, reading: Any) -> None:
        super().__init__()
        self.reading = reading

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        read = self.reading(value)
        if read is None:
            raise ValueError("unreadable")
        return read


class CachedPeople(widgets.ForeignKeyWidget):
    """The look-up of accounts with its results cached, as the documentation advises."""

    def __init__(self, agency: Agency) -> None:
        super().__init__(Account, "id_hash")
        active = Account.objects.filter(agency=agency, status="active", id_hash__isnull=False)
        self.by_hash = {bytes(account.id_hash): account for account in active.only("id_hash")}

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        number = national_id.fold(value)
        valid = national_id.is_valid(number)
        account = self.by_hash.get(settings.KEYS.blind_index(number)) if valid else None
        if account is None:
            raise ValueError("nobody")  # an error of the row; any other would undo the whole file
        return account


def _record(row: dict[str, str], people: dict[bytes, int]) -> Record | None:
    """A row checked and turned into a record, by plain Python; None when it is not good."""
    number = national_id.fold(row[TITLES["national_id"]])
    if not national_id.is_valid(number):
        return None
    account = people.get(settings.KEYS.blind_index(number))
    values = {name: row[title] for name, title in TITLES.items()}
    read = {
        "category": cleaning._category(values["category"]),
        "started_on": cleaning._date(values["started_on"]),
        "ended_on": cleaning._date(values["ended_on"]),
        **{name: cleaning._thousandths(values[name]) for name in cleaning.HOUR_CELLS},
    }
    if account is None or None in read.values():
        return None
    texts = {name: values[name].strip() for name in (*cleaning.EVENT_TEXT, *cleaning.OTHER_TEXT)}
    record = Record(account_id=account, **texts, **read)
    record.event_key = _key(account, *(getattr(record, name) for name in _EVENT_CELLS))
    return record if _is_good(record) else None
