"""Who turns red or green when the rules change, or when a person serves otherwise, told before.

Judges the hours of today, as if what is proposed were in force today.
"""

from dataclasses import dataclass

import polars as pl
from django.db.models import Q
from django.utils import timezone

from ismp.accounts.identities import members
from ismp.accounts.models import Account, Agency
from ismp.compliance import rules, standing
from ismp.compliance.models import categories_text, duty_title
from ismp.compliance.person import grade_of
from ismp.compliance.standing import InForce, Line


@dataclass(frozen=True)
class Turning:
    """How many are behind before and after; account numbers of those who change sides."""

    before: int
    after: int
    green: list[int]
    red: list[int]


def turned_by(proposed: InForce) -> Turning:
    today = timezone.localdate()
    people = standing.people_of(standing.EVERYBODY, today)

    def behind(in_force: InForce) -> frozenset[int]:
        done = standing.done_by(people, in_force.policy, today)
        return frozenset(standing.behind(standing.judged(people, done, in_force, today)))

    before, after = behind(InForce.on(today)), behind(proposed)
    return Turning(len(before), len(after), sorted(before - after), sorted(after - before))


def of_person_if(
    account: Account, *, identities: str = "", agency: Agency | None = None
) -> tuple[list[Line], list[Line]]:
    """Her duties as they stand, and as they would with other identities or in another agency."""
    today = timezone.localdate()
    in_force = InForce.on(today)
    people = standing.people_of(Q(account=account), today)
    changed = people.with_columns(identities=pl.lit(identities)) if identities else people
    if agency:
        changed = changed.with_columns(
            agency=pl.lit(agency.pk, pl.Int64),
            grade=pl.lit(grade_of(agency.pk, today)),
            arrived_on=pl.lit(today),
        )
    done = standing.done_by(people, in_force.policy, today)

    def lines(whom: pl.DataFrame) -> list[Line]:
        judged = standing.judged(whom, done, in_force, today)
        return [Line(**row) for row in judged.iter_rows(named=True)]

    return lines(people), lines(changed)


def duties_of(identities: str, agency: Agency) -> list[tuple[str, int]]:
    """What somebody who is not here yet would owe: the title of each duty, and its hours."""
    today = timezone.localdate()
    in_force, grade = InForce.on(today), grade_of(agency.pk, today)
    owed = rules.owed(members(identities), grade, in_force.duties, in_force.policy, today)
    return [(duty_title(categories_text(one.categories), one.years), one.hours) for one in owed]
