"""From bytes to a table of text: what kind of file it is, its encoding, its records.

Knows the portal's columns (`profile`) and no meaning of a cell; no Django.  There is one kind of
failure: the file is refused, with one sentence that says what it is and what to do.

Source: reliability.md, findings on encoding and structure; Microsoft CP950 user-defined areas.
"""

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from ismp.accounts import national_id
from ismp.hours.profile import COLUMNS, NAMES, UPLOAD_TEMPLATE_ONLY

HEAD_BYTES = 64 * 1024
LINES_ABOVE_HEADER = 10
KNOWN_ENOUGH = 5
"""So many known column names make a record the header, whatever else it holds."""
CHUNK_ROWS = 50_000

_ALIASES = {
    re.sub(r"[\s*]", "", unicodedata.normalize("NFKC", title)): column.name
    for column in COLUMNS
    for title in (column.title, *column.aliases)
}
_SEPARATORS = ",;\t"


class FileRefused(ValueError):
    """The file as a whole is refused; the text is one sentence in Chinese."""


@dataclass(frozen=True)
class Limits:
    """How much one file may hold; the settings say."""

    max_bytes: int
    max_rows: int
    max_columns: int


@dataclass(frozen=True)
class Table:
    """The file's records: `frame` has `line`, `width_ok` and the 22 columns as raw text."""

    frame: pl.DataFrame
    ignored: list[str] = field(default_factory=list)
    """Header names that are none of ours."""


@dataclass(frozen=True)
class _Header:
    codec: str
    separator: str
    above: int
    """How many records stand above the header."""
    cells: list[str]


def read(data: bytes, limits: Limits) -> Table:
    """Read a CSV of the portal.  Raises FileRefused."""
    if not data:
        raise FileRefused("這個檔案是空的（0 位元組），請重新下載成績檔後再上傳。")
    if len(data) > limits.max_bytes:
        raise FileRefused(too_large(limits))
    refuse_other_types(data)
    header = _find_header(data)
    names, ignored = _columns(header, limits)
    text = _decode(data, header.codec).replace("\x00", "").rstrip("\x1a\r\n")
    return Table(_frame(text, header, names, limits), ignored)


def too_large(limits: Limits) -> str:
    return (
        f"檔案解開後超過 {limits.max_bytes // 1024 // 1024} MB，"
        "請在入口網縮短日期範圍，分成幾個檔案下載後再上傳。"
    )


# --- What the first bytes say ----------------------------------------------------------------

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xd0\xcf\x11\xe0", "這是舊版 Excel 檔（.xls），不是 CSV；請上傳入口網下載的原始成績檔。"),
    (b"%PDF", "這是 PDF 檔，不是 CSV；請上傳入口網下載的原始成績檔。"),
    (b"Rar!", "這是 RAR 壓縮檔；請解壓縮後上傳裡面的 CSV 檔，或改用 ZIP。"),
    (b"7z\xbc\xaf\x27\x1c", "這是 7z 壓縮檔；請解壓縮後上傳裡面的 CSV 檔，或改用 ZIP。"),
    (b"\x1f\x8b", "這是 gzip 壓縮檔；請解壓縮後上傳裡面的 CSV 檔，或改用 ZIP。"),
    (b"PK\x03\x04", "這是壓縮檔或新版 Excel 檔，不是 CSV；請上傳入口網下載的原始成績檔。"),
    (b"\x89PNG", "這是圖片，不是 CSV；請上傳入口網下載的原始成績檔。"),
    (b"\xff\xd8\xff", "這是圖片，不是 CSV；請上傳入口網下載的原始成績檔。"),
)


def refuse_other_types(data: bytes) -> None:
    """Tell by its first bytes, not by its name, that a file is no CSV."""
    for signature, sentence in _SIGNATURES:
        if data.startswith(signature):
            raise FileRefused(sentence)
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|head|table|\?xml)", data[:200], re.IGNORECASE):
        raise FileRefused(
            "這是網頁，不是 CSV，可能是登入逾時存下來的畫面；請重新登入入口網下載成績檔。"
        )


# --- The header proves the encoding ------------------------------------------------------------


def _find_header(data: bytes) -> _Header:
    for codec in _candidates(data):
        head = data[: HEAD_BYTES * (2 if codec.startswith("utf-16") else 1)]
        text = head.decode(codec, "replace").replace("\x00", "")
        for separator in _SEPARATORS:
            if found := _header_in(text, codec, separator):
                return found
    raise FileRefused(
        "找不到成績檔的標題列（身分證字號、姓名……），檔案可能被編輯過或另存成別的編碼；"
        "請重新下載成績檔，不要開啟編輯，直接上傳。"
    )


def _candidates(data: bytes) -> Iterator[str]:
    if data.startswith(codecs.BOM_UTF8):
        yield "utf-8-sig"
    elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        yield "utf-16"
    else:
        yield from ("utf-8", "cp950", "utf-16-le", "utf-16-be")


def _header_in(text: str, codec: str, separator: str) -> _Header | None:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for above, cells in enumerate(reader):
            if above > LINES_ABOVE_HEADER:
                return None
            known = {_ALIASES.get(_fold(cell)) for cell in cells} - {None}
            if len(known) >= KNOWN_ENOUGH or (len(known) > 1 and "national_id" in known):
                return _Header(codec, separator, above, cells)
    except csv.Error:
        return None
    return None


def _fold(cell: str) -> str:
    plain = re.sub(r"[\s*\ufeff\u200b]", "", unicodedata.normalize("NFKC", cell))
    return plain.replace("身份", "身分")


def _columns(header: _Header, limits: Limits) -> tuple[list[str | None], list[str]]:
    """The column name of each header cell, or None for a cell that is none of ours."""
    if len(header.cells) > limits.max_columns:
        raise FileRefused(
            f"標題列有 {len(header.cells)} 欄，超過上限 {limits.max_columns} 欄，"
            "請重新下載成績檔，不要編輯，直接上傳。"
        )
    folded = [_fold(cell) for cell in header.cells]
    names = [_ALIASES.get(cell) for cell in folded]
    if len(set(folded) & set(UPLOAD_TEMPLATE_ONLY)) > 1:
        raise FileRefused(
            "這是入口網的「上傳成績」範本，不是下載的成績檔；"
            "請到「人事單位 › 成績下載」下載成績檔後再上傳。"
        )
    for column in COLUMNS:
        if names.count(column.name) > 1:
            raise FileRefused(
                f"標題列的「{column.title}」出現兩次，請重新下載成績檔，不要編輯，直接上傳。"
            )
    missing = [column for column in COLUMNS if column.name not in names]
    if missing:
        titles = "、".join(column.title for column in missing)
        ticks = "、".join(f"「{column.tick}欄位」" for column in missing if column.tick)
        todo = f"請在入口網的成績下載畫面勾選{ticks}，" if ticks else "請"
        raise FileRefused(f"檔案缺少欄位：{titles}。{todo}重新下載後再上傳。")
    unknown = (cell for cell, name in zip(folded, names, strict=True) if cell and not name)
    ignored = [national_id.hide(cell) for cell in unknown]
    return names, ignored


# --- Decoding ------------------------------------------------------------------------------------


def _user_defined(error: UnicodeError) -> tuple[str, int]:
    """造字: map CP950's four user-defined areas to the Private Use Area, as Windows does."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    lead, trail = error.object[error.start], error.object[error.start + 1 : error.start + 2]
    if trail and (0x40 <= trail[0] <= 0x7E or 0xA1 <= trail[0] <= 0xFE):
        cell = trail[0] - (0x40 if trail[0] <= 0x7E else 0x62)
        for first, last, start in (
            (0xFA, 0xFE, 0xE000),
            (0x8E, 0xA0, 0xE311),
            (0x81, 0x8D, 0xEEB8),
        ):
            if first <= lead <= last:
                return chr(start + (lead - first) * 157 + cell), error.start + 2
        if 0xC6 <= lead <= 0xC8 and (lead, trail[0]) >= (0xC6, 0xA1):
            return chr(0xF6B1 + (lead - 0xC6) * 157 + cell - 63), error.start + 2
    raise error


def _replace(error: UnicodeError) -> tuple[str, int]:
    """A byte that is no character: shown as U+FFFD, so that its row is not lost."""
    try:
        return _user_defined(error)
    except UnicodeDecodeError as own:
        return "\ufffd", own.start + 1


codecs.register_error("ismp-user-defined", _user_defined)
codecs.register_error("ismp-replace", _replace)


def _decode(data: bytes, codec: str) -> str:
    if codec.startswith("utf-16"):
        return data.decode(codec, "replace")
    try:
        return data.decode(codec, "ismp-user-defined" if codec == "cp950" else "strict")
    except UnicodeDecodeError:
        # Pasted together, or damaged: in both codecs a newline byte is always a newline.
        if data.startswith(codecs.BOM_UTF8):
            data = data[3:]
        return "".join(_decode_line(line, codec) for line in data.splitlines(keepends=True))


def _decode_line(line: bytes, codec: str) -> str:
    for attempt, errors in (("utf-8", "strict"), ("cp950", "ismp-user-defined")):
        try:
            return line.decode(attempt, errors)
        except UnicodeDecodeError:
            continue
    return line.decode(codec, "ismp-replace" if codec == "cp950" else "replace")


# --- Records -------------------------------------------------------------------------------------


def _frame(text: str, header: _Header, names: list[str | None], limits: Limits) -> pl.DataFrame:
    """Raises FileRefused naming the record when the quotes do not pair."""
    plain = _every_field_quoted(text, header, names, limits)
    return plain if plain is not None else _parsed(text, header, names, limits)


def _every_field_quoted(
    text: str, header: _Header, names: list[str | None], limits: Limits
) -> pl.DataFrame | None:
    """The portal's own way of writing, cut in columns; None for any other file.

    A line that begins and ends with a quote, has `width - 1` times `","` between, and no quote
    beside those, has exactly the fields that a CSV reader would find.
    """
    width, between = len(names), f'"{header.separator}"'
    if header.above:
        return None
    lines = pl.Series(text.split("\r\n")[1:], dtype=pl.String)
    if not 0 < len(lines) <= limits.max_rows:
        return None
    regular = (
        lines.str.starts_with('"')
        & lines.str.ends_with('"')
        & (lines.str.count_matches(between, literal=True) == width - 1)
        & (lines.str.count_matches('"', literal=True) == 2 * width)
        & ~lines.str.contains("[\r\n]")
    )
    if not regular.all():
        return None
    inner = lines.str.slice(1).str.strip_suffix('"')
    fields = inner.str.split_exact(between, width - 1).struct.unnest()
    return pl.DataFrame(
        {
            "line": pl.int_range(2, len(lines) + 2, dtype=pl.UInt32, eager=True),
            "width_ok": pl.repeat(value=True, n=len(lines), dtype=pl.Boolean, eager=True),
            **{name: fields.to_series(names.index(name)) for name in NAMES},
        }
    )


def _parsed(text: str, header: _Header, names: list[str | None], limits: Limits) -> pl.DataFrame:
    """Any CSV, record by record."""
    csv.field_size_limit(limits.max_bytes)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=header.separator, strict=True)
    places = [names.index(name) for name in NAMES]
    width, count, chunk, chunks = len(names), 0, [], []
    try:
        for _ in range(header.above + 1):
            next(reader)
        for cells in reader:
            if not cells or (len(cells) == 1 and cells[0].isspace()):
                continue
            count += 1
            if count > limits.max_rows:
                raise FileRefused(
                    f"檔案超過 {limits.max_rows:,} 列，請在入口網縮短日期範圍，分成幾個檔案再上傳。"
                )
            chunk.append(cells)
            if len(chunk) == CHUNK_ROWS:
                chunks.append(_chunk(chunk, count, width, places))
                chunk = []
    except csv.Error as error:
        raise FileRefused(
            f"第 {count + 2} 列的引號不成對，無法確定欄位界線；"
            "請重新下載成績檔，不要編輯，直接上傳。"
        ) from error
    if chunk or not chunks:
        chunks.append(_chunk(chunk, count, width, places))
    if not count:
        raise FileRefused("檔案只有標題、沒有任何一列資料；請確認入口網的日期範圍後重新下載。")
    return pl.concat(chunks)


def _chunk(records: list[list[str]], last: int, width: int, places: list[int]) -> pl.DataFrame:
    fits = [True] * len(records)
    for index, cells in enumerate(records):
        if len(cells) != width:
            # An extra comma at the end of each row (some producers) is harmless.
            fits[index] = len(cells) > width and not "".join(cells[width:]).strip()
            records[index] = (cells + [""] * width)[:width]
    columns = list(zip(*records, strict=True)) or [()] * width
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
