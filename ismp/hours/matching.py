"""The rows against the world: whose they are, and which events are already stored.

Reads accounts and records of one agency only: to it, another agency's person and a person who
does not exist are the same.
"""

import hashlib
import re
import unicodedata
from datetime import date

import polars as pl
from django.conf import settings
from django.db import connection

from ismp.accounts.models import Agency, Status
from ismp.hours import cleaning
from ismp.hours.cleaning import EVENT_TEXT, HOUR_CELLS, OTHER_TEXT

_MARK = "\x1f"
"""Stands between joined texts; tidy text holds no control characters."""

_VARIANTS = str.maketrans("臺峯羣啓裏恒牆鏽妝嫻", "台峰群啟裡恆墻銹粧嫺")
_WILDCARD = re.compile(r"[\ue000-\uf8ff\ufffd?○〇□*]")
"""What stands in a name for a character that some program could not write."""


def find_accounts(frame: pl.DataFrame, agency: Agency) -> pl.DataFrame:
    """Add `account` (id of the active account of this agency with this ID, or null) and
    `other_name` (whether 姓名 in the file is somebody else's, so that the clerk can look)."""
    by_hash = _active_accounts(agency)
    found = {
        number: by_hash.get(settings.KEYS.blind_index(number), (None, ""))
        for number in frame.filter("id_valid")["folded_id"].unique()
    }
    frame = frame.with_columns(
        cleaning.by_value(
            frame["folded_id"], lambda number: found.get(number, (None, ""))[0], pl.Int64
        ).alias("account")
    )
    pairs = frame.select("folded_id", "name").unique()
    differs = [
        bool(found.get(number, (None, ""))[0]) and not same_name(name, found[number][1])
        for number, name in pairs.iter_rows()
    ]
    return frame.join(
        pairs.with_columns(other_name=pl.Series(differs, dtype=pl.Boolean)),
        on=["folded_id", "name"],
        how="left",
        maintain_order="left",
    )


def _active_accounts(agency: Agency) -> dict[bytes, tuple[int, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id_hash, id, name FROM accounts_account"
            " WHERE agency_id = %s AND status = %s AND id_hash IS NOT NULL",
            [agency.pk, Status.ACTIVE.value],
        )
        return {bytes(hashed): (pk, name) for hashed, pk, name in cursor.fetchall()}


def same_name(written: str, account_name: str) -> bool:
    """Whether a name in a file can be this account's, given how names get written."""
    if not written or written == account_name:
        return True
    written, expected = _plain(written), _plain(account_name)
    if not written or written == expected:
        return True
    pattern = "".join("." if _WILDCARD.match(c) else re.escape(c) for c in written)
    return bool(re.fullmatch(pattern, expected, re.DOTALL))


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold().translate(_VARIANTS)
    return re.sub(r"[\s·．・.•‧=\"\x00-\x1f\u200b-\u200f\u2060\ufeff]", "", folded)


def add_keys(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `event_key` and `content_key`: 128-bit digests, as 32 hex digits."""
    event = pl.concat_str(
        pl.col("category_code").cast(pl.String).fill_null(""),
        *(pl.col(f"text_{name}") for name in EVENT_TEXT),
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
        cleaning.by_value(frame[name], _digest, pl.String).alias(name)
        for name in ("event_key", "content_key")
    )


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def find_records(frame: pl.DataFrame, agency: Agency) -> pl.DataFrame:
    """Add to the rows that passed: `record` (id of the stored event, or null) and `outcome`.

    `outcome`: created | revived (stored, but deleted) | updated | unchanged.
    """
    days = frame["end"].sort()
    known = _stored_events(agency, *(days[0], days[-1]) if len(days) else (None, None))
    return frame.join(
        known, on=["account", "end", "event_key"], how="left", maintain_order="left"
    ).with_columns(
        outcome=pl.when(pl.col("record").is_null())
        .then(pl.lit("created"))
        .when(pl.col("deleted"))
        .then(pl.lit("revived"))
        .when(pl.col("content_key") == pl.col("stored_content"))
        .then(pl.lit("unchanged"))
        .otherwise(pl.lit("updated"))
    )


_STORED = (
    "SELECT account_id, CAST(ended_on AS text), event_key, id, content_key,"
    " CASE WHEN deletion_id IS NULL THEN 0 ELSE 1 END"
    " FROM hours_record WHERE agency_id = %s AND ended_on BETWEEN %s AND %s"
)
_STORED_SCHEMA = {
    "account": pl.Int64,
    "end": pl.String,
    "event_key": pl.String,
    "record": pl.Int64,
    "stored_content": pl.String,
    "deleted": pl.Int8,
}


def _stored_events(agency: Agency, first: date | None, last: date | None) -> pl.DataFrame:
    """What this agency has stored in a range of 迄日期, live or deleted."""
    parameters: tuple[int, date, date] = (agency.pk, first or date.min, last or date.min)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY ({_STORED}) TO STDOUT (FORMAT csv)", parameters) as copy:
                text = b"".join(copy)
            stored = pl.read_csv(text, has_header=False, schema=_STORED_SCHEMA)
        else:
            cursor.execute(_STORED, parameters)
            stored = pl.DataFrame(cursor.fetchall(), _STORED_SCHEMA, orient="row")
    return stored.with_columns(
        pl.col("end").str.to_date("%Y-%m-%d"),
        pl.col("event_key", "stored_content").str.replace_all("-", "", literal=True),
        pl.col("deleted").cast(pl.Boolean),
    )
