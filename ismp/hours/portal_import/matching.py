"""The rows against the world: whose they are, and which events are already stored.

Reads accounts and records of one agency only: to it, another agency's person and a person who
does not exist are the same.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable
from datetime import date, timedelta
from functools import cached_property, lru_cache
from typing import Any, Self

import polars as pl
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection

from ismp.accounts import national_id
from ismp.accounts.models import Agency, Status
from ismp.hours.models import Record
from ismp.hours.portal_import.cleaning import EVENT_TEXT, HOUR_CELLS, OTHER_TEXT
from ismp.hours.records import bulk_read
from ismp.imports import masking
from ismp.ui.text.search_folding import is_key, key

_MARK = "\x1f"
"""Stands between joined texts; tidy text holds no control characters."""

_VARIANTS = str.maketrans("臺峯羣啓裏恒牆鏽妝嫻", "台峰群啟裡恆墻銹粧嫺")
_AT_ONCE = 10_000
_HASH = {"id_hash": pl.Binary}
_ACCOUNT = {**_HASH, "account": pl.Int64, "account_name": pl.String}
_READING = {
    "national_id": pl.String,
    "id_given": pl.Boolean,
    "id_valid": pl.Boolean,
    "account": pl.Int64,
    "account_name": pl.String,
}
_WILDCARD = re.compile(r"[\ue000-\uf8ff\ufffd?○〇□*]")
_BETWEEN = re.compile(r"[\s·．・.•‧=\"\x00-\x1f\u200b-\u200f\u2060\ufeff]")
"""What stands in a name for a character that some program could not write."""


class People:
    """The active accounts of one agency, and whom each number in the file belongs to.

    Lives as long as one import; each number is read once.  `load` asks the database, `find` does
    not.
    """

    def __init__(self, agency: Agency) -> None:
        self._agency, self._accounts = agency, pl.DataFrame()
        self._read = pl.DataFrame(schema=_READING)
        self._same = lru_cache(None)(same_name)

    def load(self) -> Self:
        """Ask once; to be called in the thread that may, before anything else."""
        if not self._accounts.is_empty():
            return self
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id_hash, id, name FROM accounts_account"
                " WHERE agency_id = %s AND status = %s AND id_hash IS NOT NULL",
                [self._agency.pk, Status.ACTIVE.value],
            )
            parts = [pl.DataFrame(schema=_ACCOUNT)]
            while rows := cursor.fetchmany(_AT_ONCE):
                hashes, *others = zip(*rows, strict=True)
                parts.append(pl.DataFrame([list(map(bytes, hashes)), *others], _ACCOUNT))
        self._accounts = pl.concat(parts, rechunk=True)
        return self

    def find(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add `id_given`, `id_valid`, `account` (id of the active account, or null) and
        `other_name` (whether 姓名 in the file is somebody else's, so that the clerk can look)."""
        numbers = frame.select("national_id").unique().join(self._read, "national_id", how="anti")
        self._read.vstack(self._reading(numbers["national_id"]), in_place=True)
        frame = frame.join(self._read, on="national_id", how="left", maintain_order="left")
        named = (pl.col("name") != "") & (pl.col("name") != pl.col("account_name"))
        other = [
            line
            for line, *names in frame.filter(named).select("line", "name", "account_name").rows()
            if not self._same(*names)
        ]
        return frame.with_columns(other_name=pl.col("line").is_in(other))

    @cached_property
    def digest(self) -> bytes:
        """32 bytes that are others as soon as somebody comes, goes or is renamed."""
        whole = self.load()._accounts.sort("account")
        hashes = pl.col("id_hash").bin.encode("hex")
        return hashlib.sha256(whole.with_columns(hashes).write_csv().encode()).digest()

    def _reading(self, written: pl.Series) -> pl.DataFrame:
        numbers, index = [national_id.fold(number) for number in written], settings.KEYS.blind_index
        hashes = pl.DataFrame({"id_hash": [index(number) for number in numbers]}, _HASH)
        found = hashes.join(self._accounts, "id_hash", how="left", maintain_order="left")
        whose = zip(numbers, found["account"], strict=True)
        return found.select(
            national_id=written,
            id_given=pl.Series([bool(number) for number in numbers], dtype=pl.Boolean),
            # An account's ID passed the checksum when the account was created; skip it.
            id_valid=pl.Series(
                [account is not None or national_id.is_valid(number) for number, account in whose],
                dtype=pl.Boolean,
            ),
            account="account",
            account_name="account_name",
        )


def same_name(written: str, account_name: str) -> bool:
    """Whether a name in a file can be this account's, given how names get written."""
    if not written or written == account_name:
        return True
    written, expected = _plain(written), _plain(account_name)
    if not written or written == expected:
        return True
    return len(written) == len(expected) and all(
        left == right or _WILDCARD.match(left)
        for left, right in zip(written, expected, strict=True)
    )


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold().translate(_VARIANTS)
    return _BETWEEN.sub("", folded)


def add_keys(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `event_key` (of folded texts) and `content_key`, 128-bit digests as bytes, and what is
    remembered of every row as numbers of half their size: `event` (an event of one person) and
    `contents`."""
    event = pl.concat_str(
        pl.col("category_code").cast(pl.String).fill_null(""),
        pl.col("text_organizer_code").str.to_uppercase(),
        *(pl.col(f"text_{name}") for name in EVENT_TEXT if name != "organizer_code"),
        *(pl.col(name).cast(pl.String).fill_null("") for name in ("start", "end")),
        separator=_MARK,
    )
    contents = pl.concat_str(
        *(pl.col(f"text_{name}") for name in OTHER_TEXT),
        *(pl.col(f"{name}_m").cast(pl.String).fill_null("") for name in HOUR_CELLS),
        separator=_MARK,
    )
    frame = frame.with_columns(event.alias("event_key"), contents.alias("content_key"))
    return frame.with_columns(
        masking.by_value(frame["event_key"], _event_digest, pl.Binary),
        masking.by_value(frame["content_key"].cast(pl.Binary), _digest, pl.Binary),
    ).with_columns(
        _event(pl.col("event_key")).alias("event"),
        _number(pl.col("content_key")).alias("contents"),
    )


def _number(key: pl.Expr) -> pl.Expr:
    return key.bin.reinterpret(dtype=pl.Int128)


def _event(key: pl.Expr) -> pl.Expr:
    """Many people attend one event: each has a number of their own for it."""
    return _number(key) ^ pl.col("account").cast(pl.Int128)


def _event_digest(text: str) -> bytes:
    """One event is one however its texts were typed: in whatever width, composed or not, with
    characters that nobody sees.  (What is shown stays as it came.)"""
    if not text.isascii() and not is_key(text.replace(_MARK, "")):
        text = _MARK.join(map(key, text.split(_MARK)))
    return _digest(text.encode())


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=16).digest()


class StoredEvents:
    """Stored records of one agency, live or deleted, read once for each range of 迄日期.

    Lives as long as one import, under the agency's lock: nobody else changes these meanwhile.
    """

    def __init__(self, agency: Agency, before_reading: Callable[[], None]) -> None:
        """`before_reading` is called before the database is asked."""
        self._agency, self._before_reading = agency, before_reading
        self._first: date | None = None
        self._last: date | None = None
        self._known = pl.DataFrame(schema=_KNOWN)

    @property
    def range(self) -> tuple[date | None, date | None]:
        """The first and last 迄日期 of the rows that passed so far."""
        return self._first, self._last

    def find(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add to the rows that passed: `record` (id of the stored event, or null) and `outcome`.

        `outcome`: created | revived (stored, but deleted) | updated | unchanged.
        """
        self._reach(frame["end"].min(), frame["end"].max())
        known = self._known.filter(pl.col("event").is_in(frame["event"].implode()))
        return frame.join(known, on="event", how="left", maintain_order="left").with_columns(
            outcome=pl.when(pl.col("record").is_null())
            .then(pl.lit("created"))
            .when(pl.col("deleted"))
            .then(pl.lit("revived"))
            .when(pl.col("contents") == pl.col("stored_contents"))
            .then(pl.lit("unchanged"))
            .otherwise(pl.lit("updated"))
        )

    def _reach(self, first: Any, last: Any) -> None:
        """Read what is missing of the range: nothing, all of it, or a part on either side."""
        if first is None:
            return
        if self._first is None or self._last is None:
            self._read(first, last)
            self._first, self._last = first, last
        if first < self._first:
            self._read(first, self._first - _DAY)
            self._first = first
        if last > self._last:
            self._read(self._last + _DAY, last)
            self._last = last

    def _read(self, first: date, last: date) -> None:
        """Some weeks at a time, so that memory stays flat."""
        first, last = max(first, self._stored[0]), min(last, self._stored[1])
        if first > last:
            return
        self._before_reading()
        parts = [self._known]
        while first <= last:
            end = min(last, first + _WEEKS)
            if text := self._as_text(first, end):
                parts.append(_as_known(pl.read_csv(text, has_header=False, schema=_AS_TEXT)))
            first = end + _DAY
        self._known = pl.concat(parts)

    @cached_property
    def _stored(self) -> tuple[date, date]:
        """The first and last 迄日期 of all that was stored before this import."""
        self._before_reading()
        records = Record.objects.filter(agency=self._agency).order_by("ended_on")
        days = records.values_list("ended_on", flat=True)
        return days.first() or date.max, days.last() or date.min

    def _as_text(self, first: date, last: date) -> bytes:
        parameters = (self._agency.pk, first, last)
        if connection.vendor == "postgresql":
            return bulk_read.csv_of(_STORED, parameters, using=DEFAULT_DB_ALIAS)
        with connection.cursor() as cursor:
            cursor.execute(_STORED_AS_TEXT, parameters)
            return (cursor.fetchone()[0] or "").encode()


def _as_known(stored: pl.DataFrame) -> pl.DataFrame:
    event, contents = (
        pl.col(name).str.replace_all("-", "", literal=True).str.decode("hex")
        for name in ("event_key", "content_key")
    )
    return stored.select(
        _event(event).alias("event"),
        "record",
        _number(contents).alias("stored_contents"),
        "deleted",
    )


_DAY = timedelta(days=1)
_WEEKS = timedelta(weeks=2)
_KNOWN = {
    "event": pl.Int128,
    "record": pl.Int64,
    "stored_contents": pl.Int128,
    "deleted": pl.Boolean,
}
_AS_TEXT = {
    "account": pl.Int64,
    "event_key": pl.String,
    "record": pl.Int64,
    "content_key": pl.String,
    "deleted": pl.Boolean,
}
_WHICH = "FROM hours_record WHERE agency_id = %s AND ended_on BETWEEN %s AND %s"
_STORED = (
    "SELECT account_id, event_key, id, content_key,"
    f" CASE WHEN deletion_id IS NULL THEN 'false' ELSE 'true' END {_WHICH}"
)
_STORED_AS_TEXT = (
    "SELECT group_concat(printf('%%d,%%s,%%d,%%s,%%s', account_id, event_key, id,"  # noqa: S608
    " content_key, CASE WHEN deletion_id IS NULL THEN 'false' ELSE 'true' END), char(10))"
    f" FROM hours_record WHERE id IN (SELECT id {_WHICH})"
)
"""For SQLite: one text costs a third of as many rows; ids first, so that rows are read in the
order in which they lie."""
