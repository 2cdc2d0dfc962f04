"""From bytes to slices of a table: decoding, and where one record and one field ends.

Works on some thousand records at a time, so that memory stays flat and the next slice can be cut
while the last one is stored.  No Django, no meaning of a cell.

Source: docs/explain/laws.md, findings; Microsoft CP950 user-defined areas.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import polars as pl

from ismp.hours.portal_import.layout import NAMES
from ismp.ui.reading import cp950
from ismp.ui.reading.faults import FileRejected
from ismp.ui.reading.raw import Limits

_CHUNK_ROWS = 25_000
_LONGEST_FIELD = 16 * 1024 * 1024
"""A field that runs on for longer has lost its closing quote."""


@dataclass(frozen=True)
class Header:
    """The record that names the columns, and with it how the file is written."""

    codec: str
    separator: str
    above: int
    """How many records stand above the header."""
    cells: list[str]


def slices(
    pieces: Iterable[bytes], header: Header, names: list[str | None], limits: Limits
) -> Iterator[pl.DataFrame]:
    """The records below the header, in order: `line`, `width_ok` and the columns as raw text.

    `names` says which of our columns each cell of the header is.  Raises FileRejected, naming the
    record where the quotes do not pair.
    """
    texts = _texts(pieces, header.codec)
    count, to_skip = 0, header.above + 1
    for text in texts:
        plain = None if header.above else _every_field_quoted(text, header, names, to_skip, count)
        if plain is None:
            for frame in _parsed(chain([text], texts), header, names, to_skip, count):
                count += len(frame)
                _refuse_too_many(count, limits)
                yield frame
            break
        to_skip = 0
        count += len(plain)
        _refuse_too_many(count, limits)
        yield plain
    if not count:
        raise FileRejected("檔案只有標題、沒有任何一列資料；請確認入口網的日期範圍後重新下載。")


def _refuse_too_many(count: int, limits: Limits) -> None:
    if count > limits.max_rows:
        raise FileRejected(
            f"檔案超過 {limits.max_rows:,} 列，請在入口網縮短日期範圍，分成幾個檔案再上傳。"
        )


# --- Decoding ------------------------------------------------------------------------------------


def _texts(pieces: Iterable[bytes], codec: str) -> Iterator[str]:
    """The file as text, cut behind line ends; what closes a file is taken off its end."""
    if codec.startswith("utf-16"):
        pieces, codec = _as_utf8(pieces, codec), "utf-8"
    rest = bytearray()
    for piece in pieces:
        # In both codecs a newline byte is always a newline.
        if end := rest.rfind(b"\n") + 1:
            yield _decode(bytes(rest[:end]), codec)
            del rest[:end]
            codec = codec.removesuffix("-sig")
        rest += piece
    yield _decode(bytes(rest), codec).rstrip("\x1a\r\n")


def _as_utf8(pieces: Iterable[bytes], codec: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(codec)("replace")
    for piece in pieces:
        yield decoder.decode(piece).encode()
    yield decoder.decode(b"", final=True).encode()


def _decode(data: bytes, codec: str) -> str:
    try:
        text = data.decode(codec, cp950.USER_DEFINED if codec == "cp950" else "strict")
    except UnicodeDecodeError:
        # Pasted together, or damaged: each line for itself.
        data = data.removeprefix(codecs.BOM_UTF8)
        text = "".join(_decode_line(line, codec) for line in data.splitlines(keepends=True))
    return text.replace("\x00", "")


def _decode_line(line: bytes, codec: str) -> str:
    for attempt, errors in (("utf-8", "strict"), ("cp950", cp950.USER_DEFINED)):
        try:
            return line.decode(attempt, errors)
        except UnicodeDecodeError:
            continue
    return line.decode(codec, "ismp-replace" if codec == "cp950" else "replace")


def _replace(error: UnicodeError) -> tuple[str, int]:
    """A byte that is no character: shown as U+FFFD, so that its row is not lost."""
    try:
        return cp950.user_defined(error)
    except UnicodeDecodeError as own:
        return "\ufffd", own.start + 1


codecs.register_error("ismp-replace", _replace)


# --- Records -------------------------------------------------------------------------------------


def _every_field_quoted(
    text: str, header: Header, names: list[str | None], to_skip: int, before: int
) -> pl.DataFrame | None:
    """The portal's own way of writing, cut in columns; None for any other text.

    A line between a quote and a quote with at least `width - 1` times `","` within has at least
    2 × width quotes.  When all lines are such, and there are no more quotes than that, then each
    has exactly the fields that a CSV reader would find.
    """
    width, between = len(names), f'"{header.separator}"'
    if to_skip:
        text = text.partition("\r\n")[2]
    if not text:
        return None
    lines = pl.Series([text.removesuffix("\r\n")]).str.split("\r\n").explode()
    ends = len(lines) - (not text.endswith("\r\n"))
    if (
        text.count('"') != 2 * width * len(lines)
        or not ends == text.count("\r") == text.count("\n")
        or not (lines.str.starts_with('"') & lines.str.ends_with('"')).all()
    ):
        return None
    inner = lines.str.slice(1).str.strip_suffix('"')
    fields = inner.str.split_exact(between, width - 1).struct.unnest()
    if fields.to_series(width - 1).null_count():
        return None
    first = before + 2
    return pl.DataFrame(
        {
            "line": pl.int_range(first, first + len(lines), dtype=pl.UInt32, eager=True),
            "width_ok": pl.repeat(value=True, n=len(lines), dtype=pl.Boolean, eager=True),
            **{name: fields.to_series(names.index(name)) for name in NAMES},
        }
    )


def _parsed(
    texts: Iterable[str], header: Header, names: list[str | None], to_skip: int, before: int
) -> Iterator[pl.DataFrame]:
    """Any CSV, record by record."""
    csv.field_size_limit(_LONGEST_FIELD)
    lines = chain.from_iterable(io.StringIO(text, newline="") for text in texts)
    reader = csv.reader(lines, delimiter=header.separator, strict=True)
    places = [names.index(name) for name in NAMES]
    width, count, chunk = len(names), before, []
    try:
        for _ in range(to_skip):
            next(reader)
        for cells in reader:
            if not cells or (len(cells) == 1 and cells[0].isspace()):
                continue
            count += 1
            chunk.append(cells)
            if len(chunk) == _CHUNK_ROWS:
                yield _chunk(chunk, count, width, places)
                chunk = []
    except csv.Error as error:
        raise FileRejected(
            f"第 {count + 2} 列的引號不成對，無法確定欄位界線；"
            "請重新下載成績檔，不要編輯，直接上傳。"
        ) from error
    if chunk:
        yield _chunk(chunk, count, width, places)


def _chunk(records: list[list[str]], last: int, width: int, places: list[int]) -> pl.DataFrame:
    fits = [True] * len(records)
    for index, cells in enumerate(records):
        if len(cells) != width:
            # An extra comma at the end of each row (some producers) is harmless.
            fits[index] = len(cells) > width and not "".join(cells[width:]).strip()
            records[index] = (cells + [""] * width)[:width]
    columns = list(zip(*records, strict=True))
    return pl.DataFrame(
        {
            "line": pl.int_range(last - len(records) + 2, last + 2, dtype=pl.UInt32, eager=True),
            "width_ok": pl.Series(fits, dtype=pl.Boolean),
            **{
                name: pl.Series(columns[place], dtype=pl.String)
                for name, place in zip(NAMES, places, strict=True)
            },
        }
    )
