"""The oracle: what must become of a file, worked out row by row in the plainest Python.

The product must give the same answer.  It shares no code with it, knows no Django and no database:
`store` is a dictionary, a check is an `if`, and the order of the `if`s is the order of the codes in
docs/explain/contracts.md.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

from ismp.hours.portal_import.layout import CATEGORIES, EARLIEST_YEAR, HOUR_UNITS, NAMES
from tests.support.oracle_reading import FileRejected, read

MAX_CELL = 2_000
KEY_TEXTS = ("organizer_code", "title", "term")
HOUR_CELLS = ("total", "digital_hours", "classroom_hours")

Store = dict[tuple[Any, ...], dict[str, Any]]
"""Event key, agency first → contents: what stands in the records, of all agencies."""


@dataclass
class Outcome:
    """As `ismp import_hours --json`; rejections as (line, code); name_notes are lines."""

    state: str = "completed"
    total: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    rejections: list[tuple[int, str]] = field(default_factory=list)
    name_notes: list[int] = field(default_factory=list)
    reason: str = ""
    """Why a file was refused, for the developer; the product's sentence is its own."""

    @property
    def counts(self) -> dict[str, int]:
        return {
            name: getattr(self, name)
            for name in ("total", "created", "updated", "unchanged", "rejected")
        }


class Rejected(Exception):
    """A row is rejected; the text is its code."""


def import_file(
    data: bytes,
    *,
    agency: str,
    accounts: list[dict[str, str]],
    store: Store,
    today: date,
    password: str | None = None,
    dry_run: bool = False,
) -> Outcome:
    """Import a file into `store` (left alone by a dry run); accounts are rows of the roster."""
    outcome = Outcome()
    try:
        parsed = read(data, password)
    except FileRejected as refusal:
        return Outcome(state="refused", reason=str(refusal))
    people = in_office(accounts, agency)
    events: Store = {}
    for line, record in enumerate(parsed.records, start=2):
        outcome.total += 1
        try:
            key, contents, note = event(agency, parsed.columns, record, people, today)
            if key in events:
                same = events[key] == contents
                raise Rejected("duplicate-in-file" if same else "conflict-in-file")
        except Rejected as verdict:
            outcome.rejected += 1
            outcome.rejections.append((line, str(verdict)))
            continue
        events[key] = contents
        if note:
            outcome.name_notes.append(line)
        if key not in store:
            outcome.created += 1
        elif store[key] == contents:
            outcome.unchanged += 1
        else:
            outcome.updated += 1
    if not dry_run:
        store.update(events)
    return outcome


def in_office(accounts: list[dict[str, str]], agency: str) -> dict[str, dict[str, str]]:
    """{ID: account} of those who serve in the agency and whose ID is known."""
    return {
        account["身分證字號"]: account
        for account in accounts
        if account["機關代碼"] == agency and account["狀態"] == "在職" and account["身分證字號"]
    }


def event(
    agency: str,
    columns: list[str | None],
    record: list[str],
    people: dict[str, dict[str, str]],
    today: date,
) -> tuple[tuple[Any, ...], dict[str, Any], bool]:
    """Key, contents and name note of a good row; raises Rejected with the first code that fits."""
    raw = cells_by_name(columns, record)
    number = fold_id(raw["national_id"])
    if not number:
        raise Rejected("id-missing")
    if not is_id(number):
        raise Rejected("id-invalid")
    if number not in people:
        raise Rejected("no-account")
    if any(len(text) > MAX_CELL for text in raw.values()):
        raise Rejected("too-long")
    row = {name: clean(text) for name, text in raw.items()}
    if not (row["title"] and row["started_on"] and row["ended_on"] and row["category"]):
        raise Rejected("required")
    if not any(row[name] for name in HOUR_CELLS):
        raise Rejected("required")
    category = category_code(row["category"])
    started_on, ended_on = course_date(row["started_on"]), course_date(row["ended_on"])
    if ended_on < started_on:
        raise Rejected("date-order")
    if ended_on > today:
        raise Rejected("date-future")
    numbers = hours(row, days=(ended_on - started_on).days + 1)
    account = people[number]
    texts = [folded(row[name]) for name in KEY_TEXTS]
    texts[0] = texts[0].upper()
    key = (agency, account["公務帳號"], category, *texts, started_on, ended_on)
    not_contents = {"national_id", "name", "category", "started_on", "ended_on", *KEY_TEXTS}
    contents = {name: row[name] for name in NAMES if name not in not_contents}
    return key, contents | numbers, not same_name(row["name"], account["姓名"])


def cells_by_name(columns: list[str | None], record: list[str]) -> dict[str, str]:
    surplus = record[len(columns) :]
    if len(record) < len(columns) or any(text.strip() for text in surplus):
        raise Rejected("columns")
    return {name: text for name, text in zip(columns, record, strict=False) if name}


# Cells


def nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


IGNORED = [
    (0, 8),
    (0xE, 0x1F),
    (0x7F, 0x84),
    (0x86, 0x9F),
    (0xAD, 0xAD),
    (0x34F, 0x34F),
    (0x61C, 0x61C),
]
IGNORED += [
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
]
IGNORED += [
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
]
IGNORED += [(0xFFF9, 0xFFFB), (0xE0000, 0xE0FFF)]


def folded(text: str) -> str:
    """Normalise a title for comparison: half width, composed, without invisible characters."""
    seen = [c for c in nfkc(text) if not any(a <= ord(c) <= b for a, b in IGNORED)]
    return " ".join(nfkc("".join(seen)).split())


def without_guard(text: str) -> str:
    """Excel's `="text"` → `text`."""
    return text[2:-1] if text.startswith('="') and text.endswith('"') and len(text) > 2 else text


def clean(text: str) -> str:
    text = without_guard(text)
    text = "".join(" " if char in "\t\r\n" else char for char in text)
    text = "".join(char for char in text if not (ord(char) < 0x20 or ord(char) == 0x7F))
    text = " ".join(text.split())
    return re.sub(r"(?i)\b([A-Z][A-D1289]\d{4})\d{4}\b", r"\1****", text, flags=re.ASCII)


def fold_id(text: str) -> str:
    plain = nfkc(text).upper()
    seen = [c for c in plain if not c.isspace() and unicodedata.category(c) != "Cf"]
    return without_guard("".join(seen))


def is_id(number: str) -> bool:
    """The form and the checksum that 戶政司 publishes: weights 1 9 8 7 6 5 4 3 2 1 1."""
    if not re.fullmatch(r"[A-Z][1289A-D][0-9]{8}", number):
        return False
    letters = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
    first = letters.index(number[0]) + 10
    second = letters.index(number[1]) % 10 if number[1] in letters else int(number[1])
    digits = [first // 10, first % 10, second, *(int(digit) for digit in number[2:])]
    weights = (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)
    return sum(d * w for d, w in zip(digits, weights, strict=True)) % 10 == 0


def category_code(text: str) -> int:
    """The code, the name, or both in one cell with anything but letters and digits between."""
    plain = "".join(nfkc(text).split())
    for mark in ",﹑/":
        plain = plain.replace(mark, "、")
    for code, name in CATEGORIES.items():
        written = re.escape("".join(nfkc(name).split()))
        ways = (
            str(code),
            written,
            rf"[\W_]*{code}[\W_]*{written}",
            rf"{written}[\W_]*{code}[\W_]*",
        )
        if any(re.fullmatch(way, plain) for way in ways):
            return code
    raise Rejected("category")


DATE_FORMS = (
    r"(\d{2,4}) ?- ?(\d{1,2}) ?- ?(\d{1,2})",
    r"(\d{2,4}) ?/ ?(\d{1,2}) ?/ ?(\d{1,2})",
    r"(\d{2,4}) ?\. ?(\d{1,2}) ?\. ?(\d{1,2})",
    r"(?:民國)? ?(\d{2,4}) ?年 ?(\d{1,2}) ?月 ?(\d{1,2}) ?日",
    r"(\d{2,4})(\d\d)(\d\d)",
)
TIME = r"(?:[ T]*\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?)?"


def course_date(text: str) -> date:
    plain = nfkc(text).strip()
    for form in DATE_FORMS:
        found = re.fullmatch(form + TIME, plain, re.ASCII)
        if found:
            year = found[1]
            roc = len(year) < 4 or year.startswith("0")
            try:
                day = date(int(year) + (1911 if roc else 0), int(found[2]), int(found[3]))
            except ValueError:
                break
            if day.year >= EARLIEST_YEAR:
                return day
    raise Rejected("date-invalid")


def hours(row: dict[str, str], *, days: int) -> dict[str, Fraction | None]:
    """Total and parts as exact numbers (None where blank), if they may count for `days` days."""
    numbers = {name: hour_number(row[name]) for name in HOUR_CELLS}
    total, digital, classroom = numbers.values()
    parts = [number for number in (digital, classroom) if number is not None]
    in_hours = nfkc(row["unit"]).strip() in HOUR_UNITS
    counted = sum(parts) if parts else total if in_hours else None
    if counted is not None and counted > 24 * days:
        raise Rejected("hours-invalid")
    if not parts and not in_hours:
        raise Rejected("unit")
    if in_hours and total is not None and parts and sum(parts) != total:
        raise Rejected("hours-sum")
    return numbers


def hour_number(text: str) -> Fraction | None:
    plain = nfkc(text).strip()
    if not plain:
        return None
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", plain):
        raise Rejected("hours-invalid")
    number = Fraction(plain)
    if (number * 1000).denominator != 1:
        raise Rejected("hours-invalid")
    return number


# Names

VARIANTS = "臺台 峯峰 羣群 啓啟 裏裡 恒恆 墻牆 銹鏽 粧妝 嫺嫻".split()
DOTS = "·．・.•‧"
UNREADABLE = "\ufffd?○〇□*"


def same_name(in_file: str, of_account: str) -> bool:
    """Whether the two may be one person's name; a blank one says nothing."""
    if not in_file:
        return True
    left, right = list(name_characters(in_file)), list(name_characters(of_account))
    return len(left) == len(right) and all(
        a == b or a in UNREADABLE or unicodedata.category(a) == "Co"
        for a, b in zip(left, right, strict=True)
    )


def name_characters(name: str) -> Iterator[str]:
    for char in nfkc(name).casefold():
        if char.isspace() or char in DOTS:
            continue
        yield next((pair[1] for pair in VARIANTS if char == pair[0]), char)
