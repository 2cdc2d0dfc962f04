"""Changes that an import makes in the standing of its agency's people: before and after; and those
that additional hours would make for some people.

Both sides are computed as known just before and just after the import, so the answer stays the
same however late it is asked for.  A trial's is predicted from the rows that it kept.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
from django.db.models import Q
from django.utils import timezone

from ismp.accounts.models import Account
from ismp.compliance.rules import arithmetic
from ismp.compliance.standing import table
from ismp.compliance.standing.table import InForce, Line
from ismp.hours.models import Record, RecordRevision
from ismp.imports import run_files
from ismp.imports.models import ImportRun, RunFile

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Effect:
    """Account numbers of those behind before and after, among so many who owe hours."""

    people: int
    before: frozenset[int]
    after: frozenset[int]

    @property
    def done(self) -> list[int]:
        """Who is no longer behind."""
        return sorted(self.before - self.after)

    @property
    def fallen(self) -> list[int]:
        """Who is behind now: the file took hours back."""
        return sorted(self.after - self.before)


def of_run(run: ImportRun) -> Effect | None:
    """None when nobody can tell (any more): the file was not taken, or a trial's rows are gone."""
    moment, changes = run.finished_at, bool(run.created or run.updated)
    rows = run_files.load_frame(run, RunFile.Kind.ROWS) if run.dry_run and changes else None
    if moment is None or (run.dry_run and changes and rows is None):
        return None
    on = timezone.localdate(moment)
    in_force = InForce.on(on, moment)
    people = table.people_of(Q(agency=run.agency), on, moment)
    before = table.judged(
        people, table.done_by(people, in_force.policy, on, moment - _INSTANT), in_force, on
    )
    if not changes:
        same = frozenset(table.behind(before))
        return Effect(before["account"].n_unique(), same, same)
    touched = set(rows["account"].drop_nulls()) if rows is not None else _accounts(run)
    persons = people.filter(pl.col("account").is_in(touched)).select("person")
    changed = people.join(persons, on="person", how="semi")
    if rows is None:
        done = table.done_by(changed, in_force.policy, on, moment)
    else:
        done = _predicted(run, rows, changed, arithmetic.window(2, in_force.policy, on).start)
    after = pl.concat(
        [
            before.join(changed, on="account", how="anti"),
            table.judged(changed, done, in_force, on),
        ]
    )
    return Effect(
        before["account"].n_unique(),
        frozenset(table.behind(before)),
        frozenset(table.behind(after)),
    )


def _accounts(run: ImportRun) -> set[int]:
    """The people whose records the import created or changed."""
    standing_still = Record.objects.filter(agency=run.agency, run=run).values_list("account")
    changed_since = RecordRevision.objects.filter(agency=run.agency, run=run)
    both = {account for (account,) in standing_still}
    return both | set(changed_since.values_list("record__account", flat=True))


def _predicted(
    run: ImportRun, rows: pl.DataFrame, people: pl.DataFrame, first: date
) -> pl.DataFrame:
    """The hours of these people, with the accepted rows in place of the stored ones."""
    accounts = table.accounts_of(people, run.finished_at)
    on = timezone.localdate(run.finished_at)
    stored = table.events_of(accounts["account"], first, on, run.finished_at)
    passed = rows.filter(pl.col("outcome") != "rejected").select(
        "account",
        pl.lit(run.agency_id, pl.Int64).alias("agency"),
        pl.col("category_code").cast(pl.Int64).alias("of_category"),
        pl.col("end").alias("ended_on"),
        pl.col("event_key").bin.encode("hex").alias("event"),
        pl.col("hours_m").alias("hours"),
    )
    in_time = passed.filter(pl.col("ended_on").is_between(first, on))
    event = ["account", "agency", "event"]
    kept = stored.join(passed, on=event, how="anti").join(_set_aside(run), on=event, how="anti")
    events = pl.concat([kept, in_time]).join(accounts, on="account")
    return table.summed(events, on)


def _set_aside(run: ImportRun) -> pl.DataFrame:
    """The events of our own courses that the trial found 可能重複, and would not count twice."""
    records = Record.objects.filter(agency=run.agency, pk__in=run.notes.get("set_aside", []))
    rows = [
        (account, agency, event.hex)
        for account, agency, event in records.values_list("account", "agency", "event_key")
    ]
    schema = {"account": pl.Int64, "agency": pl.Int64, "event": pl.String}
    return pl.DataFrame(rows, schema, orient="row")


def of_hours(
    accounts: Iterable[Account], *, category: int, ended_on: date, hours: int
) -> dict[int, list[tuple[Line, Line]]]:
    """Each duty of these people today, without these hours (thousandths) and with them.

    By the account's number; who owes nothing is not in it.
    """
    on = timezone.localdate()
    in_force = InForce.on(on)
    people = table.people_of(Q(account__in=accounts), on)
    done = table.done_by(people, in_force.policy, on)
    first = arithmetic.window(2, in_force.policy, on).start
    more = people.select(pl.col("person").unique()).with_columns(
        of_category=pl.lit(category, pl.Int64),
        this_year=pl.lit(hours if ended_on.year == on.year else 0, pl.Int64),
        two_years=pl.lit(hours, pl.Int64),
    )
    more = more if first <= ended_on <= on else more.clear()
    sums = pl.concat([done.select(more.columns), more])
    sums = sums.group_by("person", "of_category").agg(pl.col("this_year", "two_years").sum())
    before, after = (table.judged(people, one, in_force, on) for one in (done, sums))
    found = defaultdict(list)
    for one, other in zip(before.iter_rows(named=True), after.iter_rows(named=True), strict=True):
        found[one["account"]].append((Line(**one), Line(**other)))
    return found
