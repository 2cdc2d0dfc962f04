"""CSV as programs and people write it: its encodings, separators and ends of lines."""

import codecs
import csv
import io
import re
from collections.abc import Iterator

from ismp.ui.reading import cp950
from ismp.ui.reading.faults import FileRejected
from ismp.ui.reading.raw import RawRow, Source

_SEPARATORS = ",;\t"
_NAMED = re.compile('\\A"?sep=([,;\t|])"?\r?\n?', re.IGNORECASE)
"""The line by which Excel is told the separator, and which it does not count."""
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HEAD = 64 * 1024
_LONGEST_CELL = 131_072
"""The csv module's own limit, which the reader of hours has lifted for its file."""


def sources(data: bytes) -> Iterator[Source]:
    """Yield each way in which the bytes may be meant, the likeliest first.  Raises FileRejected."""
    texts = list(_texts(data))
    if not texts:
        raise FileRejected("文字編碼無法辨認，請另存為「CSV UTF-8（逗號分隔）」再匯入。")
    sound = [text for text in texts if "\x00" not in text]
    if not sound:
        raise FileRejected("這不是 CSV 或 Excel 檔，請用下載的範本填寫。")
    for text in sound:
        named = _NAMED.match(text)
        body = text[named.end() :] if named else text
        likeliest = sorted(_SEPARATORS, key=body[:_HEAD].split("\n", 1)[0].count, reverse=True)
        for separator in named[1] if named else likeliest:
            yield _source(body, separator)


def _source(text: str, separator: str) -> Source:
    return Source(lambda: _rows(text, separator), separator)


def _texts(data: bytes) -> Iterator[str]:
    """The text by each codec that fits the bytes without a fault."""
    for codec in _codecs(data):
        try:
            text = data.decode(codec, cp950.USER_DEFINED if codec == "cp950" else "strict")
        except UnicodeDecodeError:
            continue
        yield text.removeprefix("\ufeff").rstrip("\x1a")


def _codecs(data: bytes) -> tuple[str, ...]:
    if data.startswith(codecs.BOM_UTF8):
        return ("utf-8",)
    if data.startswith(_UTF_16):
        return ("utf-16",)
    if b"\x00" in data[:_HEAD]:
        return ("utf-16-le", "utf-16-be")
    return ("utf-8", "cp950")


def _rows(text: str, separator: str) -> Iterator[RawRow]:
    # newline="": a bare CR ends a line too, and what stands in quotes stays as it is.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            if "field limit" in str(error):
                raise FileRejected(_too_long(line)) from error
            raise FileRejected(f"第 {line} 列的引號不成對，請更正後再匯入。") from error
        if cells is None:
            return
        if max(map(len, cells), default=0) > _LONGEST_CELL:
            raise FileRejected(_too_long(line))
        yield RawRow(line, cells)
        line += 1


def _too_long(line: int) -> str:
    return f"第 {line} 列有一格超過 {_LONGEST_CELL:,} 字，可能是引號不成對；請更正後再匯入。"
