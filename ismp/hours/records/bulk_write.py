"""Writing many records at once: one bulk load, then a few statements over whole sets.

The same SQL on SQLite and PostgreSQL; only the load differs (executemany, COPY).  Called inside
the transaction of the action.
"""

import contextlib
import io
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any, Self

import polars as pl
from django.db import connection

from ismp.hours.models import Contents, Deletion
from ismp.hours.portal_import.cleaning import EVENT_TEXT, OTHER_TEXT
from ismp.hours.portal_import.prefetch import one_ahead
from ismp.imports.models import ImportRun

_PARAMETERS = 16_000
"""How many values a statement of SQLite gets.  It takes 32,766, but the driver remembers as much of
each statement, and that many made it no faster."""
_BUFFER = 4 * 1024 * 1024
"""Bytes that the kernel takes off us for PostgreSQL, if it may: a whole load.  Of less the server
would wait again and again until this thread gets its turn among ours to send more."""
CONTENTS = [field.get_attname() for field in Contents._meta.fields]
"""The columns that a record and a revision share."""
_SET_FROM = ", ".join(f"{column} = c.{column}" for column in CONTENTS)
_LIST = ", ".join(CONTENTS)
KEEP_HISTORY = (
    "INSERT INTO hours_recordrevision"  # noqa: S608
    f" (agency_id, record_id, replaced_by_id, replaced_at, {_LIST})"
    f" SELECT r.agency_id, r.id, %s, %s, {', '.join(f'r.{column}' for column in CONTENTS)}"
    " FROM hours_record r"
)
"""Takes who replaces and when; goes on with which records (a JOIN).  Every statement names the
agency on both sides, so that a partitioned or distributed database looks in one place."""


def as_records(frame: pl.DataFrame, run: ImportRun) -> pl.DataFrame:
    """The columns of `hours_record`, ready to load; `record` (existing id) is kept beside."""
    return frame.select(
        pl.col("category_code").alias("category"),
        *(pl.col(f"text_{name}").alias(name) for name in (*EVENT_TEXT, *OTHER_TEXT)),
        pl.col("start").alias("started_on"),
        pl.col("end").alias("ended_on"),
        pl.col("total_m").alias("total"),
        pl.col("digital_hours_m").alias("digital_hours"),
        pl.col("classroom_hours_m").alias("classroom_hours"),
        pl.col("hours_m").alias("hours"),
        pl.col("content_key").bin.encode("hex"),
        pl.lit(run.pk, pl.Int64).alias("run_id"),
        "line",
        (pl.col("deletion") if "deletion" in frame.columns else pl.lit(None, pl.Int64)).alias(
            "deletion_id"
        ),
        pl.lit(run.agency_id, pl.Int64).alias("agency_id"),
        pl.col("account").alias("account_id"),
        pl.col("event_key").bin.encode("hex"),
        "record",
    )


class Loading:
    """Loads new events in a thread, so that the caller gets the next ones ready meanwhile.

    Uses the caller's own connection: it must `wait` before it asks the database for anything.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="loading")
        self._under_way: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._thread.shutdown()
        if kind is None:
            self.wait()

    def insert(self, records: pl.DataFrame) -> None:
        ordered = records.drop("record").sort("ended_on", "account_id", "event_key")
        load = load_of("hours_record", ordered)
        self._wait_for_all_but(1)  # this one waits behind that, so that the database need not
        self._under_way.append(self._thread.submit(load))

    def wait(self) -> None:
        """Until all is loaded; raises what a load raised."""
        self._wait_for_all_but(0)

    def _wait_for_all_but(self, count: int) -> None:
        while len(self._under_way) > count:
            with connection.wrap_database_errors:
                self._under_way.popleft().result()


def replace(records: pl.DataFrame, run: ImportRun, at: datetime) -> None:
    """Give existing events (`record`) new contents; the old ones go to their history."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS import_change")
        cursor.execute(
            f"CREATE TEMPORARY TABLE import_change AS SELECT id AS record_id, {_LIST}"  # noqa: S608
            " FROM hours_record WHERE 1 = 0"
        )
        changes = records.drop("agency_id", "account_id", "event_key")
        load("import_change", changes.rename({"record": "record_id"}))
        make_keyed(cursor, "import_change", "record_id")
        cursor.execute(
            f"{KEEP_HISTORY} JOIN import_change c ON c.record_id = r.id WHERE r.agency_id = %s",
            [run.pk, at, run.agency_id],
        )
        cursor.execute(
            f"UPDATE hours_record SET {_SET_FROM} FROM import_change c"  # noqa: S608
            " WHERE c.record_id = hours_record.id AND hours_record.agency_id = %s",
            [run.agency_id],
        )
        cursor.execute("DROP TABLE import_change")


def end_deletion(deletion: Deletion, at: datetime) -> None:
    """Note in the history of its records until when they were deleted."""
    with connection.cursor() as cursor:
        cursor.execute(f"{KEEP_HISTORY} WHERE r.deletion_id = %s", [None, at, deletion.pk])


def end_deletion_of(records: list[int], at: datetime) -> None:
    """As `end_deletion`, of some records by their ids."""
    with connection.cursor() as cursor:
        for start in range(0, len(records), _PARAMETERS - 2):
            part = records[start : start + _PARAMETERS - 2]
            marks = ", ".join(["%s"] * len(part))
            cursor.execute(f"{KEEP_HISTORY} WHERE r.id IN ({marks})", [None, at, *part])


def load(table: str, frame: pl.DataFrame) -> None:
    """Load the rows at once, in the caller's thread."""
    if len(frame):
        with connection.wrap_database_errors:
            load_of(table, frame)()


def make_keyed(cursor: Any, table: str, key: str) -> None:
    """Let a temporary table that has just been filled be joined by its key, row after row,
    whichever side PostgreSQL begins with.

    Statistics that were made before an agency's first records, or before a run, promise one row of
    it; what is then read from end to end for each of 200,000 takes hours.
    """
    if connection.vendor == "postgresql":
        cursor.execute(f"ALTER TABLE {table} ADD PRIMARY KEY ({key})")
        cursor.execute(f"ANALYZE {table}")


def load_of(table: str, frame: pl.DataFrame) -> Callable[[], None]:
    """The rows made ready for the driver; calling it sends them, in whatever thread.

    Past Django's cursor, which belongs to its thread and would look at each mark.
    """
    driver = connection.connection
    if connection.vendor == "postgresql":
        statement = f"COPY {table} ({', '.join(frame.columns)}) FROM STDIN"
        return partial(_copy, driver, statement, _as_copy_text(frame))
    return partial(_insert, driver, table, frame)


def _as_copy_text(frame: pl.DataFrame) -> bytes:
    """COPY's own text: the server reads it faster than CSV."""
    binary = [name for name, kind in frame.schema.items() if kind == pl.Binary]
    frame = frame.with_columns(
        pl.format("\\x{}", pl.col(name).bin.encode("hex")).alias(name) for name in binary
    )
    special = frame.select(pl.col(pl.String).str.join("").str.contains(r"[\\\t\r\n]"))
    names = [column.name for column in special if column.any()]
    frame = frame.with_columns(pl.col(names).str.replace_many(_COPY_ESCAPES))
    buffer = io.BytesIO()
    frame.write_csv(
        buffer, include_header=False, separator="\t", quote_style="never", null_value=r"\N"
    )
    return buffer.getvalue()


_COPY_ESCAPES = {"\\": r"\\", "\t": r"\t", "\r": r"\r", "\n": r"\n"}


def _copy(driver: Any, statement: str, data: bytes) -> None:
    with socket.socket(fileno=os.dup(driver.fileno())) as ours:
        if ours.family == socket.AF_UNIX:  # that of TCP grows by itself
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(data)


def _insert(driver: Any, table: str, frame: pl.DataFrame) -> None:
    """Many rows a statement: SQLite hands control to Python after each statement, and another
    thread keeps it for a while.  A value that is the same in every row is bound once; the last
    column counts as varying, so that there is one."""
    frame = frame.with_columns(pl.col(pl.Date).cast(pl.String))
    first = frame.row(0, named=True)
    is_same = frame.select(pl.all().eq_missing(pl.all().first()).all()).row(0, named=True)
    *others, last = frame.columns
    same = [name for name in others if is_same[name]]
    varying = frame.select(*(name for name in others if not is_same[name]), last)
    columns, row = [*same, *varying.columns], f"({', '.join('?' * varying.width)})"
    into = f"INSERT INTO {table} ({', '.join(columns)}) SELECT {'?, ' * len(same)}* FROM"
    with contextlib.closing(one_ahead(_parts(varying))) as parts:
        for values in parts:
            rows = ", ".join([row] * (len(values) // varying.width))
            driver.execute(f"{into} (VALUES {rows})", [*(first[name] for name in same), *values])


def _parts(frame: pl.DataFrame) -> Iterator[list[Any]]:
    """Row after row in one list, a power of two of them at a time: the driver remembers statements
    of some megabytes each, so there must not be one for every number of rows."""
    most, start = _PARAMETERS // frame.width, 0
    while left := len(frame) - start:
        rows = 1 << min(most, left).bit_length() - 1
        values = [None] * (rows * frame.width)
        for place, column in enumerate(frame.slice(start, rows)):
            values[place :: frame.width] = column.to_list()
        yield values
        start += rows
