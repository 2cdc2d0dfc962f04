"""Bringing a roster in: judged whole while nothing is locked, then written in short pieces.

A piece holds its accounts, reads them anew and writes what its lines still change; so nobody waits
for longer than a piece takes, and what others changed since the judgement stays.  A line that is no
longer possible is a fault of the result; the others go on
(ADR 34).
"""

import time
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, connection, transaction

from ismp.accounts import verbs
from ismp.accounts.models import Account
from ismp.accounts.roster import changes as roster_changes
from ismp.accounts.roster import reading
from ismp.accounts.roster.changes import LineChange, Places
from ismp.accounts.roster.checks import (
    MEANWHILE,
)
from ismp.accounts.roster.judging import fault_of, judge
from ismp.accounts.roster.lines import Line
from ismp.accounts.roster.pieces import Group, pieces
from ismp.accounts.roster.writing import event_of, write
from ismp.audit import trail
from ismp.errors import ActionRefused
from ismp.ui.reading.faults import Fault

_PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class RosterLine:
    """The effect of a roster line on its account; `words` describe it to a reader."""

    line: int
    username: str
    name: str
    outcome: str
    """created | updated | unchanged."""
    words: str = ""


@dataclass(frozen=True)
class Taken:
    """Outcome of some lines: accepted with or without an effect, and rejected."""

    lines: list[RosterLine] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def numbers(self) -> set[int]:
        return {one.line for one in self.lines} | {one.line for one in self.faults}


@dataclass(frozen=True)
class RosterResult:
    """How many accounts the roster made, changed and left as they were; and line by line."""

    created: int
    updated: int
    unchanged: int
    lines: list[RosterLine]
    notes: dict[str, object]
    """Which columns were not there or not ours (`roster.Roster`)."""
    faults: list[Fault] = field(default_factory=list)
    """Of the lines that were no longer possible when their turn came."""

    @property
    def total(self) -> int:
        return len(self.lines) + len(self.faults)


class RosterImport:
    """A roster that was judged.  Its `pieces` are taken in their order, each within a transaction
    of its own: then `result` tells what became of its lines; before, what would.

    `done` is what an import that broke off has taken of the same file; it is not looked at again.
    Raises RosterRejected with every line at fault, or FileRejected; but never when some of
    it was taken already.
    """

    def __init__(
        self,
        data: bytes,
        *,
        sender: Account | None = None,
        subject: str = "",
        by: str,
        done: Taken | None = None,
    ) -> None:
        self._found, self._sender, self._subject, self._by = reading.read(data), sender, subject, by
        done = done or Taken()
        over = done.numbers
        entries = [entry for entry in self._found.entries if entry.line not in over]
        self._names = roster_changes.Names.from_entries(self._found.entries)
        known = roster_changes.stored(self._found.usernames)
        judged = judge(self._found, entries, known, Places(entries, self._names), sender)
        faults = judged.faults(self._found.usernames)
        if not over:
            self._found.faults += faults
            self._found.proven()
        guilty = {fault.line for fault in faults}
        passed = [one for one in judged.changes if one.entry.line not in guilty]
        changed = [one for one in passed if one.outcome != "unchanged"]
        self.pieces = list(pieces(changed))
        self._lines = {one.line: one for one in [*done.lines, *map(reported, passed)]}
        self._faults = [*done.faults, *faults]
        self._left = len(changed)
        still = [reported(one) for one in passed if one.outcome == "unchanged"]
        self._settled = Taken(still, faults)

    @property
    def result(self) -> RosterResult:
        lines = [self._lines[number] for number in sorted(self._lines)]
        outcomes = [one.outcome for one in lines]
        created, updated, unchanged = map(outcomes.count, ("created", "updated", "unchanged"))
        faults = sorted(self._faults, key=lambda fault: fault.line)
        return RosterResult(created, updated, unchanged, lines, self._found.notes, faults)

    @property
    def count_done(self) -> int:
        """How many lines are done, so far."""
        return len(self._lines) + len(self._faults) - self._left

    @transaction.atomic
    def take(self, piece: list[Group]) -> Taken:
        """Write a piece, with its events; return what became of its lines, the first time also of
        those that are in no piece."""
        taken, faults = self._take(piece)
        if piece is self.pieces[-1]:
            self._names.close_first_rosters()
        lines = [reported(one) for one in taken]
        for number in [fault.line for fault in faults]:
            del self._lines[number]
        self._lines |= {one.line: one for one in lines}
        self._faults += faults
        self._left -= sum(map(len, piece))
        self._record(taken, len(faults))
        settled, self._settled = self._settled, Taken()
        return Taken([*settled.lines, *lines], [*settled.faults, *faults])

    def _take(self, groups: list[Group]) -> tuple[list[LineChange], list[Fault]]:
        """Take as many of them as can be: where the database refuses, half by half."""
        try:
            with transaction.atomic():
                return self._take_together(groups)
        except (IntegrityError, ActionRefused) as error:
            if len(groups) == 1:
                about = str(error) if isinstance(error, ActionRefused) else ""
                return [], [fault_of(self._line(one), MEANWHILE, about) for one in groups[0]]
        half = len(groups) // 2
        (first, faults), (second, more) = self._take(groups[:half]), self._take(groups[half:])
        return [*first, *second], [*faults, *more]

    def _take_together(self, groups: list[Group]) -> tuple[list[LineChange], list[Fault]]:
        before = {one.entry.line: one for group in groups for one in group}
        entries = [one.entry for one in before.values()]
        usernames = {entry.username.lower() for entry in entries}
        known = roster_changes.hold(usernames)
        places = Places(entries, self._names)
        judged = judge(self._found, entries, known, places, self._current_sender())
        faults = judged.compare(before)
        faults += judged.faults(usernames, but={fault.line for fault in faults})
        guilty = {fault.line for fault in faults}
        passed = [one for one in judged.changes if one.entry.line not in guilty]
        changed = [one for one in passed if one.outcome != "unchanged"]
        if changed:
            write(changed, places, self._sender, self._by)
        return passed, faults

    def _current_sender(self) -> Account | None:
        if self._sender is None:
            return None
        return Account.objects.select_related("agency").get(pk=self._sender.pk)

    def _line(self, change: LineChange) -> Line:
        return self._found.line(change.entry.line)

    def _record(self, taken: list[LineChange], rejected: int) -> None:
        """An event for each account, and one for the piece: it says how many took effect."""
        changed = [one for one in taken if one.outcome != "unchanged"]
        if not changed and not rejected:
            return
        outcomes = [one.outcome for one in changed]
        counts: dict[str, Any] = {name: outcomes.count(name) for name in ("created", "updated")}
        counts |= {"rejected": rejected} if rejected else {}
        events = [event_of(one) for one in changed]
        piece = trail.about(verbs.IMPORT_ROSTER, subject=self._subject, **counts)
        trail.record_many([*events, piece], actor=self._by)


def give_way() -> None:
    """Let others write who wait for a piece to end.

    SQLite has no queue: whoever waits looks again every 1 to 100 ms and would find the next piece
    under way each time.  PostgreSQL wakes who waits.
    """
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        time.sleep(_PAUSE_SECONDS)


def reported(one: LineChange) -> RosterLine:
    entry, words = one.entry, one.words
    return RosterLine(entry.line, one.account.username, entry.name, one.outcome, words)
