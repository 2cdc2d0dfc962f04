"""Which lines of a roster are written together."""

from collections.abc import Iterator

from ismp.accounts.roster.changes import LineChange

_PIECE = 250
"""So many lines are written at once: for about a quarter of a second, which everybody can wait."""

Group = list[LineChange]
"""Lines that come in together or not at all: one, or those who swap their numbers."""


# --- What belongs together -----------------------------------------------------------------------


def pieces(changed: list[LineChange]) -> Iterator[list[Group]]:
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
