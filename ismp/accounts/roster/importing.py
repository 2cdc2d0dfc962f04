"""Bringing a roster in: judged whole while nothing is locked, then written in short pieces.

A piece holds its accounts, reads them anew and writes what its lines still change; so nobody waits
for longer than a piece takes, and what others changed since the judgement stays.  A line that is no
longer possible is a fault of the result; the others go on
(ADR 34).
"""

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from ismp.accounts import consequences, effective_dated, timeline, verbs
from ismp.accounts.actions import accounts as account_actions
from ismp.accounts.actions import person_links
from ismp.accounts.identities import Identity
from ismp.accounts.models import Account, AccountControl, Agency, Posting, Status
from ismp.accounts.roles import Right
from ismp.accounts.roster import changes as roster_changes
from ismp.accounts.roster import reading
from ismp.accounts.roster.changes import SERVICE, LineChange, Places
from ismp.accounts.roster.checks import (
    AGAINST_WORLD,
    LATER_ENTRY,
    MEANWHILE,
    NO_RIGHT,
    Check,
    Line,
    World,
)
from ismp.accounts.roster.reading import Entry, Roster
from ismp.audit import trail
from ismp.errors import ActionRefused
from ismp.ui.reading import row_checks
from ismp.ui.reading.faults import Fault

_PIECE = 250
"""So many lines are written at once: for about a quarter of a second, which everybody can wait."""
_PAUSE_SECONDS = 0.1
_BATCH = 500

Group = list[LineChange]
"""Lines that come in together or not at all: one, or those who swap their numbers."""


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
        keeper: Account | None = None,
        of: str = "",
        by: str,
        done: Taken | None = None,
    ) -> None:
        self._found, self._keeper, self._of, self._by = reading.read(data), keeper, of, by
        done = done or Taken()
        over = done.numbers
        entries = [entry for entry in self._found.entries if entry.line not in over]
        self._names = roster_changes.Names.of(self._found.entries)
        known = roster_changes.stored(self._found.usernames)
        judged = _judge(self._found, entries, known, Places(entries, self._names), keeper)
        faults = judged.faults(self._found.usernames)
        if not over:
            self._found.faults += faults
            self._found.proven()
        guilty = {fault.line for fault in faults}
        passed = [one for one in judged.changes if one.entry.line not in guilty]
        changed = [one for one in passed if one.outcome != "unchanged"]
        self.pieces = list(_pieces(changed))
        self._lines = {one.line: one for one in [*done.lines, *map(_told, passed)]}
        self._faults = [*done.faults, *faults]
        self._left = len(changed)
        still = [_told(one) for one in passed if one.outcome == "unchanged"]
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
        lines = [_told(one) for one in taken]
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
                return [], [_fault(self._line(one), MEANWHILE, about) for one in groups[0]]
        half = len(groups) // 2
        (first, faults), (second, more) = self._take(groups[:half]), self._take(groups[half:])
        return [*first, *second], [*faults, *more]

    def _take_together(self, groups: list[Group]) -> tuple[list[LineChange], list[Fault]]:
        before = {one.entry.line: one for group in groups for one in group}
        entries = [one.entry for one in before.values()]
        usernames = {entry.username.lower() for entry in entries}
        known = roster_changes.hold(usernames)
        places = Places(entries, self._names)
        judged = _judge(self._found, entries, known, places, self._present_keeper())
        faults = judged.compare(before)
        faults += judged.faults(usernames, but={fault.line for fault in faults})
        guilty = {fault.line for fault in faults}
        passed = [one for one in judged.changes if one.entry.line not in guilty]
        changed = [one for one in passed if one.outcome != "unchanged"]
        if changed:
            _write(changed, places, self._keeper, self._by)
        return passed, faults

    def _present_keeper(self) -> Account | None:
        if self._keeper is None:
            return None
        return Account.objects.select_related("agency").get(pk=self._keeper.pk)

    def _line(self, change: LineChange) -> Line:
        return self._found.line(change.entry.line)

    def _record(self, taken: list[LineChange], rejected: int) -> None:
        """An event for each account, and one for the piece: it says how many took effect."""
        changed = [one for one in taken if one.outcome != "unchanged"]
        if not changed and not rejected:
            return
        outcomes = [one.outcome for one in changed]
        told: dict[str, Any] = {name: outcomes.count(name) for name in ("created", "updated")}
        told |= {"rejected": rejected} if rejected else {}
        events = [_event_of(one) for one in changed]
        piece = trail.about(verbs.IMPORT_ROSTER, subject=self._of, **told)
        trail.record_many([*events, piece], actor=self._by)


def give_way() -> None:
    """Let others write who wait for a piece to end.

    SQLite has no queue: whoever waits looks again every 1 to 100 ms and would find the next piece
    under way each time.  PostgreSQL wakes who waits.
    """
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        time.sleep(_PAUSE_SECONDS)


def _told(one: LineChange) -> RosterLine:
    entry, words = one.entry, one.words
    return RosterLine(entry.line, one.account.username, entry.name, one.outcome, words)


def _fault(line: Line, check: Check, about: str = "") -> Fault:
    return Fault(line.number, check, line.cells, about, check.columns)


# --- What belongs together -----------------------------------------------------------------------


def _pieces(changed: list[LineChange]) -> Iterator[list[Group]]:
    """The lines in pieces.  A circle of people who swap their numbers stays in one, however long it
    is: half of it would give one number to two accounts."""
    piece: list[Group] = []
    count = 0
    for group in _in_order(changed):
        piece.append(group)
        count += len(group)
        if count >= _PIECE:
            yield piece
            piece, count = [], 0
    if piece:
        yield piece


def _in_order(changed: list[LineChange]) -> Iterator[Group]:
    """Each line after the one that frees the number which it takes."""
    holders = {one.holds: one for one in changed if one.holds}
    done: set[int] = set()
    for start in changed:
        path: list[LineChange] = []
        place: dict[int, int] = {}
        one: LineChange | None = start
        while one and one.entry.line not in done:
            done.add(one.entry.line)
            place[one.entry.line] = len(path)
            path.append(one)
            one = holders.get(one.takes) if one.takes else None
        circle = place.get(one.entry.line, len(path)) if one else len(path)
        if path[circle:]:
            yield path[circle:]
        yield from ([each] for each in reversed(path[:circle]))


# --- Judging -------------------------------------------------------------------------------------


@dataclass
class _Judged:
    """Some lines against what is stored at this moment."""

    found: Roster
    changes: list[LineChange]
    known: dict[str, Account]
    places: Places
    keeper: Account | None

    def compare(self, before: dict[int, LineChange]) -> list[Fault]:
        """Keep of each change what the line changed when it was judged `before` too; return the
        faults of lines that change what somebody else has changed since."""
        faults = []
        for number, now in enumerate(self.changes):
            line = now.entry.line
            self.changes[number], words = roster_changes.since(before[line], now)
            if words:
                faults.append(_fault(self.found.line(line), MEANWHILE, "、".join(words)))
        return faults

    def faults(self, usernames: Collection[str], but: Collection[int] = ()) -> list[Fault]:
        """One for each line that what is stored does not admit; `usernames` are those that the
        lines are of, small letters.  Says nothing of the lines `but` these."""
        chosen = [one for one in self.changes if one.entry.line not in but]
        takes = {one.entry.line: one.takes for one in chosen if one.takes}
        world = World(
            self.keeper,
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
        if self.keeper and not _may(self.keeper):
            return _fault(line, NO_RIGHT)
        if fault := row_checks.first_fault(AGAINST_WORLD, line, world):
            return fault
        if one.account.pk not in later:
            return None
        words = str(timeline.later_than(one.account, timezone.localdate())[0])
        return _fault(line, LATER_ENTRY, words)

    def _later(self, chosen: list[LineChange]) -> set[int]:
        """The accounts whose service would change, and has an entry for a day to come: one of
        today would not reach beyond it."""
        keys = [one.account.pk for one in chosen if one.account.pk and SERVICE & one.fields.keys()]
        if not keys:
            return set()
        later = Posting.objects.standing().filter(since__gt=timezone.localdate())
        return set(later.values_list("account", flat=True)) & set(keys)


def _judge(
    found: Roster,
    entries: list[Entry],
    known: dict[str, Account],
    places: Places,
    keeper: Account | None,
) -> _Judged:
    every = [roster_changes.of(one, known.get(one.username.lower()), places) for one in entries]
    return _Judged(found, every, known, places, keeper)


def _may(keeper: Account) -> bool:
    return keeper.is_active and keeper.may(Right.EDIT_PEOPLE)


def _closed(places: Places) -> dict[str, str]:
    today = timezone.localdate()
    reasons = {code: one.why_closed(today) for code, one in places.agencies.items()}
    return {code: reason.removesuffix("。") for code, reason in reasons.items() if reason}


# --- Writing -------------------------------------------------------------------------------------


def _write(changed: list[LineChange], places: Places, keeper: Account | None, by: str) -> None:
    controls = [control for one in changed for control in _controls(one, keeper)]
    former = [
        (one.account, one.account.email)
        for one in changed
        if one.account.pk and "email" in one.fields
    ]
    _store(changed, places, keeper, by)
    AccountControl.objects.bulk_create(controls, batch_size=_BATCH)
    account_actions.tell_of_email(former, keeper)


def _store(changed: list[LineChange], places: Places, keeper: Account | None, by: str) -> None:
    """Write the accounts that lines change, their service, and what follows from both."""
    places.add_missing()
    created: list[Account] = []
    updated: list[tuple[Account, consequences.Served]] = []
    values: dict[int, dict[str, Any]] = {}
    served: list[Posting] = []
    for one in changed:
        account = one.account
        is_new = account.pk is None
        if account.pk:
            before = consequences.Served.now(account)
            values[account.pk] = one.apply(places)
            updated.append((account, before))
            anew = consequences.Served.now(account) != before
        else:
            one.apply(places)
            # Nobody can sign in until a password is set; hashing a random one would be slow.
            account.password = "!"  # noqa: S105 (marks an unusable one)
            created.append(account)
            anew = True
        if anew:
            agency = places.agencies[one.entry.agency_code]
            served.append(timeline.as_now(account, _since(agency, is_new=is_new), by))
    roster_changes.write(values)
    # In one order, so that two rosters with the same new people wait for each other.
    created.sort(key=lambda account: account.username.lower())
    Account.objects.bulk_create(created, batch_size=_BATCH)
    _begin(served)
    person_links.numbers_set([one.account for one in changed if one.number_is_new], by=keeper)
    for account, before in updated:
        consequences.follow(account, before)


def _since(agency: Agency, *, is_new: bool) -> date:
    """The first roster of an agency tells who has served there, not since when."""
    return Posting.UNKNOWN if is_new and agency.in_first_roster else timezone.localdate()


def _begin(served: list[Posting]) -> None:
    """Store entries of service in bulk; each takes the place of one of the same day."""
    now = timezone.now()
    for start in range(0, len(served), _BATCH):
        some = {one.account.pk: one for one in served[start : start + _BATCH]}
        day = [one.since for one in some.values()]
        former = Posting.objects.standing().filter(account__in=some, since__in=day)
        replaced = [one for one in former if one.since == some[one.account_id].since]
        by = served[start].recorded_by
        effective_dated.cancel_all(replaced, reason="同一天重新匯入名冊", by=by, at=now)
        for one in some.values():
            one.recorded_at = now
        Posting.objects.bulk_create(some.values())
        for one in replaced:
            Posting.objects.filter(pk=one.pk).update(replaced_by=some[one.account_id])


def _controls(change: LineChange, keeper: Account | None) -> list[AccountControl]:
    """Controls of an account that a roster line gives its sender (`separation`)."""
    entry, account = change.entry, change.account
    if keeper is None or account.pk == keeper.pk:
        return []
    kind, facts = AccountControl.Kind, {"account": account, "by": keeper}
    if account.pk is None:
        return [AccountControl(kind=kind.CREATED, **facts)]
    found = []
    if "email" in change.fields:
        found.append(AccountControl(kind=kind.EMAIL, **facts))
    if "status" in change.fields and entry.status == Status.ACTIVE:
        found.append(AccountControl(kind=kind.RETURNED, **facts))
    if change.number_is_new:
        found.append(AccountControl(kind=kind.NUMBER, former_hash=account.id_hash, **facts))
    return found


def _event_of(change: LineChange) -> trail.Entry:
    """The event of one account: which line of the file changed what of it."""
    entry, account = change.entry, change.account
    facts: dict[str, Any] = {"agency": entry.agency_code, "line": entry.line}
    if change.is_new:
        facts["identities"] = entry.identities or Identity.GENERAL.value
        return trail.about(verbs.CREATE_BY_ROSTER, account, **facts)
    return trail.about(verbs.CHANGE_BY_ROSTER, account, **facts, changes=change.changes)
