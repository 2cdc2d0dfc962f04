"""Invented people for demo and tests, the same for the same seed.  Nobody here exists."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ismp.accounts import national_id

AGENCIES = {
    "382990001Z": "示範市政府資訊中心",
    "382990002Z": "示範市政府環境保護局",
    "382990003Z": "示範市政府文化局",
}
_SURNAMES = "陳林黃張李王吳劉蔡楊許鄭謝郭洪曾邱廖賴周"
_GIVEN = "志明淑芬家豪雅婷俊宏美玲冠宇怡君柏翰欣怡承恩詠晴功蓋碁銹堃煊喆峯"
_DEPARTMENTS = ("秘書室", "人事室", "資訊科", "業務科")
_IDENTITIES = ("資安專職人員", "資訊人員", "一般使用者及主管", "一般使用者及主管")
_HEADER = "機關代碼,機關名稱,部門,公務帳號,姓名,身分證字號,電子郵件,資安列管身分,狀態"

_LEFT_SHARE = 0.02
MOST_PEOPLE = 1_000_000


@dataclass(frozen=True)
class Person:
    agency_code: str
    department: str
    username: str
    name: str
    national_id: str
    identity: str
    active: bool


def city(seed: int = 1) -> list[Person]:
    """Three agencies with 20 accounts each, some left; one serves elsewhere now."""
    chance = random.Random(seed)  # noqa: S311 (invented, not secret)
    numbers = chance.sample(range(10_000_000), 60)
    people = [
        _person(chance, code, f"{letters}{1001 + index}", numbers.pop(), active=index % 9 != 8)
        for code, letters in zip(AGENCIES, ("IC", "EP", "CU"), strict=True)
        for index in range(20)
    ]
    left = people[8]
    moved = Person(
        "382990002Z", "秘書室", "EP2001", left.name, left.national_id, left.identity, active=True
    )
    return [*people, moved]


def people(count: int, agencies: int, seed: int = 1) -> list[Person]:
    """`count` people in `agencies` agencies, all in office but about one in fifty."""
    chance = random.Random(seed)  # noqa: S311 (invented, not secret)
    numbers = chance.sample(range(10_000_000), count)
    return [
        replace(
            _person(chance, f"39{index % agencies:07d}Z", f"P{index + 1:07d}", number, active=True),
            active=chance.random() >= _LEFT_SHARE,
        )
        for index, number in enumerate(numbers)
    ]


def _person(
    chance: random.Random, agency_code: str, username: str, number: int, *, active: bool
) -> Person:
    return Person(
        agency_code=agency_code,
        department=chance.choice(_DEPARTMENTS),
        username=username,
        name=chance.choice(_SURNAMES) + "".join(chance.sample(_GIVEN, 2)),
        national_id=national_id.complete(
            f"{chance.choice('ABFHT')}{chance.choice('12')}{number:07d}"
        ),
        identity=chance.choice(_IDENTITIES),
        active=active,
    )


def _agency_name(code: str) -> str:
    return AGENCIES.get(code) or f"示範第{int(code[2:9]) + 1}機關"


def roster_csv(people: Iterable[Person]) -> str:
    """The roster that `ismp import_roster` takes (docs/explain/contracts.md)."""
    lines = [
        f"{p.agency_code},{_agency_name(p.agency_code)},{p.department},{p.username},{p.name},"
        f"{p.national_id},{p.username.lower()}@ismp.example,{p.identity},"
        f"{'在職' if p.active else '離職'}"
        for p in people
    ]
    return "\r\n".join([_HEADER, *lines, ""])
