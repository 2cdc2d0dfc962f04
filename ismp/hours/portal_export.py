"""Export files as the national portal makes them (人事單位 › 成績下載), from invented people."""

import csv
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from ismp.accounts.invented import Person
from ismp.hours.profile import COLUMNS
from ismp.ui import roc

_COURSES = (
    ("資通安全通識教育訓練", 522),
    ("社交工程防護與郵件安全", 522),
    ("個人資料保護與資通安全", 522),
    ("資安事件通報及應變實務", 523),
    ("網路封包分析入門", 523),
    ("資訊安全管理系統內部稽核", 523),
)


@dataclass(frozen=True)
class ExportChoices:
    """What the portal's form asks; the range of 課程結束日期 lies within one calendar year."""

    start: date
    end: date
    with_category: bool = True
    with_department: bool = True
    encoding: str = "cp950"
    seed: int = 1
    bad_share: float = 0.03

    def __post_init__(self) -> None:
        if self.end < self.start or self.start.year != self.end.year:
            raise ValueError("課程結束日期的起迄必須在同一個年度之內，請分年度下載。")


def export(people: Sequence[Person], rows: int, choices: ExportChoices) -> bytes:
    """The file's bytes, the same for the same seed; `bad_share` of the rows have a defect."""
    chance = random.Random(choices.seed)  # noqa: S311 (invented, not secret)
    dropped = {
        name
        for name, kept in (
            ("category", choices.with_category),
            ("department", choices.with_department),
        )
        if not kept
    }
    columns = [column for column in COLUMNS if column.name not in dropped]
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow([column.title for column in columns])
    for number in range(rows):
        row = _row(chance, chance.choice(people), number, choices)
        if chance.random() < choices.bad_share:
            row |= chance.choice(_DEFECTS)
        writer.writerow([row.get(column.name, "") for column in columns])
    return text.getvalue().encode(choices.encoding, "replace")


_DEFECTS: tuple[dict[str, str], ...] = (
    {"national_id": "A123456780"},
    {"category": "501"},
    {"total": "", "digital_hours": "", "classroom_hours": ""},
    {"total": "9"},
    {"unit": "2", "digital_hours": "", "classroom_hours": ""},
    {"started_on": "999-12-31"},
)


def _row(
    chance: random.Random, person: Person, number: int, choices: ExportChoices
) -> dict[str, str]:
    title, category = chance.choice(_COURSES)
    day = choices.start + timedelta(days=chance.randint(0, (choices.end - choices.start).days))
    digital, classroom = chance.choice(((1, 0), (2, 0), (0, 3), (1, 2), (0, 6)))
    return {
        "national_id": person.national_id,
        "name": person.name,
        "learning_type": "1",
        "organizer_code": "A09000000E",
        "organizer_name": "示範訓練中心",
        "department": person.department,
        "category": str(category),
        "degree": "6",
        "title": title,
        "term": str(number + 1),
        "started_on": roc.roc_date(day),
        "ended_on": roc.roc_date(day),
        "total": str(digital + classroom),
        "unit": "1",
        "nature": "3" if digital and classroom else "1" if digital else "2",
        "digital_hours": str(digital),
        "classroom_hours": str(classroom),
        "job_related": "是",
    }
