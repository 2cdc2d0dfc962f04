"""Items of 機關審核作業, and how they are decided there.

A source (`queue.SOURCES`) yields one `Waiting` for each thing.  With a `Deciding` the thing is
decided on the page of the queue, alone or many at once, also by a delegate; without, on its own
page at `address`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from ismp.accounts.models import Account
from ismp.security.reminders import end_of


@dataclass(frozen=True)
class Change:
    """One value that an approval changes, before and after, with the colour of its tag."""

    title: str
    before: str
    after: str
    tone_before: str = ""
    tone_after: str = ""

    @property
    def is_one(self) -> bool:
        return self.before != self.after


@dataclass(frozen=True)
class ReviewBrief:
    """Brief for the decider: the facts, the changes of an approval, its consequences."""

    facts: list[tuple[str, Any]]
    changes: list[Change] = field(default_factory=list)
    follows: list[str] = field(default_factory=list)
    warning: str = ""
    """What to look at twice before deciding; empty when there is nothing."""
    obstacle: str = ""
    """Why it cannot be approved as it stands; empty when it can."""
    only_platform: str = ""
    """Why nobody but the platform can approve it; empty when whom it waits for can."""
    replaces: list[str] = field(default_factory=list)
    """Entries that stand in the way of an approval, unless the decider has them replaced."""


@dataclass(frozen=True)
class Deciding:
    """How things of one kind are decided: the action, and what is told before."""

    name: str
    """Of the kind, in addresses and in `settings.REVIEW_DAYS`."""
    action: Callable[..., Any]
    """action(thing, accept=…, comment=…, by=…, in_place_of=…); raises ActionRefused."""
    tells: Callable[[Any], ReviewBrief]
    comment_hint: str = "不同意時必填；申請人看得到。"
    """Who reads the comment."""
    after: Callable[[Any, Account], tuple[str, str] | None] | None = None
    """(what the action returned, who did it) → words and address of what is to be done next.
    Called after the decision is stored, outside of its transaction."""
    in_person: bool = False
    """Decided one by one, and by nobody's delegate."""


@dataclass(frozen=True)
class Waiting:
    """One thing to decide: what it is, whose, since when it waits and until when, and where."""

    kind: str
    title: str
    agency: str
    since: datetime
    due: datetime | None
    address: str
    thing: Any = None
    deciding: Deciding | None = None
    barred: frozenset[int] = frozenset()
    """Accounts that may not decide it, in nobody's place: whom it is about, who asked."""
    is_group: bool = False
    """Several people, each decided separately: a decider barred for some may decide the others."""
    in_place_of: Account | None = None
    """The principal of the delegate, when the item does not wait for the person directly."""

    @property
    def key(self) -> str:
        """By which a ticked box names it."""
        return f"{self.deciding.name}-{self.thing.pk}" if self.deciding else ""

    @property
    def many(self) -> bool:
        """Whether it can be decided together with others of its kind."""
        return self.deciding is not None and not self.deciding.in_person

    def is_for(self, conflicts: frozenset[int]) -> bool:
        """Whether it waits for somebody with these `separation.conflicts`."""
        if self.is_group:
            return bool(self.barred - conflicts)
        return not self.barred & conflicts

    def is_late(self, now: datetime) -> bool:
        return self.due is not None and self.due < now

    def decide(self, *, accept: bool, comment: str, replace: bool = False, by: Account) -> Any:
        """`replace` what stands in the way, where `ReviewBrief.replaces` names something."""
        if self.deciding is None:
            raise LookupError("it is decided on its own page")
        how: dict[str, Any] = {"replace": True} if replace else {}
        stead = self.in_place_of
        return self.deciding.action(
            self.thing, accept=accept, comment=comment, by=by, in_place_of=stead, **how
        )


def due_of(name: str, since: datetime) -> datetime:
    """The end of the last day within which a kind is to be decided."""
    day = timezone.localdate(since) + timedelta(days=settings.REVIEW_DAYS[name])
    return end_of(day)
