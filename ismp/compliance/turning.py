"""Who turns red or green when the rules change, told before they do.

Judges everybody's hours of today, as if what is proposed were in force today.
"""

from dataclasses import dataclass

from django.utils import timezone

from ismp.compliance import standing
from ismp.compliance.standing import InForce


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
