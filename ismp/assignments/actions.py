"""指派課程 to those who lack its hours: who would get it, before and when it is done.

What the preview shows is what happens: both come from the same plan, and the action refuses when
the plan has changed since it was seen.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from ismp.accounts.models import Account, Agency
from ismp.compliance.people import listing as people_listing
from ismp.compliance.people.listing import Person
from ismp.courses import actions
from ismp.courses.models import Course, Enrollment, Kind, Way
from ismp.errors import ActionRefused
from ismp.hours.portal_import.layout import CATEGORIES
from ismp.security.incidents import actions as incident_actions
from ismp.security.models import Incident


@dataclass(frozen=True)
class Plan:
    """Who of those that were chosen gets the course, and who is in it already."""

    course: Course
    people: list[Person]
    taking: list[Person]
    not_behind: int
    """How many lack nothing that the course gives."""

    @property
    def digest(self) -> str:
        """The same for the same course and people only."""
        shown = (self.course.pk, sorted(person.account for person in self.people))
        return hashlib.sha256(repr(shown).encode()).hexdigest()


def offered_in(agency: Agency) -> QuerySet[Course]:
    """The online courses that people of an agency may take and that count towards a duty."""
    duties = [str(category) for category in CATEGORIES]
    offered = Course.objects.offered_in(agency.pk)
    return offered.filter(kind=Kind.ONLINE, category__in=duties).order_by("category", "title")


def plan(
    agency: Agency, search: dict[str, Any], course: Course, *, everybody: bool = False
) -> Plan:
    """Of the people found by `search` (see `people.chosen`) those behind, today, in a duty that the
    course's category closes; after an incident everybody who was chosen."""
    found = people_listing.chosen(
        people_listing.people_table(agency, timezone.localdate()), **search
    )
    fitting = [one for one in found if everybody or _closes(course, one)]
    taking = actions.already_in(course, [person.account for person in fitting])
    return Plan(
        course,
        people=[person for person in fitting if person.account not in taking],
        taking=[person for person in fitting if person.account in taking],
        not_behind=len(found) - len(fitting),
    )


def _closes(course: Course, person: Person) -> bool:
    return any(course.category in line.category.split("+") for line in person.behind)


@transaction.atomic
def assign(
    agency: Agency,
    search: dict[str, Any],
    course: Course,
    *,
    seen: str,
    incident: Incident | None = None,
    by: Account,
) -> list[Enrollment]:
    """Enrol these people; `seen` is the digest of the plan that `by` has looked at.

    After an incident it is noted in its timeline.  Raises ActionRefused when nobody is left, or if
    the plan is another one by now.
    """
    # Two who press the button at once take turns, so that the second finds nobody left.
    Agency.objects.select_for_update(no_key=True).get(pk=agency.pk)
    if incident:
        incident_actions.hold(incident)  # before the first event: who records waits for nothing
    now = plan(agency, search, course, everybody=incident is not None)
    if not now.people:
        raise ActionRefused("選取的同仁都不必再指派：時數已達標，或已在修課、今年已完成。")
    if now.digest != seen:
        raise ActionRefused("名單或時數在您預覽之後有變動，還沒有指派；請看過新的預覽再按一次。")
    accounts = Account.objects.filter(pk__in=[person.account for person in now.people])
    made = actions.enroll(course, accounts, way=Way.DUTY, by=by)
    if incident:
        incident_actions.note_training(incident, f"「{course}」指派 {len(made)} 人", by=by)
    return made
