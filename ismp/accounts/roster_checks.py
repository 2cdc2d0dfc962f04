"""The rule book of the roster: every reason for which a line is not taken stands here.

Each check is a row of a table: code, whose turn it is, sentence, what to do, the columns at fault,
and what finds it: it says more about the line, or nothing when the line passes.  Their order is
their precedence; a line gets the first that applies.  One fault refuses the whole roster, but all
of them are told.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.conf import settings

from ismp.accounts import national_id
from ismp.accounts.identities import Identity
from ismp.accounts.models import Account, Agency, Department, Status
from ismp.accounts.roles import Right
from ismp.ui.sheets import YOURS, Fault, Reason

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
REQUIRED = ("機關代碼", "機關名稱", "公務帳號", "姓名", "狀態")
_NO_PLACE_FOR_IDS = ("機關名稱", "部門", "公務帳號", "姓名", "電子郵件")
_LABELS = [label for _, label in Identity.choices]
_BETWEEN_IDENTITIES = re.compile(r"[、,，;；/+＋]")
_FIELDS = {
    "機關代碼": (Agency, "code"),
    "機關名稱": (Agency, "name"),
    "部門": (Department, "name"),
    "公務帳號": (Account, "username"),
    "姓名": (Account, "name"),
    "電子郵件": (Account, "email"),
}
LONGEST: dict[str, int] = {
    title: model._meta.get_field(name).max_length  # type: ignore[misc, union-attr]
    for title, (model, name) in _FIELDS.items()
}
_PLACE = {title: place for place, title in enumerate(HEADER)}


@dataclass(frozen=True)
class Line:
    """A line of the file as it was written, without the spaces around its cells."""

    number: int
    cells: list[str]

    def __getitem__(self, title: str) -> str:
        """Empty where the line has too few cells to tell."""
        place = _PLACE[title]
        return self.cells[place] if place < len(self.cells) else ""

    @property
    def username(self) -> str:
        return self["公務帳號"]

    @cached_property
    def national_id(self) -> str:
        return national_id.fold(self["身分證字號"])

    @cached_property
    def identities(self) -> list[str]:
        named = _BETWEEN_IDENTITIES.split(self["資安列管身分"])
        return [one.strip() for one in named if one.strip()]

    @property
    def in_office(self) -> bool:
        return self["狀態"] == Status.ACTIVE.label


@dataclass
class Repeats:
    """The lines before this one that are in office, by what no two of them may share."""

    accounts: dict[str, int] = field(default_factory=dict)
    people: dict[tuple[str, str], int] = field(default_factory=dict)

    def fault(self, line: Line) -> Fault | None:
        """That it repeats one of them; a line that repeats none is remembered."""
        if not line.in_office:
            return None
        if found := first_fault(line, self, REPEATS):
            return found
        self.accounts[line.username.lower()] = line.number
        if line.national_id:
            self.people[line["機關代碼"], line.national_id] = line.number
        return None


@dataclass(frozen=True)
class World:
    """Against what is stored already, as far as it concerns the roster."""

    keeper: Account | None
    """Who sends it, and may change no more by it than by hand; None is the command."""
    accounts: dict[str, Account]
    """By name of account, small letters."""
    holders: dict[tuple[str, bytes], Account]
    """Who is in office outside of this roster, by agency and hash of the national ID."""

    @cached_property
    def sees_all(self) -> bool:
        return self.keeper is None or self.keeper.may(Right.ALL_AGENCIES)

    @property
    def agency(self) -> Agency:
        return self.keeper.agency  # type: ignore[union-attr]

    def account(self, line: Line) -> Account | None:
        return self.accounts.get(line.username.lower())


@dataclass(frozen=True)
class Check(Reason):
    """One reason.  `finds` takes the line and what it is held against; it says what to add about
    the line, be it nothing (an empty text), and None when the line passes."""

    finds: Callable[[Line, Any], str | None]
    guilty: Callable[[Line], tuple[str, ...]] = lambda line: ()
    """Which of `columns` are at fault in a line, where not all of them are."""


def _when(applies: bool, about: str = "") -> str | None:
    return about if applies else None


def _empty(line: Line) -> tuple[str, ...]:
    return tuple(title for title in REQUIRED if not line[title])


def _with_id(line: Line) -> tuple[str, ...]:
    """Where a national ID would be stored in clear; nobody may write it there by hand either."""
    return tuple(
        title
        for title in _NO_PLACE_FOR_IDS
        if national_id.LOOKS_LIKE.search(national_id.fold(line[title]))
    )


def _too_long(line: Line) -> tuple[str, ...]:
    return tuple(title for title, most in LONGEST.items() if len(line[title]) > most)


def _limits(titles: tuple[str, ...]) -> str:
    return "、".join(f"「{title}」最多 {LONGEST[title]} 字" for title in titles)


CHECKS: tuple[Check, ...] = (
    Check(
        "columns",
        YOURS,
        "欄位數與標題不同",
        "請檢查這一列是否多了或少了逗號。",
        (),
        lambda line, _: _when(
            len(line.cells) != len(HEADER), f"有 {len(line.cells)} 欄，應該是 {len(HEADER)} 欄"
        ),
    ),
    Check(
        "required",
        YOURS,
        "必填的欄位是空的",
        "請補上；機關代碼、機關名稱、公務帳號、姓名與狀態都要填。",
        REQUIRED,
        lambda line, _: "、".join(f"「{title}」" for title in _empty(line)) or None,
        _empty,
    ),
    Check(
        "id-elsewhere",
        YOURS,
        "身分證字號寫在別的欄位",
        "請刪除；身分證字號只能寫在「身分證字號」這一欄。",
        _NO_PLACE_FOR_IDS,
        lambda line, _: "、".join(f"「{title}」" for title in _with_id(line)) or None,
        _with_id,
    ),
    Check(
        "too-long",
        YOURS,
        "有欄位太長",
        "請縮短。",
        tuple(_FIELDS),
        lambda line, _: _limits(_too_long(line)) or None,
        _too_long,
    ),
    Check(
        "id-invalid",
        YOURS,
        "身分證字號的格式或檢查碼不對",
        "請核對身分證字號，更正這一列。",
        ("身分證字號",),
        lambda line, _: _when(
            bool(line.national_id) and not national_id.is_valid(line.national_id)
        ),
    ),
    Check(
        "status",
        YOURS,
        "狀態無法辨認",
        "狀態只能是「在職」或「離職」，請更正。",
        ("狀態",),
        lambda line, _: _when(line["狀態"] not in Status.labels),
    ),
    Check(
        "identity",
        YOURS,
        "資安列管身分無法辨認",
        f"資安列管身分只能是{'、'.join(_LABELS)}，可用「、」分隔填多個，請更正。",
        ("資安列管身分",),
        lambda line, _: _when(not set(line.identities) <= set(_LABELS)),
    ),
)

REPEATS: tuple[Check, ...] = (
    Check(
        "account-repeated",
        YOURS,
        "公務帳號在名冊裡重複",
        "同一帳號只能有一列在職，請保留正確的一列。",
        ("公務帳號",),
        lambda line, seen: (
            f"與第 {seen.accounts[line.username.lower()]} 列重複"
            if line.username.lower() in seen.accounts
            else None
        ),
    ),
    Check(
        "id-repeated",
        YOURS,
        "身分證字號在名冊裡重複",
        "同一機關的一個身分證字號只能有一個在職帳號，請將其中一列改為離職或更正。",
        ("身分證字號",),
        lambda line, seen: (
            f"與第 {seen.people[line['機關代碼'], line.national_id]} 列相同"
            if (line["機關代碼"], line.national_id) in seen.people
            else None
        ),
    ),
)


def _elsewhere(line: Line, world: World) -> bool:
    account = world.account(line)
    return bool(account) and not world.sees_all and account.agency_id != world.agency.pk  # type: ignore[union-attr]


def _beyond(line: Line, world: World) -> str | None:
    account, keeper = world.account(line), world.keeper
    if not account or not keeper or account.pk == keeper.pk or keeper.may_touch(account):
        return None
    return f"是{account.get_role_display()}"


def _own(line: Line, world: World) -> bool:
    account, keeper = world.account(line), world.keeper
    return bool(account and keeper and account.pk == keeper.pk and not line.in_office)


def _second(line: Line, world: World) -> str | None:
    if not line.in_office or not line.national_id:
        return None
    number = settings.KEYS.blind_index(line.national_id)
    holder = world.holders.get((line["機關代碼"], number))
    return holder.username if holder else None


AGAINST_WORLD: tuple[Check, ...] = (
    Check(
        "other-agency",
        YOURS,
        "機關代碼不是您的機關",
        "只能匯入本機關的名冊，請刪除這一列。",
        ("機關代碼",),
        lambda line, world: _when(not world.sees_all and line["機關代碼"] != world.agency.code),
    ),
    Check(
        "account-elsewhere",
        YOURS,
        "公務帳號已經有其他機關使用",
        "調入的同仁請由原機關辦理調職，再匯入名冊。",
        ("公務帳號",),
        lambda line, world: _when(_elsewhere(line, world)),
    ),
    Check(
        "account-beyond",
        YOURS,
        "這個帳號請由平台管理者維護",
        "請刪除這一列。",
        ("公務帳號",),
        _beyond,
    ),
    Check(
        "own-account",
        YOURS,
        "不能將自己的帳號改為離職",
        "請由另一位管理者辦理。",
        ("狀態",),
        lambda line, world: _when(_own(line, world)),
    ),
    Check(
        "second-account",
        YOURS,
        "這個身分證字號在同一機關已有在職帳號",
        "請先將舊帳號改為離職，或更正這一列。",
        ("身分證字號",),
        _second,
    ),
)

BY_CODE = {check.code: check for check in (*CHECKS, *REPEATS, *AGAINST_WORLD)}


def first_fault(
    line: Line, against: Any = None, checks: tuple[Check, ...] = CHECKS
) -> Fault | None:
    """The first check that applies to a line."""
    for check in checks:
        about = check.finds(line, against)
        if about is not None:
            return Fault(line.number, check, line.cells, about, check.guilty(line))
    return None
