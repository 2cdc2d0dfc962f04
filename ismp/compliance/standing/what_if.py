"""Preview of the lights that change when rules or a person's posting change.

Judges the hours of today, as if what is proposed were in force today.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass

import polars as pl
from django.db.models import Q
from django.utils import timezone

from ismp.accounts.identities import members
from ismp.accounts.models import Account, Agency
from ismp.compliance.dashboards import aggregates
from ismp.compliance.models import categories_text, duty_title
from ismp.compliance.rules import arithmetic
from ismp.compliance.standing import table
from ismp.compliance.standing.one_person import grade_of
from ismp.compliance.standing.table import InForce, Line

NOT_OBLIGED = ""
"""The light of whoever owes nothing."""


@dataclass(frozen=True)
class Impact:
    """How many stand how before and after, by light; and who stands otherwise after."""

    before: Counter[str]
    after: Counter[str]
    people: dict[tuple[str, str], list[int]]
    """Account numbers by (light before, light after): that of the worst duty of a person."""


def impact(proposed: InForce, now: InForce) -> Impact:
    """Compare how people stand today by `proposed` with how they do by `now`."""
    today = timezone.localdate()
    people = table.people_of(table.EVERYBODY, today)

    def lights(in_force: InForce) -> dict[int, str]:
        done = table.done_by(people, in_force.policy, today)
        lines = table.judged(people, done, in_force, today)
        worst = lines.with_columns(rank=aggregates.rank()).group_by("account").agg(pl.max("rank"))
        found = dict.fromkeys(people["account"].to_list(), NOT_OBLIGED)
        return found | {account: aggregates.WORST_LAST[rank] for account, rank in worst.iter_rows()}

    before, after = lights(now), lights(proposed)
    changed: dict[tuple[str, str], list[int]] = defaultdict(list)
    for account in sorted(before):
        if before[account] != after[account]:
            changed[before[account], after[account]].append(account)
    return Impact(Counter(before.values()), Counter(after.values()), dict(changed))


def of_person_if(
    account: Account, *, identities: str = "", agency: Agency | None = None
) -> tuple[list[Line], list[Line]]:
    """Compare a person's duties with those under other identities or in another agency."""
    today = timezone.localdate()
    in_force = InForce.on(today)
    people = table.people_of(Q(account=account), today)
    changed = people.with_columns(identities=pl.lit(identities)) if identities else people
    if agency:
        changed = changed.with_columns(
            agency=pl.lit(agency.pk, pl.Int64),
            grade=pl.lit(grade_of(agency.pk, today)),
        )
    done = table.done_by(people, in_force.policy, today)

    def lines(whom: pl.DataFrame) -> list[Line]:
        judged = table.judged(whom, done, in_force, today)
        return [Line(**row) for row in judged.iter_rows(named=True)]

    return lines(people), lines(changed)


def duties_of(identities: str, agency: Agency) -> list[tuple[str, int]]:
    """Duties of somebody who is not here yet: the title of each, and its hours."""
    today = timezone.localdate()
    in_force, grade = InForce.on(today), grade_of(agency.pk, today)
    owed = arithmetic.owed(members(identities), grade, in_force.duties, in_force.policy, today)
    return [(duty_title(categories_text(one.categories), one.years), one.hours) for one in owed]
