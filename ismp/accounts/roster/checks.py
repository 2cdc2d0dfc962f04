"""The rule book of the roster: every reason for which a line is not taken stands here.

Each check is a row of a table: code, whose turn it is, sentence, what to do, the columns at fault,
and what finds it: it says more about the line, or nothing when the line passes.  Their order is
their precedence; a line gets the first that applies.  One fault refuses the whole roster, but all
of them are told; only what others change while a roster is under way costs single lines.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator

from ismp.accounts import national_id, separation
from ismp.accounts.identities import Identity
from ismp.accounts.models import Account, Agency, Status
from ismp.accounts.roles import Right
from ismp.accounts.roster.lines import FIELDS, LONGEST, REQUIRED, Line
from ismp.ui.reading.faults import YOURS, Fault
from ismp.ui.reading.row_checks import BAD_CELL, COLUMNS, RowCheck, by_code, first_fault
from ismp.ui.text.search_folding import fold

Number = tuple[str, bytes]
"""Folded code of an agency, and the keyed hash of a national ID."""
_NO_PLACE_FOR_IDS = ("機關代碼", "機關名稱", "部門", "公務帳號", "姓名", "電子郵件")
LABELS = [label for _, label in Identity.choices]
_ADDRESS = EmailValidator()


@dataclass
class Repeats:
    """The lines before this one, by what no two lines may share or say otherwise."""

    agencies: dict[str, tuple[int, str]] = field(default_factory=dict)
    """The line that named an agency first, and the name."""
    accounts: dict[str, int] = field(default_factory=dict)
    people: dict[tuple[str, str], int] = field(default_factory=dict)
    """Of those in office."""

    def fault(self, line: Line) -> Fault | None:
        """That it repeats one of them; a line that repeats none is remembered."""
        self.agencies.setdefault(line.agency_code, (line.number, line["機關名稱"]))
        if found := first_fault(REPEATS, line, self):
            return found
        if line.in_office:
            self.accounts[line.username.lower()] = line.number
            if line.national_id:
                self.people[line.agency_code, line.national_id] = line.number
        return None


@dataclass(frozen=True)
class World:
    """Against what is stored already, as far as it concerns the roster."""

    sender: Account | None
    """Who sends it, and may change no more by it than by hand; None is the command."""
    agencies: dict[str, str]
    """The names of those that are known, by code."""
    accounts: dict[str, Account]
    """By name of account, small letters."""
    takes: dict[int, Number]
    """Which number of an agency each line takes that its account has not in office yet."""
    holders: dict[Number, Account]
    """Who is in office with one of these and is named by none of the lines."""
    changed: dict[int, list[str]]
    """What each line would change of a stored account, by title."""
    closed: dict[str, str] = field(default_factory=dict)
    """Why those agencies take nobody any more that were merged or dissolved, by code."""

    @cached_property
    def own(self) -> frozenset[int]:
        """The accounts that are the sender's, whatever agency they are of."""
        return separation.accounts_of(self.sender) if self.sender else frozenset()

    @cached_property
    def sees_all(self) -> bool:
        return self.sender is None or self.sender.may(Right.ALL_AGENCIES)

    @property
    def agency(self) -> Agency:
        return self.sender.agency  # type: ignore[union-attr]

    def account(self, line: Line) -> Account | None:
        return self.accounts.get(line.username.lower())


Check = RowCheck[Line]
"""Takes the line and what it is held against: nothing, `Repeats` or `World`."""


def _empty(line: Line) -> tuple[str, ...]:
    return tuple(title for title in REQUIRED if not line[title])


def _with_id(line: Line) -> tuple[str, ...]:
    """Where a national ID would be stored in clear; nobody may write it there by hand either."""
    return tuple(
        title
        for title in _NO_PLACE_FOR_IDS
        if national_id.holds(line[title], valid=title == "機關代碼")
    )


def _too_long(line: Line) -> tuple[str, ...]:
    return tuple(title for title, most in LONGEST.items() if len(line[title]) > most)


def _wrong_width(line: Line, _: Any) -> str | None:
    """Blank cells at the end may be left out, as Excel does; what must be filled in may not."""
    if line.width <= line.wanted and not line.is_cut:
        return None
    return f"有 {line.width} 欄，應該是 {line.wanted} 欄"


def _is_no_address(line: Line) -> bool:
    text = line["電子郵件"]
    try:
        _ADDRESS(text)
    except ValidationError:
        return bool(text)
    return False


def _limits(titles: tuple[str, ...]) -> str:
    return "、".join(f"「{title}」最多 {LONGEST[title]} 字" for title in titles)


CHECKS: tuple[Check, ...] = (
    BAD_CELL,
    Check.from_reason(COLUMNS, _wrong_width),
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
        tuple(FIELDS),
        lambda line, _: _limits(_too_long(line)) or None,
        _too_long,
    ),
    Check(
        "id-invalid",
        YOURS,
        "身分證字號的格式或檢查碼不對",
        "請核對身分證字號，更正這一列。",
        ("身分證字號",),
        lambda line, _: bool(line.national_id) and not national_id.is_valid(line.national_id),
    ),
    Check(
        "status",
        YOURS,
        "狀態無法辨認",
        "狀態只能是「在職」或「離職」，請更正。",
        ("狀態",),
        lambda line, _: line["狀態"] not in Status.labels,
    ),
    Check(
        "identity",
        YOURS,
        "資安列管身分無法辨認",
        f"資安列管身分只能是{'、'.join(LABELS)}，可用「、」分隔填多個，請更正。",
        ("資安列管身分",),
        lambda line, _: not set(line.identities) <= set(LABELS),
    ),
    Check(
        "email",
        YOURS,
        "電子郵件不是一個電子郵件地址",
        "請填一個地址（例如 name@example.gov.tw），沒有就留空。",
        ("電子郵件",),
        lambda line, _: _is_no_address(line),
    ),
)


def _other_name(line: Line, seen: Repeats) -> str | None:
    number, name = seen.agencies[line.agency_code]
    return f"第 {number} 列是「{name}」" if fold(name) != fold(line["機關名稱"]) else None


def _repeated_account(line: Line, seen: Repeats) -> str | None:
    number = line.in_office and seen.accounts.get(line.username.lower())
    return f"與第 {number} 列重複" if number else None


def _repeated_person(line: Line, seen: Repeats) -> str | None:
    number = line.in_office and seen.people.get((line.agency_code, line.national_id))
    return f"與第 {number} 列相同" if number else None


REPEATS: tuple[Check, ...] = (
    Check(
        "agency-names",
        YOURS,
        "同一個機關代碼有兩個機關名稱",
        "請改成同一個名稱。",
        ("機關名稱",),
        _other_name,
    ),
    Check(
        "account-repeated",
        YOURS,
        "公務帳號在名冊裡重複",
        "同一帳號只能有一列在職，請保留正確的一列。",
        ("公務帳號",),
        _repeated_account,
    ),
    Check(
        "id-repeated",
        YOURS,
        "身分證字號在名冊裡重複",
        "同一機關的一個身分證字號只能有一個在職帳號，請將其中一列改為離職或更正。",
        ("身分證字號",),
        _repeated_person,
    ),
)


def _elsewhere(line: Line, world: World) -> bool:
    account = world.account(line)
    return bool(account) and not world.sees_all and account.agency_id != world.agency.pk  # type: ignore[union-attr]


def _beyond(line: Line, world: World) -> str | None:
    account, sender = world.account(line), world.sender
    if not account or not sender or account.pk == sender.pk or sender.may_touch(account):
        return None
    return f"是{account.get_role_display()}"


def _own(line: Line, world: World) -> bool:
    account = world.account(line)
    leaves = account and account.is_active and not line.in_office
    return bool(leaves and account.pk in world.own)  # type: ignore[union-attr]


def _second(line: Line, world: World) -> str | None:
    number = world.takes.get(line.number)
    holder = world.holders.get(number) if number else None
    return holder.username if holder else None


def _renamed(line: Line, world: World) -> str | None:
    stored = world.agencies.get(line.agency_code)
    if stored is None or fold(stored) == fold(line["機關名稱"]):
        return None
    return f"登錄的名稱是「{stored}」"


def _own_changes(line: Line, world: World) -> str | None:
    account = world.account(line)
    if not account or account.pk not in world.own:
        return None
    return "、".join(world.changed.get(line.number, ())) or None


AGAINST_WORLD: tuple[Check, ...] = (
    Check(
        "agency-closed",
        YOURS,
        "這個機關已經合併或裁撤",
        "請改填現在的機關代碼與名稱。",
        ("機關代碼",),
        lambda line, world: world.closed.get(line.agency_code),
    ),
    Check(
        "other-agency",
        YOURS,
        "機關代碼不是您的機關",
        "只能匯入本機關的名冊，請刪除這一列。",
        ("機關代碼",),
        lambda line, world: not world.sees_all and line.agency_code != world.agency.code,
    ),
    Check(
        "agency-renamed",
        YOURS,
        "機關名稱與登錄的不同",
        "名冊不能更改機關名稱；請改成登錄的名稱，機關改名請由平台管理者辦理。",
        ("機關名稱",),
        _renamed,
    ),
    Check(
        "account-elsewhere",
        YOURS,
        "公務帳號已經有其他機關使用",
        "調入的同仁請由原機關辦理調職，再匯入名冊。",
        ("公務帳號",),
        _elsewhere,
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
        _own,
    ),
    Check(
        "own-changed",
        YOURS,
        "不能用名冊變更自己的帳號",
        "請恢復這一列原來的內容，由另一位管理者辦理變更。",
        (),
        _own_changes,
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

LATER_ENTRY = Check(
    "later-entry",
    YOURS,
    "這位同仁已登記之後的異動",
    "名冊的異動從今天生效，管不到那一天以後；請刪除這一列，或先到帳號的網頁取消那筆登記。",
    ("公務帳號",),
    lambda line, words: words,
)
"""Of a line that changes where or as what somebody serves, while a day to come has an entry."""

MEANWHILE = Check(
    "changed-meanwhile",
    YOURS,
    "匯入期間有人變更了這個帳號",
    "這一列沒有匯入；請核對帳號現在的內容，更正這一列後再匯入一次。",
    ("公務帳號",),
    lambda line, words: words,
)
"""Of a line that changes what somebody else changed while the roster was under way."""

NO_RIGHT = Check(
    "no-right",
    YOURS,
    "匯入期間您的權限已經變更",
    "這一列沒有匯入；請由有權限的管理者再匯入一次。",
    (),
    lambda line, words: words,
)

_OTHERS = (LATER_ENTRY, MEANWHILE, NO_RIGHT)
BY_CODE = by_code(CHECKS, REPEATS, AGAINST_WORLD, _OTHERS)
