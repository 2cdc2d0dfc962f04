"""機關審核作業: all that waits for a person, the most urgent first.

Owns no data: each thing keeps its own state, and is decided by its own actions.  A source asks one
kind of thing, in a fixed number of queries; `queue_item` says what it yields.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone

from ismp.accounts import separation
from ismp.accounts.models import Account
from ismp.accounts.roles import Right
from ismp.applications.models import Delegation
from ismp.reviews.queue_item import Change, Deciding, ReviewBrief, Waiting, due_of
from ismp.reviews.sources import learning as sources_learning
from ismp.reviews.sources import people as sources_people
from ismp.security.devices.actions import decisions as decision_actions
from ismp.security.incidents import actions as incident_actions
from ismp.security.incidents.levels import STEPS, Step
from ismp.security.models import (
    Address,
    Decision,
    Device,
    Incident,
    IncidentState,
    TimeLimit,
)
from ismp.security.reminders import end_of
from ismp.ui.text.roc_dates import roc_date


def waiting_for(user: Account) -> list[Waiting]:
    """Overdue first, then by time limit; what has none comes last, the oldest first."""
    own = separation.conflicts(user)
    found = [one for source in SOURCES for one in source(user) if one.is_for(own)]
    keys = {one.key for one in found if one.deciding}
    for delegation in principals_of(user):
        both = separation.conflicts(user, delegation.principal)
        for one in _of_principal(delegation.principal):
            if one.key not in keys and not one.barred & both:
                keys.add(one.key)
                found.append(one)
    never = timezone.now() + timedelta(days=36_500)
    return sorted(found, key=lambda one: (one.due or never, one.since))


def decides(user: Account) -> bool:
    """Whether items may wait for this person, not only for a delegate of somebody."""
    return user.may(Right.EDIT_PEOPLE) or user.may(Right.EDIT_SECURITY)


def principals_of(user: Account) -> list[Delegation]:
    """In whose place this person decides today."""
    return list(Delegation.objects.held_by(user))


def _of_principal(principal: Account) -> Iterator[Waiting]:
    """Items that a delegate may decide: those decided in the queue, not handled elsewhere."""
    for source in SOURCES:
        for one in source(principal):
            if one.deciding and not one.deciding.in_person:
                yield replace(one, in_place_of=principal)


_NEXT: dict[str, tuple[Right, Step | None, str]] = {
    IncidentState.DRAFT: (Right.EDIT_SECURITY, Step.REPORT, STEPS[Step.REPORT]),
    IncidentState.RETURNED: (Right.EDIT_SECURITY, Step.REPORT, "補正後再通報"),
    IncidentState.REPORTED: (Right.REVIEW_SECURITY, Step.REVIEW, STEPS[Step.REVIEW]),
    IncidentState.HANDLING: (Right.EDIT_SECURITY, Step.CONTROL, STEPS[Step.CONTROL]),
    IncidentState.RECOVERED: (Right.EDIT_SECURITY, Step.FINAL_REPORT, STEPS[Step.FINAL_REPORT]),
    IncidentState.FINAL: (Right.REVIEW_SECURITY, None, "結案審查"),
}
"""What is next for an incident: who does it, which clock runs, in which words."""


def _incidents(user: Account) -> Iterator[Waiting]:
    """Handlers do what is their agency's, reviewers what any agency has reported."""
    clocks = [line.clock for line in TimeLimit.objects.all()]
    seen = list(Incident.objects.visible_to(user).open().select_related("agency"))
    judged = [one for one in seen if _NEXT[one.state][0] is Right.REVIEW_SECURITY]
    handlers = incident_actions.handlers_of(judged) if user.may(Right.REVIEW_SECURITY) else {}
    agencies = user.agency_ids()
    for incident in seen:
        right, step, words = _NEXT[incident.state]
        foreign = right is Right.EDIT_SECURITY and incident.agency_id not in agencies
        if foreign or not user.may(right):
            continue
        limits = {limit.step: limit.at for limit in incident.limits(clocks)}
        drill = "（演練）" if incident.is_drill else ""
        yield Waiting(
            kind=f"資安事件{drill}：{words}",
            title=f"{incident.number} {incident.title}",
            agency=incident.agency.name,
            since=incident.known_at,
            due=limits.get(step) if step else None,
            address=incident.get_absolute_url(),
            barred=handlers.get(incident.pk, frozenset()),
        )


def _exceptions(user: Account) -> Iterator[Waiting]:
    """Exceptions for restricted devices that somebody else has proposed."""
    if not user.may(Right.EDIT_SECURITY):
        return
    pending = Decision.objects.filter(
        state=Decision.State.PENDING, device__in=Device.objects.visible_to(user)
    )
    for decision in pending.exclude(made_by=user).select_related("device__agency", "made_by"):
        yield Waiting(
            kind="例外留用核可",
            title=str(decision.device),
            agency=decision.device.agency.name,
            since=decision.made_at,
            due=due_of(_EXCEPTION.name, decision.made_at),
            address=reverse("reviews:item", args=[_EXCEPTION.name, decision.pk]),
            thing=decision,
            deciding=_EXCEPTION,
            barred=frozenset({decision.made_by_id}),
        )


def _of_exception(decision: Decision) -> ReviewBrief:
    until = roc_date(decision.expires_on)
    facts = [
        ("設備", decision.device),
        ("機關", decision.device.agency),
        ("提出人", decision.made_by.name),
        ("留用理由", decision.reason),
        ("補償措施", decision.measure),
        ("有效期限", until),
    ]
    changes = [Change("處置", "待核可", f"例外留用到 {until}")]
    return ReviewBrief(facts, changes, ["到期後自動失效，要再決定汰換或重新申請留用。"])


_EXCEPTION = Deciding("exception", decision_actions.approve, _of_exception)


def _advisories(user: Account) -> Iterator[Waiting]:
    """Advisories that one's own agency has not answered."""
    if not user.may(Right.EDIT_SECURITY):
        return
    addressed = Address.objects.visible_to(user).waiting().filter(agency=user.agency_id)
    waiting = list(addressed.select_related("advisory", "agency"))
    names = {address.addressed_by for address in waiting}
    publishers = dict(Account.objects.filter(username__in=names).values_list("username", "pk"))
    for address in waiting:
        advisory: Any = address.advisory
        yield Waiting(
            kind="情資回覆",
            title=advisory.title,
            agency=address.agency.name,
            since=advisory.published_at,
            due=end_of(address.due_on) if address.due_on else None,
            address=reverse("addresses:page", args=[address.pk]),
            barred=frozenset({publishers.get(address.addressed_by, 0)}),
        )


SOURCES: tuple[Callable[[Account], Iterator[Waiting]], ...] = (
    _incidents,
    _exceptions,
    _advisories,
    sources_people.applications,
    sources_people.transfers,
    sources_people.identity_changes,
    sources_people.password_resets,
    sources_people.person_links,
    sources_learning.claims,
    sources_learning.sign_ups,
)
