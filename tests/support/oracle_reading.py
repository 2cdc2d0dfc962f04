"""The oracle's first half: from the bytes of a file to its header and its records.

Slow and obvious on purpose: the standard library's csv and zipfile, one thing after the other.  It
shares no code with the product and takes from it only the portal's column names.
"""

import codecs
import csv
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import pyzipper

from ismp.hours.portal_import.layout import COLUMNS

MAX_BYTES = 256 * 1024 * 1024
MAX_ROWS = 1_000_000
MAX_COLUMNS = 60
LINES_ABOVE_HEADER = 10

ZIP = (b"PK\x03\x04", b"PK\x05\x06")
FOREIGN = {
    b"%PDF": "PDF",
    b"\xd0\xcf\x11\xe0": "xls",
    b"Rar!": "RAR",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"\x1f\x8b": "gzip",
}
BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"))
BOMS += ((codecs.BOM_UTF16_BE, "utf-16-be"),)


class FileRejected(ValueError):
    """The file as a whole is refused."""


@dataclass(frozen=True)
class Parsed:
    """`columns` has a profile name or None for each field of the header; records[0] is line 2."""

    columns: list[str | None]
    records: list[list[str]]


def read(data: bytes, password: str | None = None) -> Parsed:
    """The file's header and its records; raises Refused."""
    data = unwrap(data, password)
    for codec in codecs_to_try(data):
        lines = raw_lines(data, codec)
        for start in range(min(len(lines), LINES_ABOVE_HEADER + 1)):
            for sep in ",;\t":
                columns = header_at(lines[start:], codec, sep)
                if columns:
                    return Parsed(columns, body(lines[start:], codec, sep))
    raise FileRejected("no header")


# What the bytes are


def unwrap(data: bytes, password: str | None) -> bytes:
    """The CSV's bytes, out of its archive if it is in one."""
    if not data:
        raise FileRejected("empty")
    if data.startswith(ZIP):
        data = only_csv(data, password)
        if data.startswith(ZIP) or not data:
            raise FileRejected("an archive or nothing in the archive")
    if len(data) > MAX_BYTES:
        raise FileRejected("too big")
    if any(data.startswith(magic) for magic in FOREIGN):
        raise FileRejected("another kind of file")
    start = data[:1000].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if start.startswith((b"<html", b"<!doctype", b"<table")):
        raise FileRejected("HTML")
    return data


def only_csv(data: bytes, password: str | None) -> bytes:
    """The one CSV of an archive, read in pieces up to the cap, whatever the headers claim."""
    try:
        archive = pyzipper.AESZipFile(io.BytesIO(data))
        infos = archive.infolist()
        names = [info.filename for info in infos]
        if "[Content_Types].xml" in names or any(name.startswith("xl/") for name in names):
            raise FileRejected("xlsx")
        if any(dangerous(name) for name in names):
            raise FileRejected("path")
        if overlapping(infos):
            raise FileRejected("overlap")
        named = [info for info in infos if info.filename.lower().endswith(".csv")]
        wanted = [info for info in named if not ignorable(info.filename)]
        if len(wanted) != 1:
            raise FileRejected("not exactly one CSV")
        if wanted[0].file_size > MAX_BYTES:
            raise FileRejected("says itself that it is a bomb")
        if wanted[0].flag_bits & 1 and not password:
            raise FileRejected("password")
        with archive.open(wanted[0], pwd=(password or "").encode() or None) as entry:
            content = entry.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise FileRejected("bomb")
    except FileRejected:
        raise
    except Exception as error:  # RuntimeError, zlib.error, BadZipFile, NotImplementedError …
        raise FileRejected(f"broken archive: {error}") from error
    return content


def ignorable(name: str) -> bool:
    """Members that operating systems leave in archives."""
    last = name.rstrip("/").rsplit("/", 1)[-1].lower()
    rubbish = last in ("thumbs.db", ".ds_store", "desktop.ini")
    return name.endswith("/") or name.startswith("__MACOSX") or rubbish


def dangerous(name: str) -> bool:
    path = name.replace("\\", "/")
    return path.startswith("/") or ".." in path.split("/") or path[1:2] == ":"


def overlapping(infos: list[zipfile.ZipInfo]) -> bool:
    """Whether two entries share bytes (30 is the least a local header takes)."""
    spans = sorted((info.header_offset, info.compress_size) for info in infos)
    return any(a + 30 + size > b for (a, size), (b, _) in pairwise(spans))


# From bytes to lines


def codecs_to_try(data: bytes) -> list[str]:
    for mark, codec in BOMS:
        if data.startswith(mark):
            return [codec]
    return ["utf-8", "cp950", "utf-16-le", "utf-16-be"]


def raw_lines(data: bytes, codec: str) -> list[bytes]:
    """Physical lines with their ends; cut at CR LF, LF or CR."""
    for mark, marked_codec in BOMS:
        if codec == marked_codec:
            data = data.removeprefix(mark)
    if not codec.startswith("utf-16"):
        return re.findall(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", data)
    text = data.decode(codec, "replace")
    cut = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)
    return [line.encode(codec, "surrogatepass") for line in cut]


def decode_line(line: bytes, codec: str) -> str:
    """Decode by the header's codec, else by the other one, else with U+FFFD for bad bytes."""
    if codec.startswith("utf-16"):
        return line.decode(codec, "replace")
    own, other = (from_utf8, from_cp950) if codec == "utf-8" else (from_cp950, from_utf8)
    for decode in (own, other):
        try:
            return decode(line, strict=True)
        except UnicodeError:
            continue
    return own(line, strict=False)


def from_utf8(data: bytes, *, strict: bool) -> str:
    return data.decode("utf-8", "strict" if strict else "replace")


def from_cp950(data: bytes, *, strict: bool) -> str:
    """CP950, with Windows' user-defined pairs as private-use characters and U+FFFD elsewhere."""
    text, at = [], 0
    while at < len(data):
        pair = data[at : at + 2]
        if pair[0] < 0x80:
            text.append(chr(pair[0]))
            at += 1
            continue
        char = two_bytes(pair)
        if strict and not char:
            raise UnicodeError("not CP950")
        text.append(char or "\ufffd")
        at += 2 if char else 1
    return "".join(text)


def two_bytes(pair: bytes) -> str | None:
    if len(pair) < 2 or not (0x40 <= pair[1] <= 0x7E or 0xA1 <= pair[1] <= 0xFE):
        return None
    try:
        return pair.decode("cp950")
    except UnicodeDecodeError:
        pass
    column = pair[1] - 0x40 if pair[1] < 0x80 else pair[1] - 0xA1 + 63
    for first, last, base in ((0xFA, 0xFE, 0xE000), (0x8E, 0xA0, 0xE311), (0x81, 0x8D, 0xEEB8)):
        if first <= pair[0] <= last:
            return chr(base + (pair[0] - first) * 157 + column)
    return None


# From lines to records


def header_at(lines: list[bytes], codec: str, sep: str) -> list[str | None] | None:
    """The columns, if the record that begins here is a header with all 22, each once."""
    beginning = b"".join(lines[:5])
    cp950 = codec == "cp950"
    text = from_cp950(beginning, strict=False) if cp950 else beginning.decode(codec, "replace")
    try:
        record = next(records_of(text, sep), [])
    except csv.Error:
        return None
    columns = [column_named(title) for title in record]
    if sorted(name for name in columns if name) != sorted(column.name for column in COLUMNS):
        return None
    if len(columns) > MAX_COLUMNS:
        raise FileRejected("too many columns")
    return columns


def column_named(title: str) -> str | None:
    plain = fold_title(title)
    for column in COLUMNS:
        if plain in [fold_title(known) for known in (column.title, *column.aliases)]:
            return column.name
    return None


def fold_title(title: str) -> str:
    plain = "".join(unicodedata.normalize("NFKC", title).split())
    return plain.replace("*", "").replace("身份", "身分")


def body(lines: list[bytes], codec: str, sep: str) -> list[list[str]]:
    """All records below the header; a line with nothing in it is no record."""
    text = "".join(decode_line(line, codec) for line in lines)
    try:
        records = list(records_of(text, sep))[1:]
    except csv.Error as error:
        raise FileRejected(f"quotes: {error}") from error
    if not records:
        raise FileRejected("no rows")
    if len(records) > MAX_ROWS:
        raise FileRejected("too many rows")
    return records


def records_of(text: str, sep: str) -> Iterator[list[str]]:
    text = without_noise(text)
    with any_cell_length():
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=sep, strict=True):
            blank = len(record) == 1 and record[0].isspace()
            if record and not blank:
                yield record


def without_noise(text: str) -> str:
    """The text without NULs and without the Ctrl-Z that ends a file of old."""
    text = text.replace("\0", "")
    return re.sub(r"\x1a[\x1a\r\n]*\Z", "", text)


@contextmanager
def any_cell_length() -> Iterator[None]:
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def count_rows(data: bytes, password: str | None = None) -> int:
    """Data records in a file, counted without any csv parser: by line ends and quotes alone.

    For files that are taken; the law of conservation compares it with what the product says.
    """
    data = unwrap(data, password)
    for codec in codecs_to_try(data):
        text = "".join(decode_line(line, codec) for line in raw_lines(data, codec))
        if is_header(text):
            break
    text = without_noise(text).replace("\r\n", "\n").replace("\r", "\n") + "\n"
    count, sep, line, inside, quoted, at_start = 0, "", "", False, False, True
    for char in text:
        if char == "\n" and not inside:
            if sep:
                count += sep in line or bool(line.strip())
            elif is_header(line):
                sep = max(",;\t", key=line.count)
            line, at_start = "", True
            continue
        quoted = char == '"' if at_start else quoted
        if char == '"' and quoted:
            inside = not inside
        line += char
        at_start = char in (sep or ",;\t") and not inside
    return count


def is_header(text: str) -> bool:
    plain = fold_title(text)
    return "數位時數" in plain and "實體時數" in plain
