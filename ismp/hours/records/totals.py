"""Small sums over the records, so that lists count exactly and find a page without reading them.

Kept true in the transaction of every action that changes what is live: the action tells a `Change`
which records came and which went, and lets it take effect under the lock of their agencies.  That
begins a new `RecordsVersion` of their records.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
from django.db import connection
from django.db.models import Max, QuerySet

from ismp.hours.models import DAYS_OF_A_MONTH, MonthlyCount, RecordsVersion
from ismp.hours.records import bulk_read, bulk_write
from ismp.imports import masking

_WORDINGS, _MONTHS, _PEOPLE = "hours_searchtext", "hours_monthlycount", "hours_personyear"
_KEYS = {
    _MONTHS: ["wording", "agency_id", "month"],
    _PEOPLE: ["agency_id", "account_id", "category", "year"],
}
_TEXTS = ("department", "title")
"""The texts of a record that a list is searched by."""
_OF_TEXT = ["agency_id", "text", "ended_on"]
_MANY = 200_000
_KINDS = {
    **dict.fromkeys(("agency_id", "account_id", "live", "hours"), pl.Int64),
    **dict.fromkeys(("category", "year"), pl.Int32),
    **{"ended_on": pl.Date, "text": pl.String},
}

READ = {
    "agency_id": pl.Int64,
    "category": pl.Int32,
    "ended_on": pl.Date,
    "hours": pl.Int64,
    **dict.fromkeys(_TEXTS, pl.String),
}
"""The fields of a record, beside its account, that the sums are made of."""


class Change:
    """Additions to and subtractions from the totals by one action, gathered and written at once."""

    def __init__(self) -> None:
        self._people = [_none(_KEYS[_PEOPLE], "hours")]
        self._texts = {field: [_none(_OF_TEXT)] for field in _TEXTS}

    def add_loaded(self, records: pl.DataFrame) -> None:
        """Records that become live as they stand in the frame (`bulk_write.as_records`)."""
        self._count(records, 1)

    def take_loaded(self, records: pl.DataFrame) -> None:
        """Records that are no longer live, as they stand in the frame."""
        self._count(records, -1)

    def add(self, records: QuerySet[Any], account: str = "account_id") -> None:
        """Stored records, or contents in their history, that become live."""
        self._count(_read(records, account), 1)

    def take(self, records: QuerySet[Any], account: str = "account_id") -> None:
        """Stored records, or contents in their history, that are no longer live."""
        self._count(_read(records, account), -1)

    def _count(self, records: pl.DataFrame, sign: int) -> None:
        live = (sign * pl.len().cast(pl.Int64)).alias("live")
        category, year = pl.col("category").cast(pl.Int32), pl.col("ended_on").dt.year()
        people = records.group_by("agency_id", "account_id", category, year.alias("year"))
        self._people.append(people.agg(live, pl.col("hours").sum() * sign))
        self._people = _few(self._people, _KEYS[_PEOPLE])
        for field, found in self._texts.items():
            text = pl.col(field).alias("text")
            found.append(records.group_by("agency_id", text, "ended_on").agg(live))
            self._texts[field] = _few(found, _OF_TEXT)

    def take_effect(self, before_writing: Callable[[], None] = lambda: None) -> int:
        """Write what was gathered; return the edition that this makes, 0 when nothing changed.

        `before_writing` is called before the database is asked for anything.
        """
        texts = pl.concat(_worded(pl.concat(found), f) for f, found in self._texts.items())
        # Each record has one department: all of them together are the records.
        every = texts.filter(pl.col("field") == "department").with_columns(
            wording=pl.lit(MonthlyCount.EVERY_RECORD.hex)
        )
        months = _by_month(pl.concat([every, texts]))
        people = _summed(self._people, _KEYS[_PEOPLE])
        wordings = texts.select("agency_id", "wording", "field", "text").unique()
        agencies = texts["agency_id"].unique().sort().to_list()
        before_writing()
        if RecordsVersion.objects.filter(agency__in=agencies).exists():
            _add_wordings(wordings)
            _add(_MONTHS, months)
            _add(_PEOPLE, people)
        else:  # the first records of an agency: none of its lines exists
            for table, lines in ((_WORDINGS, wordings), (_MONTHS, months), (_PEOPLE, people)):
                bulk_write.load(table, lines)
        return begin_edition(agencies)


def begin_edition(agencies: list[int]) -> int:
    """Make the next edition of the records of these agencies, the same for all; return it."""
    if not agencies:
        return 0
    number = edition(agencies) + 1
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO hours_recordsversion (agency_id, number) VALUES (%s, %s)"
            " ON CONFLICT (agency_id) DO UPDATE SET number = excluded.number",
            [[agency, number] for agency in agencies],
        )
    return number


def edition(agencies: list[int]) -> int:
    """Return the present edition of some agencies' records; 0 before the first."""
    newest = RecordsVersion.objects.filter(agency__in=agencies).aggregate(newest=Max("number"))
    return newest["newest"] or 0


def _read(records: QuerySet[Any], account: str) -> pl.DataFrame:
    """Rows that the totals are computed from, read once: each total would read the table anew."""
    return bulk_read.frame_of(records.order_by(), {account: pl.Int64, **READ}).rename(
        {account: "account_id"}
    )


def _none(keys: list[str], *more: str) -> pl.DataFrame:
    return pl.DataFrame(schema={name: _KINDS[name] for name in (*keys, "live", *more)})


def _few(parts: list[pl.DataFrame], keys: list[str]) -> list[pl.DataFrame]:
    """A large file comes in many slices: their lines are summed up when they become many."""
    return parts if sum(map(len, parts)) < _MANY else [_summed(parts, keys)]


def _summed(parts: list[pl.DataFrame], keys: list[str]) -> pl.DataFrame:
    return pl.concat(parts).group_by(keys).agg(pl.exclude(keys).sum()).sort(keys)


def _worded(lines: pl.DataFrame, field: str) -> pl.DataFrame:
    def wording(text: str) -> str:
        data = f"{field}\x1f{text}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, digest_size=16).hexdigest()

    digests = masking.by_value(lines["text"], wording, pl.String).alias("wording")
    return lines.with_columns(digests, field=pl.lit(field))


def _by_month(lines: pl.DataFrame) -> pl.DataFrame:
    day = pl.col("ended_on").dt.day()
    days = (
        pl.col("live").filter(day == number).sum().alias(name)
        for number, name in enumerate(DAYS_OF_A_MONTH, start=1)
    )
    months = lines.with_columns(month=pl.col("ended_on").dt.truncate("1mo"))
    keys = _KEYS[_MONTHS]
    return months.group_by(keys).agg(pl.col("live").sum(), *days).sort(keys)


def _add(table: str, lines: pl.DataFrame) -> None:
    """Add to the lines that exist, then insert those that do not; a line that falls to 0 stays."""
    keys = _KEYS[table]
    sums = lines.columns[len(keys) :]
    lines = lines.filter(pl.any_horizontal(pl.col(sums) != 0))
    if lines.is_empty():
        return
    added = ", ".join(f"{name} = {table}.{name} + c.{name}" for name in sums)
    same = " AND ".join(f"{table}.{key} = c.{key}" for key in keys)
    with _changes_to(table, lines) as cursor:
        cursor.execute(f"UPDATE {table} SET {added} FROM tally_change c WHERE {same}")  # noqa: S608
        _insert_missing(cursor, table, lines.columns, same)


def _add_wordings(wordings: pl.DataFrame) -> None:
    same = f"{_WORDINGS}.agency_id = c.agency_id AND {_WORDINGS}.wording = c.wording"
    with _changes_to(_WORDINGS, wordings) as cursor:
        _insert_missing(cursor, _WORDINGS, wordings.columns, same)


def _insert_missing(cursor: Any, table: str, columns: list[str], same: str) -> None:
    """In two statements: one that inserted what it does not find would, where PostgreSQL takes the
    table for empty, look for each line through all that it has inserted before."""
    names = ", ".join(columns)
    cursor.execute(
        f"DELETE FROM tally_change AS c WHERE EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608
    )
    cursor.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM tally_change")  # noqa: S608


@contextlib.contextmanager
def _changes_to(table: str, lines: pl.DataFrame) -> Iterator[Any]:
    """The lines in a temporary table `tally_change`, and a cursor to use it by."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMPORARY TABLE tally_change AS SELECT {', '.join(lines.columns)}"  # noqa: S608
            f" FROM {table} WHERE 1 = 0"
        )
        bulk_write.load("tally_change", lines)
        yield cursor
        cursor.execute("DROP TABLE tally_change")
