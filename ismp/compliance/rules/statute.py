"""The training duties of the law as the platform ships them, each with worked examples.

Data only, written into the database once, when it is made; from then on 學習地圖管理 keeps them.
Source: 資通安全責任等級分級辦法, the tables of 110.08.23 and of 115.01.07, 認知與訓練.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from ismp.compliance.rules.arithmetic import Duty

_TABLES_110 = date(2021, 8, 23)
_TABLES_115 = date(2026, 1, 7)
_LAW = "資通安全責任等級分級辦法"


@dataclass(frozen=True)
class Version:
    """The requirement of a rule from a day on."""

    since: date
    grades: str
    hours: int
    citation: str


@dataclass(frozen=True)
class Example:
    """Records (類別, 迄日期, thousandths) and what is missing then; None: nothing is owed."""

    title: str
    on: date
    grade: str
    records: tuple[tuple[int, date, int], ...]
    missing: int | None


@dataclass(frozen=True)
class Rule:
    identity: str
    categories: frozenset[int]
    years: int
    versions: tuple[Version, ...]
    examples: tuple[Example, ...]


RULES = (
    Rule(
        "security",
        frozenset({523}),
        1,
        (Version(_TABLES_110, "ABC", 12_000, f"{_LAW}附表一、三、五（認知與訓練）"),),
        (
            Example(
                "一年兩次共 12 小時",
                date(2025, 12, 31),
                "A",
                ((523, date(2025, 3, 5), 6_000), (523, date(2025, 9, 10), 6_000)),
                0,
            ),
            Example(
                "去年的時數不能留到今年",
                date(2026, 3, 1),
                "A",
                ((523, date(2025, 12, 31), 12_000),),
                12_000,
            ),
            Example(
                "通識時數不能抵專業",
                date(2026, 12, 31),
                "B",
                ((522, date(2026, 5, 1), 12_000),),
                12_000,
            ),
        ),
    ),
    Rule(
        "it",
        frozenset({523}),
        2,
        (
            Version(_TABLES_110, "ABC", 3_000, f"{_LAW}附表一、三、五（認知與訓練）"),
            Version(_TABLES_115, "ABCD", 3_000, f"{_LAW}附表一、三、五、七（115.01.07 修正）"),
        ),
        (
            Example(
                "兩年合計 3 小時",
                date(2026, 6, 30),
                "C",
                ((523, date(2025, 3, 5), 1_000), (523, date(2026, 2, 1), 2_000)),
                0,
            ),
            Example("D級機關自 115-01-07 起", date(2026, 1, 7), "D", (), 3_000),
            Example("D級機關在修正之前", date(2026, 1, 6), "D", (), None),
        ),
    ),
    Rule(
        "it",
        frozenset({522}),
        1,
        (
            Version(_TABLES_110, "ABC", 3_000, f"{_LAW}附表一、三、五（認知與訓練）"),
            Version(_TABLES_115, "ABCD", 3_000, f"{_LAW}附表一、三、五、七（115.01.07 修正）"),
        ),
        (
            Example("今年 3 小時", date(2026, 6, 30), "C", ((522, date(2026, 2, 1), 3_000),), 0),
            Example(
                "專業時數不能抵通識",
                date(2026, 6, 30),
                "C",
                ((523, date(2026, 2, 1), 3_000),),
                3_000,
            ),
        ),
    ),
    Rule(
        "general",
        frozenset({522}),
        1,
        (Version(_TABLES_110, "ABCDE", 3_000, f"{_LAW}附表一、三、五、七、八（認知與訓練）"),),
        (
            Example(
                "今年兩次共 3 小時",
                date(2026, 12, 31),
                "E",
                ((522, date(2026, 1, 5), 1_000), (522, date(2026, 12, 31), 2_000)),
                0,
            ),
            Example("差半小時", date(2026, 12, 31), "", ((522, date(2026, 1, 5), 2_500),), 500),
        ),
    ),
)


def duties() -> Iterator[Duty]:
    """Every version of every rule, each until the next one."""
    for rule in RULES:
        following = [version.since - timedelta(days=1) for version in rule.versions[1:]]
        for version, until in zip(rule.versions, [*following, None], strict=True):
            yield Duty(
                rule.identity,
                frozenset(version.grades),
                rule.categories,
                version.hours,
                rule.years,
                since=version.since,
                until=until,
                citation=version.citation,
            )


def enact(rule: Any, version: Any, example: Any) -> None:
    """Write the rules into the tables of these models, unless rules stand there already.

    Known since they came into force: an audit may ask about a day before the platform.
    """
    if rule.objects.exists():
        return
    for shipped in RULES:
        codes = "+".join(map(str, sorted(shipped.categories)))
        row = rule.objects.create(identity=shipped.identity, categories=codes, years=shipped.years)
        for one in shipped.versions:
            known = datetime.combine(one.since, time(), UTC)
            version.objects.create(rule=row, recorded_at=known, recorded_by=_LAW, **vars(one))
        for shipped_example in shipped.examples:
            records = [
                [code, day.isoformat(), hours] for code, day, hours in shipped_example.records
            ]
            example.objects.create(rule=row, **{**vars(shipped_example), "records": records})
