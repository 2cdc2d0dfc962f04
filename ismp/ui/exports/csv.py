"""CSV to take away: it opens right in a Chinese Excel and does nothing by itself."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from ismp.ui.exports.cells import FORMULA_STARTS, Cell, guarded_anew

_LINES_AT_ONCE = 500


def csv_lines(head: list[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """Stream a CSV in UTF-8 with a byte order mark; what Excel could run is made text."""
    yield "\ufeff".encode()
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(head)
    for count, row in enumerate(rows, start=1):
        writer.writerow([_harmless(cell) for cell in row])
        if count % _LINES_AT_ONCE == 0:
            yield _drain(buffer)
    yield _drain(buffer)


def _harmless(cell: Cell) -> Cell:
    if not isinstance(cell, str):
        return cell
    return "'" + cell if cell.startswith(FORMULA_STARTS) else guarded_anew(cell)


def _drain(buffer: io.StringIO) -> bytes:
    data = buffer.getvalue().encode("utf-8", "replace")
    buffer.seek(0)
    buffer.truncate()
    return data
