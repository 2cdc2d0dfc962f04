"""The figures of agencies, kept: counted once, read until an action changes them (ADR 13).

A board says up to which audit event it holds.  Every action leaves an event in its own transaction,
and events become visible in the order of their numbers: so a board is as good as freshly counted
when no event since then concerns it.  Each verb declares whose boards it may change
(`audit.verbs`).
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import partial

from django.db.models import Count, Q
from django.utils import timezone

from ismp.accounts.models import Agency, Posting
from ismp.audit import trail, verbs
from ismp.audit.models import Event
from ismp.compliance.dashboards import aggregates
from ismp.compliance.models import Board
from ismp.compliance.standing import table as standing_table
from ismp.storage.waiting import unless_busy

_EVERYBODY = ""
Key = tuple[int, date]


def board_counts(
    agencies: Iterable[Agency],
    days: Iterable[date],
    known_at: datetime | None = None,
    *,
    whole: bool = True,
) -> dict[Key, Board]:
    """The board of each agency on each day, by what is known now or was known at a moment.

    Boards of today and of month ends are kept; any other day, and the past's knowledge, is
    counted for this once.  Who asks for totals only need not be sent the parts (`whole`).
    """
    agencies, days = list(agencies), list(dict.fromkeys(days))
    if known_at:
        return _counted(agencies, days, known_at)
    kept_days = [day for day in days if _is_kept(day)]
    newest = trail.newest()  # before counting: an action meanwhile makes the board old, not wrong
    agency_ids = [agency.pk for agency in agencies]
    kept = Board.objects.filter(on__in=kept_days, agency__in=agency_ids)
    kept = kept if whole else kept.defer("parts")
    boards = {(board.agency_id, board.on): board for board in _still_true(list(kept))}
    for day in days:
        if lacking := [agency for agency in agencies if (agency.pk, day) not in boards]:
            fresh = _counted(lacking, [day])
            if day in kept_days:
                unless_busy(partial(_keep, fresh, lacking, newest))
            boards |= fresh
    return boards


def at_hand(agency: Agency, days: Iterable[date]) -> bool:
    """Whether the boards of an agency on these days need not be counted."""
    kept = Board.objects.filter(agency=agency, on__in=days).defer("totals", "parts")
    return {board.on for board in _still_true(list(kept))} == set(days)


def keep_fresh() -> int:
    """Count anew what actions have changed, for today; let go of what nobody asks for any more.

    Called by the worker, so that the pages find true boards.  Returns how many were counted.
    """
    today, newest = timezone.localdate(), trail.newest()
    boards = list(Board.objects.defer("parts", "totals"))
    true = {board.pk for board in _still_true(boards)}
    gone = [b.pk for b in boards if b.pk not in true or (b.on < today and not _is_kept(b.on))]
    Board.objects.filter(pk__in=gone).delete()
    for basis in {board.basis for board in boards if board.pk in true and board.basis < newest}:
        # Stored under its own basis again: a count made meanwhile says itself how far it holds.
        Board.objects.filter(pk__in=true, basis=basis).update(basis=newest)
    agencies = list(Agency.objects.open_on(today))
    lacking = len(agencies) - sum(b.on == today and b.pk in true for b in boards)
    board_counts(agencies, [today])
    return lacking


def _is_kept(day: date) -> bool:
    """Today, and the last day of any month: what the trend and the forecast ask for."""
    return day == timezone.localdate() or (day + timedelta(days=1)).day == 1


def _still_true(boards: list[Board]) -> list[Board]:
    """Those that no event since their basis concerns."""
    if not boards:
        return []
    newest_of: dict[str, int] = defaultdict(int)
    since = Event.objects.filter(number__gt=min(board.basis for board in boards))
    no_concern = [verb.name for verb in verbs.every() if verb.boards is verbs.NONE]
    events = since.exclude(verb__in=no_concern).order_by("number")
    for number, verb, code in events.values_list("number", "verb", "agency"):
        of_agency = verbs.find(verb).boards is verbs.AGENCY
        newest_of[code if of_agency else _EVERYBODY] = number
    if not newest_of:
        return boards
    return [
        board
        for board in boards
        if board.basis >= max(newest_of[code] for code in (_EVERYBODY, *board.leans_on))
    ]


def _counted(
    agencies: list[Agency], days: list[date], known_at: datetime | None = None
) -> dict[Key, Board]:
    boards, whom = {}, Q(agency__in=[agency.pk for agency in agencies])
    for day in days:
        parts = aggregates.parts(standing_table.table(whom, on=day, known_at=known_at), day)
        for agency in agencies:
            board = Board(agency=agency, on=day).counted(parts.get(agency.pk, []))
            boards[agency.pk, day] = board
    return boards


def _keep(boards: dict[Key, Board], agencies: list[Agency], newest: int) -> None:
    leaning = _leaning(agencies)
    for board in boards.values():
        board.basis, board.leans_on = newest, sorted(leaning[board.agency_id])
    Board.objects.bulk_create(
        boards.values(),
        update_conflicts=True,
        unique_fields=["on", "agency"],
        update_fields=["basis", "leans_on", "totals", "parts"],
        batch_size=100,
    )


def _leaning(agencies: list[Agency]) -> dict[int, set[str]]:
    """For each agency the codes of those whose hours can count for it: where its people served.

    Hours follow the person, under every account that is confirmed to be theirs.
    Records come to an account only where it serves.
    """
    codes = dict(Agency.objects.values_list("pk", "code"))
    leaning = {agency.pk: {agency.code} for agency in agencies}
    merged = Agency.objects.filter(merged_into__in=leaning)  # hours that waited there come here
    for part, whole in merged.values_list("code", "merged_into"):
        leaning[whole or 0].add(part)
    for person in ("account__person", "account"):
        served = Posting.objects.order_by().filter(**{f"{person}__isnull": False})
        moved = served.values(person).annotate(n=Count("agency", distinct=True)).filter(n__gt=1)
        places = served.filter(**{f"{person}__in": moved.values(person)})
        by_person: dict[object, set[int]] = defaultdict(set)
        for one, agency in places.values_list(person, "agency").distinct():
            by_person[one].add(agency)
        for agency_ids in by_person.values():
            for agency in agency_ids & leaning.keys():
                leaning[agency] |= {codes[other] for other in agency_ids}
    return leaning
