"""Reading a roster: the CSV in which an agency tells us its people (product.md, contracts).

Knows the file only; what becomes of the people is `actions.import_roster`.
"""

import csv
import io
import re
from dataclasses import dataclass

from ismp.accounts import national_id
from ismp.accounts.identities import Identity, as_set
from ismp.accounts.models import Status
from ismp.ui.codecs import decoded

HEADER = [
    "機關代碼",
    "機關名稱",
    "部門",
    "公務帳號",
    "姓名",
    "身分證字號",
    "電子郵件",
    "資安列管身分",
    "狀態",
]
_REQUIRED = ("機關代碼", "機關名稱", "公務帳號", "姓名", "狀態")
_IDENTITIES = {label: value for value, label in Identity.choices}
_BETWEEN_IDENTITIES = re.compile(r"[、,，;；/+＋]")
_STATUSES = {label: value for value, label in Status.choices}


class RosterRefused(ValueError):
    """The roster as a whole is refused; the text is one sentence in Chinese."""


@dataclass(frozen=True)
class Entry:
    """One line of the roster, checked and folded."""

    line: int
    agency_code: str
    agency_name: str
    department: str
    username: str
    name: str
    national_id: str
    email: str
    identities: str
    status: str


def read(data: bytes) -> list[Entry]:
    """One entry per account; of an account's several lines the one in office stands.

    Raises RosterRefused, naming the line, when anything in the file is not as agreed.
    """
    text = _decode(data)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if any(row)]
    except csv.Error as error:
        raise RosterRefused("名冊的引號不成對，請用原檔重新匯出後再匯入。") from error
    if not rows or [cell.strip() for cell in rows[0]] != HEADER:
        raise RosterRefused(f"名冊第 1 列必須是標題：{'、'.join(HEADER)}。")
    entries: dict[str, Entry] = {}
    in_office: dict[tuple[str, str], int] = {}
    for line, cells in enumerate(rows[1:], start=2):
        entry = _entry(line, cells)
        former = entries.get(entry.username.lower())
        if entry.status == Status.ACTIVE:
            if former and former.status == Status.ACTIVE:
                raise RosterRefused(
                    f"第 {line} 列：公務帳號 {entry.username} 與第 {former.line} 列重複，"
                    "同一帳號只能有一列在職，請保留正確的一列。"
                )
            person = (entry.agency_code, entry.national_id)
            if entry.national_id and in_office.setdefault(person, line) != line:
                raise RosterRefused(
                    f"第 {line} 列：身分證字號與第 {in_office[person]} 列相同，"
                    "同一機關的一個身分證字號只能有一個在職帳號，請將其中一列改為離職或更正。"
                )
        if not former or entry.status == Status.ACTIVE or former.status == Status.LEFT:
            entries[entry.username.lower()] = entry
    return list(entries.values())


def _decode(data: bytes) -> str:
    text = decoded(data)
    if text is None:
        raise RosterRefused("名冊的文字編碼無法辨認，請另存為「CSV UTF-8（逗號分隔）」再匯入。")
    return text


def _entry(line: int, cells: list[str]) -> Entry:
    if len(cells) != len(HEADER):
        raise RosterRefused(f"第 {line} 列有 {len(cells)} 欄，應該是 {len(HEADER)} 欄，請更正。")
    row = {title: cell.strip() for title, cell in zip(HEADER, cells, strict=True)}
    for title in _REQUIRED:
        if not row[title]:
            raise RosterRefused(f"第 {line} 列：「{title}」是空的，請補上。")
    number = national_id.fold(row["身分證字號"])
    if number and not national_id.is_valid(number):
        raise RosterRefused(f"第 {line} 列：身分證字號的格式或檢查碼不對，請更正。")
    if row["狀態"] not in _STATUSES:
        raise RosterRefused(f"第 {line} 列：狀態只能是「在職」或「離職」，請更正。")
    named = [one.strip() for one in _BETWEEN_IDENTITIES.split(row["資安列管身分"]) if one.strip()]
    if not set(named) <= set(_IDENTITIES):
        choices = "、".join(_IDENTITIES)
        raise RosterRefused(f"第 {line} 列：資安列管身分只能是{choices}，請更正。")
    return Entry(
        line=line,
        agency_code=row["機關代碼"],
        agency_name=row["機關名稱"],
        department=row["部門"],
        username=row["公務帳號"],
        name=row["姓名"],
        national_id=number,
        email=row["電子郵件"],
        identities=as_set(_IDENTITIES[one] for one in named) or Identity.GENERAL.value,
        status=_STATUSES[row["狀態"]],
    )
