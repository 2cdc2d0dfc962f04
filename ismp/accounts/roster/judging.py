"""Lines of a roster against what is stored at this moment."""

from collections.abc import Collection
from dataclasses import dataclass

from django.utils import timezone

from ismp.accounts import timeline
from ismp.accounts.models import Account, Posting
from ismp.accounts.roles import Right
from ismp.accounts.roster import changes as roster_changes
from ismp.accounts.roster.changes import SERVICE, LineChange, Places
from ismp.accounts.roster.checks import (
    AGAINST_WORLD,
    LATER_ENTRY,
    MEANWHILE,
    NO_RIGHT,
    Check,
    World,
)
from ismp.accounts.roster.lines import Line
from ismp.accounts.roster.reading import Entry, Roster
from ismp.ui.reading import row_checks
from ismp.ui.reading.faults import Fault


def fault_of(line: Line, check: Check, about: str = "") -> Fault:
    return Fault(line.number, check, line.cells, about, check.columns)


# --- Judging -------------------------------------------------------------------------------------


@dataclass
class Judged:
    """Some lines against what is stored at this moment."""

    found: Roster
    changes: list[LineChange]
    known: dict[str, Account]
    places: Places
    sender: Account | None

    def compare(self, before: dict[int, LineChange]) -> list[Fault]:
        """Keep of each change what the line changed when it was judged `before` too; return the
        faults of lines that change what somebody else has changed since."""
        faults = []
        for number, now in enumerate(self.changes):
            line = now.entry.line
            self.changes[number], words = roster_changes.since(before[line], now)
            if words:
                faults.append(fault_of(self.found.line(line), MEANWHILE, "、".join(words)))
        return faults

    def faults(self, usernames: Collection[str], but: Collection[int] = ()) -> list[Fault]:
        """One for each line that what is stored does not admit; `usernames` are those that the
        lines are of, small letters.  Says nothing of the lines `but` these."""
        chosen = [one for one in self.changes if one.entry.line not in but]
        takes = {one.entry.line: one.takes for one in chosen if one.takes}
        world = World(
            self.sender,
            {code: agency.name for code, agency in self.places.agencies.items()},
            self.known,
            takes,
            roster_changes.holders(takes.values(), usernames),
            {one.entry.line: [title for title, *_ in one.changes] for one in chosen},
            _closed(self.places),
        )
        later = self._later(chosen)
        faults = (self._fault(one, world, later) for one in chosen)
        return [fault for fault in faults if fault]

    def _fault(self, one: LineChange, world: World, later: set[int]) -> Fault | None:
        line = self.found.line(one.entry.line)
        if self.sender and not _may(self.sender):
            return fault_of(line, NO_RIGHT)
        if fault := row_checks.first_fault(AGAINST_WORLD, line, world):
            return fault
        if one.account.pk not in later:
            return None
        words = str(timeline.later_than(one.account, timezone.localdate())[0])
        return fault_of(line, LATER_ENTRY, words)

    def _later(self, chosen: list[LineChange]) -> set[int]:
        """The accounts whose service would change, and has an entry for a day to come: one of
        today would not reach beyond it."""
        keys = [one.account.pk for one in chosen if one.account.pk and SERVICE & one.fields.keys()]
        if not keys:
            return set()
        later = Posting.objects.standing().filter(since__gt=timezone.localdate())
        return set(later.values_list("account", flat=True)) & set(keys)


def judge(
    found: Roster,
    entries: list[Entry],
    known: dict[str, Account],
    places: Places,
    sender: Account | None,
) -> Judged:
    every = [
        roster_changes.line_change(one, known.get(one.username.lower()), places) for one in entries
    ]
    return Judged(found, every, known, places, sender)


def _may(sender: Account) -> bool:
    return sender.is_active and sender.may(Right.EDIT_PEOPLE)


def _closed(places: Places) -> dict[str, str]:
    today = timezone.localdate()
    reasons = {code: one.why_closed(today) for code, one in places.agencies.items()}
    return {code: reason.removesuffix("。") for code, reason in reasons.items() if reason}
