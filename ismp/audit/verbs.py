"""Every verb of the audit trail as an object, declared once in the `verbs.py` of the app whose
actions record it:

    APPROVE_CLAIM = Verb("approve_claim", "認列外部時數", boards=NONE, reviews=AGENCY)

    trail.record(verbs.APPROVE_CLAIM, …)

What 稽核軌跡 calls it, the filter there, docs/reference/audit-verbs.md and what is kept until an
action (ADR 13, 18) derive from that line.  `AuditConfig.ready` collects the declarations, so that
nobody has to list them.  One file for each app, not one beside each action: whoever adds a verb
sees the words and the effects of its neighbours.
"""

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from enum import Enum


class Reach(Enum):
    """The cached figures that an action may change."""

    NONE = "nobody's"
    AGENCY = "its agency's"
    """Those of the agency that the event names, and of whoever leans on it."""
    ALL = "everybody's"


NONE, AGENCY, ALL = Reach.NONE, Reach.AGENCY, Reach.ALL


class Topic(Enum):
    """Values cached in memory until one of the few verbs that rewrite them.

    Named here, because who rewrites it and who keeps it may stand in different packages.
    """

    RULES = "rules"
    """Duties and policy in force."""
    GRADES = "grades"
    """責任等級 of agencies."""
    MERGERS = "mergers"
    """Which agencies were merged into which."""
    TEXTS = "texts"
    """The texts of the site."""


@dataclass(frozen=True)
class Verb:
    """A verb of the trail: its label, and the cached figures that it invalidates."""

    name: str
    """As it is stored and signed: never changed, or old events lose their words."""
    label: str
    """Its words in 稽核軌跡."""
    _: KW_ONLY
    boards: Reach
    """Whose 達標狀況 may be another one after it.  Nothing is assumed: an omission would leave
    boards stale without a word (`compliance.dashboards.cached`)."""
    reviews: Reach
    """Whose number of things that wait in 機關審核作業 may be (`reviews.context_processors`)."""
    rewrites: Topic | None = None


_declared: dict[str, Verb] = {}


def declare(verbs: Iterable[Verb]) -> None:
    """Add an app's verbs.  Raises ValueError for a name that is declared already."""
    for verb in verbs:
        if _declared.setdefault(verb.name, verb) is not verb:
            raise ValueError(f"two verbs are called {verb.name}")


def every() -> list[Verb]:
    """Return all declared verbs, from the lowest app up, each app's in the order of its file."""
    return list(_declared.values())


def find(name: str) -> Verb:
    """Return the verb that an event names.

    One that is not declared here, left by another version of the platform, counts as one that
    concerns everybody and rewrites everything.
    """
    return _declared.get(name) or Verb(name, name, boards=ALL, reviews=ALL)


def rewrites(verb: Verb, topic: Topic) -> bool:
    """Return whether what is kept about the topic no longer holds after the verb."""
    return verb.rewrites is topic or verb.name not in _declared
