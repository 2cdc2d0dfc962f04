"""Schema of JSON from outside: each value that we read has a type and a bound.

A schema is data (`Record({"name": Text(300)}, needs=("name",))`); `check` raises Fault, which says
where and what.  A value that is null where the schema has one is a fault: what is not said is left
out.  What a schema does not name is not read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ismp.security.intelligence.found import moment

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""NUL (PostgreSQL has none) and halves of surrogate pairs (no UTF-8 has them)."""
_ESCAPED = re.compile(r"\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})")
_UNSTORABLE_WORDS = "含有不能儲存的字元（NUL 或不成對的代理字元）"


class Fault(ValueError):
    """A value that does not fit: `place` (`affected[2].vendor`) and `words` in Chinese."""

    def __init__(self, words: str, place: str = "") -> None:
        super().__init__(words)
        self.words, self.place = words, place

    def within(self, outer: str) -> "Fault":
        """The same fault, seen from one level up."""
        joint = "" if not self.place or self.place.startswith("[") else "."
        return Fault(self.words, f"{outer}{joint}{self.place}")

    def __str__(self) -> str:
        return f"{self.place} {self.words}".strip()


class Rule(Protocol):
    def check(self, value: Any) -> None:
        """Raises Fault."""


@dataclass(frozen=True)
class Text:
    most: int = 20_000
    shape: re.Pattern[str] | None = None
    is_called: str = ""
    """What has the shape, in words."""

    def check(self, value: Any) -> None:
        if not isinstance(value, str):
            raise Fault("不合格式：要是文字")
        if len(value) > self.most:
            raise Fault(f"太長：有 {len(value):,} 個字，最多 {self.most:,} 個")
        if _UNSTORABLE.search(value):
            raise Fault(_UNSTORABLE_WORDS)
        if self.shape and not self.shape.fullmatch(value):
            raise Fault(f"不合格式：不是{self.is_called}")


class Moment:
    """A day or a moment in ISO 8601, of years in which advisories are written."""

    def check(self, value: Any) -> None:
        _TEXT_OF_MOMENT.check(value)
        try:
            year = int(moment(value)[:4])
        except (ValueError, OverflowError) as error:
            raise Fault("不合格式：不是日期或時間") from error
        if not 1990 <= year <= 2199:
            raise Fault(f"不合格式：{value[:10]} 不像情資的日期")


_TEXT_OF_MOMENT = Text(40)


class Flag:
    def check(self, value: Any) -> None:
        if not isinstance(value, bool):
            raise Fault("不合格式：要是 true 或 false")


@dataclass(frozen=True)
class Number:
    least: float = 0
    most: float = 10

    def check(self, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Fault("不合格式：要是數字")
        if not self.least <= value <= self.most:
            raise Fault(f"不合格式：要在 {self.least:g} 到 {self.most:g} 之間")


@dataclass(frozen=True)
class Many:
    item: Rule
    most: int = 100_000

    def check(self, value: Any) -> None:
        if not isinstance(value, list):
            raise Fault("不合格式：要是清單")
        if len(value) > self.most:
            raise Fault(f"有 {len(value):,} 項，最多 {self.most:,} 項")
        for number, one in enumerate(value):
            try:
                self.item.check(one)
            except Fault as fault:
                raise fault.within(f"[{number}]") from None


@dataclass(frozen=True)
class Record:
    fields: Mapping[str, Rule]
    needs: tuple[str, ...] = field(default=())

    def check(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise Fault("不合格式：要是物件")
        for name in self.needs:
            if name not in value:
                raise Fault("缺少必要的欄位", name)
        for name, rule in self.fields.items():
            if name in value:
                if value[name] is None:
                    raise Fault("不能是空的（null）", name)
                try:
                    rule.check(value[name])
                except Fault as fault:
                    raise fault.within(name) from None

    def and_(self, fields: Mapping[str, Rule], *needs: str) -> "Record":
        """A schema with more fields."""
        return Record({**self.fields, **fields}, (*self.needs, *needs))


def may_hold_unstorable(text: str) -> bool:
    """Whether the JSON text has escapes that may stand for what no database keeps."""
    return bool(_ESCAPED.search(text))


def refuse_unstorable(value: Any) -> None:
    """Raises Fault when a text at any depth, a key too, cannot be stored."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            if _UNSTORABLE.search(one):
                raise Fault(_UNSTORABLE_WORDS)
        elif isinstance(one, dict):
            waiting += [*one, *one.values()]
        elif isinstance(one, list):
            waiting += one
