"""Reading the tables that people fill in, whatever program wrote them: one door for every list.

    table = reading.read(data, known=TITLES, required=("財產編號",), limits=limits.of_tables())
    for row in table.rows:
        row.line, row.cells[table.place["財產編號"]]

The header proves the encoding and the separator, and which of several lines and sheets it is.
Lines are numbered as Excel numbers them: a blank one counts, a line break within quotes does not.
Knows no domain, no column and no Django; the portal's file of hours is read in slices
(`hours.portal_import.reading`).
"""

import contextlib
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from ismp.ui.exports.cells import unguarded
from ismp.ui.reading import csv_text, file_types, workbooks
from ismp.ui.reading.faults import FileRejected
from ismp.ui.reading.raw import Limits, RawRow, Source
from ismp.ui.text.cell_names import column_letters
from ismp.ui.text.search_folding import key

_ABOVE_HEADER = 10
"""How many lines may stand above the header: a title, who made it and when."""


@dataclass(frozen=True, slots=True)
class Row:
    line: int
    cells: list[str]
    """As many as the table has titles: as they came, without guards and the spaces around them."""
    width: int
    """How many cells were written; blank ones beyond the last title do not count."""
    more: list[str] = field(default_factory=list)
    """What stands beyond the last title."""
    bad: dict[int, str] = field(default_factory=dict)
    """Of a workbook: which cells hold no value, and what they hold (`#REF!`)."""


@dataclass(frozen=True)
class Table:
    titles: list[str]
    """One for each column: of a known one its own name, else as it was written; or empty."""
    line: int
    """Of the header."""
    rows: Iterator[Row]
    """Those that are not blank; may raise FileRejected."""
    known: tuple[str, ...]
    place: dict[str, int]
    """Of each known title that is there."""
    separator: str = ""
    sheet: str = ""
    other_sheets: tuple[str, ...] = ()
    """Of a workbook: those that have such a header too and were not read."""

    @property
    def absent(self) -> list[str]:
        """Known titles that the file does not have."""
        return [title for title in self.known if title not in self.place]

    @property
    def ignored(self) -> list[str]:
        """Titles of the file that are none of ours."""
        return [title for title in self.titles if title and title not in self.place]

    @property
    def notes(self) -> dict[str, object]:
        """Notes for the result on how the file was read (`ImportRun.notes`)."""
        notes: dict[str, object] = {"ignored": self.ignored, "absent": self.absent}
        if self.separator not in {"", ","}:
            notes["separator"] = {"\t": "定位字元（Tab）"}.get(self.separator, self.separator)
        if self.sheet:
            notes["sheet"] = self.sheet
        if self.other_sheets:
            notes["other_sheets"] = list(self.other_sheets)
        return notes

    def bad_cells(self, row: Row) -> dict[str, str]:
        """Of a row: which known columns hold no value, and what to say of each: `C5 是 #REF!`."""
        return {
            title: f"{column_letters(place)}{row.line} 是 {row.bad[place]}"
            for title, place in self.place.items()
            if place in row.bad
        }

    def is_cut(self, row: Row, required: Iterable[str]) -> bool:
        """Whether a row ends before one of these titles: Excel leaves out blank cells at the end,
        but none that must be filled in."""
        return any(self.place.get(title, 0) >= row.width for title in required)


INSTEAD = "請用下載的範本填寫，存成 CSV 或新版 Excel（.xlsx）再匯入"


def title_key(cell: str) -> str:
    """Return a title as it is meant, however it was wrapped, widened and starred."""
    return "".join(key(cell).split()).strip("*")


def plain(cell: str) -> str:
    """Return a cell as it was meant: without Excel's guard, ours, and the spaces around it."""
    text = cell.strip()
    if text.startswith('="') and text.endswith('"') and len(text) > 2:
        return text[2:-1].replace('""', '"').strip()
    return unguarded(text)


def read(
    data: bytes,
    known: Iterable[str],
    *,
    limits: Limits,
    required: Collection[str] = (),
    aliases: Mapping[str, str] | None = None,
    instead: str = INSTEAD,
    without_header: Sequence[str] = (),
    missing: str = "第 {line} 列標題缺少{titles}；請用下載的範本填寫。",
) -> Table:
    """Read a table whose header has at least the `required` of the `known` titles, in any order.

    `aliases` are other names of known titles; `missing` says what to do without the required ones,
    `instead` what to do about a file of another type.  `without_header` are the titles of a file
    that has no header, where it need not have one.  Raises FileRejected.
    """
    known = tuple(known)
    named = {title_key(title): title for title in known} | {
        title_key(alias): title for alias, title in (aliases or {}).items()
    }
    sources = _sources(data, limits, instead)
    source, head, count = _find_header(sources, named, frozenset(required))
    if without_header and not count:
        head = RawRow(0, list(without_header))
    titles = _titles(head, named)
    place = {title: titles.index(title) for title in known if title in titles}
    if lacking := [title for title in required if title not in place]:
        raise FileRejected(missing.format(line=head.line, titles="、".join(lacking)))
    if twice := sorted({title for title in titles if title and titles.count(title) > 1}):
        raise FileRejected(f"標題「{'」、「'.join(twice)}」出現兩次，請刪去多的一欄。")
    if len(titles) > limits.max_columns:
        raise FileRejected(
            f"標題有 {len(titles):,} 欄，最多 {limits.max_columns} 欄；請刪去多的欄。"
        )
    rows = _rows(source, head.line, len(titles), limits.max_rows)
    others = tuple(_others(sources, named, frozenset(required)) if source.sheet else ())
    return Table(titles, head.line, rows, known, place, source.separator, source.sheet, others)


def _sources(data: bytes, limits: Limits, instead: str) -> Iterator[Source]:
    if file_types.is_workbook(data):
        return workbooks.sources(data, limits)
    file_types.refuse_others(data, wanted="CSV 或新版 Excel（.xlsx）", instead=instead)
    return csv_text.sources(data)


def _find_header(
    sources: Iterable[Source], named: Mapping[str, str], required: frozenset[str]
) -> tuple[Source, RawRow, int]:
    """Return the first line that has all required titles; else the one that knows most titles; and
    how many it knows."""
    best: tuple[int, Source, RawRow] | None = None
    refusal: FileRejected | None = None
    for source in sources:
        try:
            for raw, titles in _known_titles(source, named):
                if required and titles >= required:
                    return source, raw, len(titles)
                if best is None or len(titles) > best[0]:
                    best = (len(titles), source, raw)
        except FileRejected as reason:
            refusal = refusal or reason
    if refusal and (best is None or not best[0]):
        raise refusal
    if best is None:
        raise FileRejected("這個檔案是空的，請選擇填好的檔案後再上傳。")
    return best[1], best[2], best[0]


def _known_titles(
    source: Source, named: Mapping[str, str]
) -> Iterator[tuple[RawRow, frozenset[str]]]:
    """Yield the first lines, each with the known titles that are in it."""
    for raw in islice(source.rows(), _ABOVE_HEADER + 1):
        folded = (named.get(title_key(cell)) for cell in raw.cells)
        yield raw, frozenset(title for title in folded if title)


def _others(
    sources: Iterable[Source], named: Mapping[str, str], required: frozenset[str]
) -> Iterator[str]:
    """Yield the names of the sheets left that have a header too."""
    for source in sources:
        with contextlib.suppress(FileRejected):
            if any(titles >= required for _, titles in _known_titles(source, named)):
                yield source.sheet


def _titles(head: RawRow, named: Mapping[str, str]) -> list[str]:
    folded = [title_key(cell) for cell in head.cells]
    while folded and not folded[-1]:
        folded.pop()
    return [named.get(title, unicodedata.normalize("NFC", title)) for title in folded]


def _rows(source: Source, header: int, width: int, most: int) -> Iterator[Row]:
    count = 0
    for raw in source.rows():
        if raw.line <= header:
            continue
        cells = [plain(cell) for cell in raw.cells]
        while cells and not cells[-1]:
            cells.pop()
        if not cells and not raw.bad:
            continue
        count += 1
        if count > most:
            raise FileRejected(f"超過 {most:,} 列，請分成幾個檔案匯入。")
        padded = list(chain(cells[:width], [""] * (width - len(cells))))
        written = max(len(cells), min(len(raw.cells), width))
        yield Row(raw.line, padded, written, cells[width:], raw.bad)
