"""Export files as the national portal makes them (人事單位 › 成績下載), from invented people.

The form's own choices, the same bytes for the same choices and seed, written in pieces: a million
rows take no more memory than a thousand.  Knows the portal's file, not what we make of it.
"""

import csv
import io
import random
from codecs import getincrementalencoder
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import IO, Protocol

import pyzipper

from ismp.accounts import national_id
from ismp.hours.portal_import.layout import COLUMNS
from ismp.ui.text import roc_dates

MOST_ROWS = 1_000_000
ENCODINGS = ("cp950", "utf-8", "utf-8-sig", "utf-16")
_PIECE_ROWS = 2_000
_COURSES = (
    ("資通安全通識教育訓練", "522"),
    ("社交工程防護與郵件安全", "522"),
    ("個人資料保護與資通安全", "522"),
    ("公務機關使用生成式人工智慧之資通安全注意事項與案例研討", "522"),
    ("資安事件通報及應變實務", "523"),
    ("網路封包分析入門", "523"),
    ("資訊安全管理系統內部稽核", "523"),
    ("資通系統防護基準(附表十)實作, 含弱點掃描", "523"),
)
_ORGANIZERS = (("399900001Z", "示範訓練中心"), ("399900002Z", "示範數位學苑"))
_HOURS = ((1, 0), (2, 0), (3, 0), (0, 3), (1, 2), (0, 6), (0, 12))
"""數位時數, 實體時數 of a course; twelve hours take two days."""


class Learner(Protocol):
    """A person as the portal knows one: invented, or a line of a roster."""

    @property
    def national_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def department(self) -> str: ...


@dataclass(frozen=True)
class ExportChoices:
    """Choices of the portal's form; the range of 課程結束日期 lies within one calendar year."""

    start: date
    end: date
    categories: tuple[str, ...] = ("522", "523")
    with_category: bool = True
    with_department: bool = True
    encoding: str = "cp950"
    seed: int = 1
    bad_share: float = 0.03

    def __post_init__(self) -> None:
        if self.end < self.start or self.start.year != self.end.year:
            raise ValueError("課程結束日期的起迄必須在同一個年度之內，請分年度下載。")
        if not 0 <= self.bad_share <= 1:
            raise ValueError("有問題的列所占比例必須在 0 到 1 之間，例如 0.03。")


Row = dict[str, str]


def export(people: Sequence[Learner], rows: int, choices: ExportChoices) -> bytes:
    """The whole file at once: the bytes that `write` writes."""
    return b"".join(pieces(people, rows, choices))


def write(
    target: Path,
    people: Sequence[Learner],
    rows: int,
    choices: ExportChoices,
    password: str | None = None,
) -> None:
    """Write the file, or with 檔案密碼 an archive (AES-256) with the file in it."""
    if not password:
        with target.open("wb") as plain:
            _pour(plain, pieces(people, rows, choices))
        return
    with pyzipper.AESZipFile(
        target, "w", compression=pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES
    ) as archive:
        archive.setpassword(password.encode())
        with archive.open(f"{target.stem}.csv", "w", force_zip64=True) as entry:
            _pour(entry, pieces(people, rows, choices))


def _pour(target: IO[bytes], parts: Iterator[bytes]) -> None:
    for part in parts:
        target.write(part)


def pieces(people: Sequence[Learner], rows: int, choices: ExportChoices) -> Iterator[bytes]:
    """The file in pieces, head first; every field quoted, as the portal writes them.

    What the encoding lacks becomes `?`, as in the portal's own files.
    """
    dropped = set()
    if not choices.with_category:
        dropped.add("category")
    if not choices.with_department:
        dropped.add("department")
    columns = [column for column in COLUMNS if column.name not in dropped]
    encode = getincrementalencoder(choices.encoding)("replace").encode
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow([column.title for column in columns])
    for number, row in enumerate(_rows(people, rows, choices), start=1):
        writer.writerow([row.get(column.name, "") for column in columns])
        if number % _PIECE_ROWS == 0:
            yield encode(_drained(text))
    yield encode(_drained(text))


def _drained(text: io.StringIO) -> str:
    piece = text.getvalue()
    text.seek(0)
    text.truncate()
    return piece


def _rows(people: Sequence[Learner], rows: int, choices: ExportChoices) -> Iterator[Row]:
    """Good rows are all different events: a person meets each 期別 once."""
    chance = random.Random(choices.seed)  # noqa: S311 (invented, not secret)
    order = list(people)
    chance.shuffle(order)
    courses = [course for course in _COURSES if course[1] in choices.categories]
    last: Row | None = None
    for number in range(rows):
        person, term = order[number % len(order)], number // len(order) + 1
        row = _good(chance, person, term, courses, choices)
        if chance.random() >= choices.bad_share:
            last = row
            yield row
        else:
            spoil = chance.choices(_DEFECTS, _WEIGHTS)[0]
            yield spoil(row, last or row, chance)


def _good(
    chance: random.Random,
    person: Learner,
    term: int,
    courses: Sequence[tuple[str, str]],
    choices: ExportChoices,
) -> Row:
    title, category = chance.choice(courses)
    code, name = chance.choice(_ORGANIZERS)
    digital, classroom = chance.choice(_HOURS)
    end = choices.start + timedelta(days=chance.randint(0, (choices.end - choices.start).days))
    start = end - timedelta(days=1) if classroom > 6 else end  # the second day
    return {
        "national_id": person.national_id,
        "name": person.name,
        "learning_type": "1",
        "organizer_code": code,
        "organizer_name": name,
        "department": person.department,
        "category": category,
        "degree": "6",
        "title": title,
        "term": str(term),
        "started_on": roc_dates.roc_date(start),
        "ended_on": roc_dates.roc_date(end),
        "total": str(digital + classroom),
        "unit": "1",
        "nature": "3" if digital and classroom else "1" if digital else "2",
        "digital_hours": str(digital),
        "classroom_hours": str(classroom),
        "job_related": "是",
    }


# --- What goes wrong in real files: (weight, how a row is spoilt) --------------------------------


def _stranger(row: Row, last: Row, chance: random.Random) -> Row:
    """Somebody who has left, or was never here: the commonest of all."""
    first_nine = f"{chance.choice('CDEGJKM')}{chance.choice('12')}{chance.randrange(10**7):07d}"
    return row | {"national_id": national_id.complete(first_nine), "name": "離職者"}


def _mistyped(row: Row, last: Row, chance: random.Random) -> Row:
    number = row["national_id"]
    return row | {"national_id": number[:-1] + str((int(number[-1]) + 1) % 10)}


def _changed(**cells: str) -> Callable[[Row, Row, random.Random], Row]:
    return lambda row, last, chance: row | cells


_SPOILT: tuple[tuple[int, Callable[[Row, Row, random.Random], Row]], ...] = (
    (40, _stranger),
    (8, _mistyped),
    (4, _changed(national_id="")),
    (8, _changed(category="501")),
    (4, _changed(category="")),
    (6, _changed(total="", digital_hours="", classroom_hours="")),
    (6, _changed(total="9.5")),
    (4, _changed(unit="2", total="1", digital_hours="", classroom_hours="")),
    (4, _changed(started_on="1150230")),
    (3, _changed(started_on="199-12-31")),
    (2, _changed(total="3小時")),
    (6, lambda row, last, chance: last),
    (5, lambda row, last, chance: last | {"score": "95"}),
)
_WEIGHTS, _DEFECTS = zip(*_SPOILT, strict=True)
