"""Which imports hold a record, and what becomes of it when one of them is taken back.

A run *holds* an event that it brought, whether it changed the record or found it as it is.  While
any run that counts holds it, the record stands with the contents of the last of them; so undoing in
any order ends in the state in which the undone files had never come (docs/adr/0027).  What people
decided is replayed: deleted before the run came is deleted again, restored is live.

Where it is known which run holds what:

- created, updated, revived: the record or one of its revisions names the run;
- found unchanged: the run's pieces HELD, record by record with a digest of the contents;
- the same bytes again while nothing had changed: `ImportRun.same_as` says whose rows these are.

Works in columns (polars): no join is left to a planner that knows nothing of the tables yet.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Count, F, Max, Min, Q, QuerySet, TextField
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast

from ismp.accounts.models import Account, Agency
from ismp.hours.models import Deletion, Record, RecordRevision, Withdrawal
from ismp.hours.records import bulk_read, bulk_write, duplicates, totals
from ismp.imports import run_files
from ismp.imports.models import CREDITED, ImportRun, RunFile, Source, State

_ROW = {
    "id": pl.Int64,
    "record": pl.Int64,
    "run": pl.Int64,
    "line": pl.Int64,
    "deletion": pl.Int64,
    "key": pl.String,
}
"""A record or a revision: `id` is its own, `key` the digest of its contents as text."""
_OWN = dict.fromkeys(("id", "record", "run", "line", "deletion", "contents"), pl.Int64)
"""The same with `contents`, the half of the digest that is kept of what was found unchanged."""
_HELD = {"record": pl.Int64, "line": pl.Int64, "contents": pl.Int64}
_RUN = {
    "run": pl.Int64,
    "root": pl.Int64,
    "edition": pl.Int64,
    "source": pl.String,
    "counts": pl.Boolean,
    "changed": pl.Boolean,
}
_DELETION = {"deletion": pl.Int64, "edition": pl.Int64, "restored_edition": pl.Int64}
_WITHDRAWAL = {"record": pl.Int64, "withdrawn": pl.Int64}
_FEW, _MANY = 10_000, 250_000
"""So many records are asked for by their ids; of more, all between the first and the last, so many
records at once."""


# --- What a run holds ----------------------------------------------------------------------------


def held_part(unchanged: pl.DataFrame) -> bytes:
    """Pack the rows that an import found unchanged (`record`, `line`, `content_key`), to be kept
    as a piece HELD of the run."""
    held = unchanged.select(
        "record", pl.col("line").cast(pl.Int64), _digest(pl.col("content_key")).alias("contents")
    )
    return run_files.pack(held.sort("record"))


def _digest(key: pl.Expr) -> pl.Expr:
    """Half of a content key: enough to tell the few contents of one record apart."""
    return key.bin.slice(0, 8).bin.reinterpret(dtype=pl.Int64)


# --- What will become of the records -------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """Changes to some records when the contents of one run no longer count."""

    agency: Agency
    changes: pl.DataFrame
    """record, was_live, source (id of the revision that has the contents to come; null: they stay),
    run (null: nobody holds it, it goes), line, deletion (null: it will be live)."""
    kept: int = 0
    """How many live records have been changed since by others, and stay as they are."""

    @property
    def effects(self) -> dict[str, int]:
        """Counts: removed, restored (to former contents) and kept, always; and where there are any:
        held (by another import, as they are), deleted (again), revived, forgotten (deleted before,
        and no longer to be restored)."""
        gone, live = pl.col("run").is_null(), pl.col("was_live")
        deleted = pl.col("deletion").is_not_null()
        effect = (
            pl.when(gone).then(pl.when(live).then(pl.lit("removed")).otherwise(pl.lit("forgotten")))
            .when(deleted).then(pl.when(live).then(pl.lit("deleted")))
            .when(~live).then(pl.lit("revived"))
            .when(pl.col("source").is_null()).then(pl.lit("held"))
            .otherwise(pl.lit("restored"))
        )  # fmt: skip
        found = Counter(self.changes.select(effect.alias("effect"))["effect"].drop_nulls())
        always = {"removed": found["removed"], "restored": found["restored"], "kept": self.kept}
        others = ("held", "deleted", "revived", "forgotten")
        return always | {name: found[name] for name in others if found[name]}

    def held_by(self) -> list[tuple[ImportRun, int]]:
        """Which other imports hold what stays as it is, and how many records each."""
        held = self.changes.filter(
            pl.col("was_live")
            & pl.col("run").is_not_null()
            & pl.col("deletion").is_null()
            & pl.col("source").is_null()
        )
        counts = Counter(held["run"])
        runs = ImportRun.objects.in_bulk(list(counts))
        return [(runs[pk], count) for pk, count in counts.most_common()]


_VISIBLE = ("removed", "restored", "deleted", "revived", "forgotten")


def changes_something(effects: dict[str, int]) -> bool:
    """Whether anybody will see a difference; what stays because others hold it is none."""
    return any(effects.get(name) for name in _VISIBLE)


def plan(run: ImportRun) -> Plan:
    """Plan the undo of an import now.  Reads only."""
    brought = _standing(Record.objects.filter(agency=run.agency, run=run))
    own = pl.concat([brought, _credited_since(run)])
    changes = _changes(run.agency, own, without=run.pk)
    return Plan(run.agency, changes, _changed_by_others(run, brought["record"]))


def _changed_by_others(run: ImportRun, brought: pl.Series) -> int:
    """Count the live records that the run once brought and that others have changed since.

    `brought`: ids of the records that name the run today.  Where every revision of the run belongs
    to one of them, as after an import that nobody changed, the records are not joined: joining
    380,000 revisions with 190,000 records took 1.9 of the page's 4 seconds.
    """
    revisions = RecordRevision.objects.filter(agency=run.agency, run=run)
    asked = revisions.order_by().values_list("record").distinct()
    revised = bulk_read.frame_at_once(
        {"record": pl.Int64}, *asked.query.sql_with_params(), using=asked.db
    )
    if revised.join(brought.alias("record").to_frame(), "record", "anti").is_empty():
        return 0
    since = revisions.exclude(record__run=run).filter(record__deletion=None)
    return since.values("record").distinct().count()


def _standing(records: QuerySet[Record]) -> pl.DataFrame:
    """Those that are live, or deleted by somebody who may restore them, or set aside."""
    found = records.filter(Q(deletion=None) | Q(deletion__run=None))
    return _rows(found.annotate(record=F("pk")))


def _credited_since(run: ImportRun) -> pl.DataFrame:
    """Records that an import held too and that have been credited since.

    What is credited brings nothing back that somebody deleted, so without the import a deletion may
    hold that it had ended, or not hold that took what it had brought.
    """
    by_hand = Deletion.objects.filter(run=None, duplicates=False)
    if not by_hand.filter(Q(agency=run.agency) | Q(agency=None)).exists():
        return pl.DataFrame(schema=_OWN)
    given = Record.objects.filter(agency=run.agency, run__source__in=CREDITED)
    credited = _standing(given.exclude(deletion__duplicates=True))
    root = run.same_as_id or run.pk
    revised = RecordRevision.objects.filter(agency=run.agency, run__in={run.pk, root})
    revised = revised.filter(record__in=credited["record"].to_list())
    records = pl.Series("record", list(revised.values_list("record", flat=True)), pl.Int64)
    held = _held(run.agency, {root}, credited["record"])["record"]
    return credited.join(pl.concat([records, held]).to_frame().unique(), "record", "semi")


def plan_withdrawal(records: QuerySet[Record], agency: Agency) -> Plan:
    """Plan the removal of credit that courses and certificates gave these records.  Reads only."""
    own = _standing(records.filter(agency=agency, run__source__in=CREDITED))
    return Plan(agency, _changes(agency, own, credited=False))


def _changes(
    agency: Agency, own: pl.DataFrame, *, without: int = 0, credited: bool = True
) -> pl.DataFrame:
    """`Plan.changes` of some records, when the run `without` counts no more, or nothing that was
    credited does."""
    former = _revisions(agency, own["record"])
    runs = _runs(agency, without)
    last = _last_holders(agency, own, former, runs, credited=credited)
    contents = pl.concat(
        [
            own.select("record", "contents", source=pl.lit(None, pl.Int64)),
            former.sort("id", descending=True).select("record", "contents", source="id"),
        ]
    ).unique(["record", "contents"], keep="first", maintain_order=True)
    last = last.join(contents, ["record", "contents"])
    deletions = _deletions(pl.concat([own, former]), last)
    found = own.select("record", before="run", deleted="deletion")
    found = found.join(last, "record", "left").join(deletions, "record", "left")
    same = pl.col("source").is_null() & pl.col("before").eq_missing(pl.col("run"))
    same &= pl.col("deleted").eq_missing(pl.col("deletion"))
    return found.filter(~same).select(
        "record", "source", "run", "line", "deletion", was_live=pl.col("deleted").is_null()
    )


def _rows(found: QuerySet[Any]) -> pl.DataFrame:
    """Rows of `_ROW`, with `contents` in place of `key`."""
    asked = found.order_by().annotate(key=Cast("content_key", TextField())).values_list(*_ROW)
    key = pl.col("key").str.replace_all("-", "", literal=True).str.decode("hex")
    frame = bulk_read.frame_at_once(_ROW, *asked.query.sql_with_params(), using=asked.db)
    return frame.with_columns(_digest(key).alias("contents")).drop("key")


def _revisions(agency: Agency, records: pl.Series) -> pl.DataFrame:
    if records.is_empty():
        return pl.DataFrame(schema=_OWN)
    revisions: QuerySet[Any] = RecordRevision.objects.filter(agency=agency)
    if len(records) <= _FEW:
        return _rows(revisions.filter(record__in=records.to_list()))
    parts = []
    for some in records.alias("record").sort().to_frame().iter_slices(_MANY):
        first, last = some["record"].first(), some["record"].last()
        between = revisions.filter(record__gte=first, record__lte=last)
        parts.append(_rows(between).join(some, "record", "semi"))
    return pl.concat(parts)


def _runs(agency: Agency, without: int) -> pl.DataFrame:
    """The imports of an agency, and whether what they brought counts."""
    done = ImportRun.objects.filter(
        agency=agency, state=State.COMPLETED, dry_run=False, source__in=(Source.FILE, *CREDITED)
    )
    asked = done.order_by("pk").values_list(
        "pk", "same_as", "edition", "source", "released_at", "created", "updated"
    )
    return pl.DataFrame(
        [
            (pk, same_as or pk, edition, source, released is None and pk != without, bool(c or u))
            for pk, same_as, edition, source, released, c, u in asked
        ],
        _RUN,
        orient="row",
    )


def _last_holders(
    agency: Agency, own: pl.DataFrame, former: pl.DataFrame, runs: pl.DataFrame, *, credited: bool
) -> pl.DataFrame:
    """Who holds each record last: record, run, line, contents, and `since` (the edition from which
    on a deletion still holds)."""
    roots = runs.select("run", "root")
    named = pl.concat([own, former]).join(roots, "run")
    names = ["record", "root", "line", "contents"]
    counting = runs.filter("counts").group_by("root").agg(member=pl.col("run").min())
    counting = counting.join(runs.drop("root", "counts"), left_on="root", right_on="run")
    held = _held(agency, set(counting["root"]), own["record"])
    holders = pl.concat([named.select(names), held.select(names)])
    holders = holders.unique(["record", "root"]).join(counting, "root")
    holders = holders.join(_withdrawals(agency), "record", "left")
    given = pl.col("source").is_in([source.value for source in CREDITED])
    if not credited:
        holders = holders.filter(~given)
    taken_back = given & (pl.col("edition") < pl.col("withdrawn"))
    holders = holders.filter(~taken_back.fill_null(value=False))
    # A file brings back what was deleted; what is credited leaves it deleted.
    brought = pl.col("edition").filter(pl.col("source") == Source.FILE.value).max()
    return (
        holders.sort("record", "edition", ~pl.col("changed"), "root")
        .group_by("record", maintain_order=True)
        .agg(
            pl.col("member").last().alias("run"),
            pl.col("line", "contents").last(),
            brought.fill_null(pl.col("edition").min()).alias("since"),
        )
    )


def _held(agency: Agency, roots: set[int], records: pl.Series) -> pl.DataFrame:
    """Records of these that the runs found unchanged."""
    wanted = records.alias("record").to_frame()
    parts = [pl.DataFrame(schema={**_HELD, "root": pl.Int64})]
    pieces = RunFile.objects.filter(run__agency=agency, kind=RunFile.Kind.HELD)
    for pk, run in pieces.order_by("pk").values_list("pk", "run"):
        if run in roots:
            part = run_files.unpack(RunFile.objects.get(pk=pk).opened()).join(
                wanted, "record", "semi"
            )
            parts.append(part.with_columns(root=pl.lit(run, pl.Int64)))
    return pl.concat(parts)


def _withdrawals(agency: Agency) -> pl.DataFrame:
    found = Withdrawal.objects.filter(agency=agency).values_list("record", "edition")
    frame = pl.DataFrame(list(found), _WITHDRAWAL, orient="row")
    return frame.group_by("record").agg(pl.col("withdrawn").max())


def _deletions(rows: pl.DataFrame, last: pl.DataFrame) -> pl.DataFrame:
    """By whose deletion a record will be deleted: record, deletion.

    What people deleted and restored since the last that brings a record is done again in order:
    only what is live is deleted, and only what that deletion took is restored.
    """
    pairs = rows.select("record", "deletion").drop_nulls().unique()
    by_hand = Deletion.objects.filter(run=None, duplicates=False)
    known = by_hand.filter(pk__in=pairs["deletion"].unique().to_list())
    asked = known.values_list("pk", "edition", "restored_edition")
    deletions = pl.DataFrame(list(asked), _DELETION, orient="row")
    steps = pairs.join(deletions, "deletion").join(last.select("record", "since"), "record")
    steps = steps.filter(pl.col("edition") > pl.col("since"))
    alone = pl.len().over("record") == 1
    once = steps.filter(alone & pl.col("restored_edition").is_null()).select("record", "deletion")
    several = steps.filter(~alone).sort("record").rows_by_key("record", named=True)
    again = {record: _replayed(actions) for record, actions in several.items()}
    rest = [(record, deletion) for record, deletion in again.items() if deletion]
    schema = {"record": pl.Int64, "deletion": pl.Int64}
    return pl.concat([once, pl.DataFrame(rest, schema, orient="row")])


def _replayed(actions: list[dict[str, Any]]) -> int | None:
    """Which of some deletions (and restorings) of one record is in force at the end."""
    steps = [(one["edition"], one["deletion"], True) for one in actions]
    steps += [(one["restored_edition"], one["deletion"], False) for one in actions]
    now: int | None = None
    for _, deletion, deletes in sorted(step for step in steps if step[0] is not None):
        if deletes and now is None:
            now = deletion
        elif not deletes and now == deletion:
            now = None
    return now


# --- Carrying it out -----------------------------------------------------------------------------

_TABLE = "undo_change"
_TOUCHED = RawSQL("SELECT record_id FROM undo_change", [])
_GOING = RawSQL("SELECT record_id FROM undo_change WHERE run_id IS NULL", [])
_CONTENTS = [name for name in bulk_write.CONTENTS if name not in {"run_id", "line", "deletion_id"}]
_WHO = "run_id = c.run_id, line = c.line, deletion_id = c.deletion_id"


def carry_out(
    planned: Plan, *, reason: str, by: Account, run: ImportRun | None, at: datetime
) -> Deletion | None:
    """Do what was planned, in the caller's transaction and under the agency's lock.

    Returns the deletion of what goes, if anything does.  `run` is whose taking back this is.
    """
    if planned.changes.is_empty():
        return None
    touched = Record.objects.filter(agency=planned.agency, pk__in=_TOUCHED)
    with connection.cursor() as cursor:
        _load(cursor, planned.changes)
        change = _changed_totals(planned.agency)
        cursor.execute(
            f"{bulk_write.KEEP_HISTORY} JOIN {_TABLE} c ON c.record_id = r.id"
            " WHERE r.agency_id = %s AND (c.run_id IS NOT NULL OR r.deletion_id IS NOT NULL)",
            [None, at, planned.agency.pk],
        )
        contents = ", ".join(f"{name} = v.{name}" for name in _CONTENTS)
        cursor.execute(
            f"UPDATE hours_record AS r SET {contents}, {_WHO} FROM {_TABLE} c"  # noqa: S608
            " JOIN hours_recordrevision v ON v.id = c.source_id"
            " WHERE c.record_id = r.id AND r.agency_id = %s AND v.agency_id = %s",
            [planned.agency.pk, planned.agency.pk],
        )
        cursor.execute(
            f"UPDATE hours_record AS r SET {_WHO} FROM {_TABLE} c WHERE c.record_id = r.id"  # noqa: S608
            " AND c.source_id IS NULL AND c.run_id IS NOT NULL AND r.agency_id = %s",
            [planned.agency.pk],
        )
        deletion = _remove(planned.agency, reason=reason, by=by, run=run, at=at)
        change.take_effect() or totals.begin_edition([planned.agency.pk])
        ended = touched.aggregate(first=Min("ended_on"), last=Max("ended_on"))
        cursor.execute(f"DROP TABLE {_TABLE}")
    duplicates.settle(planned.agency, **ended)
    return deletion


def _changed_totals(agency: Agency) -> totals.Change:
    """Effect of the planned changes in the table on the totals: of records that stay live only
    those whose contents change."""
    counted = [*totals.READ]
    before, after = ([f"{one}.{name}" for name in counted] for one in "rv")
    is_live = "(c.run_id IS NOT NULL AND c.deletion_id IS NULL)"
    columns = [
        *("r.account_id", f"CASE WHEN {is_live} THEN 1 ELSE 0 END"),
        "CASE WHEN r.deletion_id IS NULL THEN 1 ELSE 0 END",
        *before,
        *(f"coalesce({new}, {old})" for new, old in zip(after, before, strict=True)),
    ]
    differ = " OR ".join(f"{new} <> {old}" for new, old in zip(after, before, strict=True))
    kinds = {
        **dict.fromkeys(("account_id", "comes", "goes"), pl.Int64),
        **totals.READ,
        **{f"new_{name}": kind for name, kind in totals.READ.items()},
    }
    statement = (
        f"SELECT {', '.join(columns)} FROM {_TABLE} c"  # noqa: S608
        " JOIN hours_record r ON r.id = c.record_id AND r.agency_id = %s"
        " LEFT JOIN hours_recordrevision v ON v.id = c.source_id AND v.agency_id = %s"
        f" WHERE (r.deletion_id IS NULL OR {is_live})"
        f" AND (NOT (r.deletion_id IS NULL AND {is_live}) OR {differ})"
    )
    found = bulk_read.frame_at_once(kinds, statement, [agency.pk] * 2, using=DEFAULT_DB_ALIAS)
    change = totals.Change()
    change.take_loaded(found.filter(goes=1).select("account_id", *counted))
    new = [pl.col(f"new_{name}").alias(name) for name in counted]
    change.add_loaded(found.filter(comes=1).select("account_id", *new))
    return change


def _load(cursor: Any, changes: pl.DataFrame) -> None:
    cursor.execute(f"DROP TABLE IF EXISTS {_TABLE}")
    cursor.execute(
        f"CREATE TEMPORARY TABLE {_TABLE} (record_id bigint, source_id bigint, run_id bigint,"
        " line bigint, deletion_id bigint)"
    )
    names = ("source", "run", "deletion")
    columns = {f"{name}_id": name for name in names}
    bulk_write.load(_TABLE, changes.select("line", record_id="record", **columns))
    bulk_write.make_keyed(cursor, _TABLE, "record_id")


def _remove(
    agency: Agency, *, reason: str, by: Account, run: ImportRun | None, at: datetime
) -> Deletion | None:
    """Put what nobody holds any more into a deletion that no restoring brings back."""
    going = Record.objects.filter(agency=agency, pk__in=_GOING)
    numbers = going.aggregate(count=Count("pk"), people=Count("account", distinct=True))
    if not numbers["count"]:
        return None
    deletion = Deletion.objects.create(
        agency=agency, at=at, reason=reason, by=by.username, by_name=by.name, run=run, **numbers
    )
    going.update(deletion=deletion)
    return deletion
