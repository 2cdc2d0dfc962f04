"""Building a portal file by hand, row by row, for the cases of the tests."""

import io
from datetime import datetime
from zoneinfo import ZoneInfo

import pyzipper

from ismp.accounts import demo_data
from ismp.hours.portal_import.layout import COLUMNS, NAMES
from ismp.ui.text.roc_dates import roc_date

PERSON = next(p for p in demo_data.city() if p.active)
TITLES = [column.title for column in COLUMNS]
GOOD = {
    "national_id": PERSON.national_id,
    "name": PERSON.name,
    "organizer_code": "A01",
    "organizer_name": "示範訓練中心",
    "department": "資訊科",
    "category": "522",
    "title": "資通安全通識",
    "term": "1",
    "started_on": "115-01-05",
    "ended_on": "115-01-06",
    "total": "3",
    "unit": "1",
    "digital_hours": "1",
    "classroom_hours": "2",
}


def row(**changes: str) -> list[str]:
    return [(GOOD | changes).get(name, "") for name in NAMES]


def row_of_today(**changes: str) -> list[str]:
    """One that ended today: pages show this year at first, and duties of a year count it."""
    today = roc_date(datetime.now(ZoneInfo("Asia/Taipei")).date())
    ended_on = changes.get("ended_on", today)
    return row(**{"started_on": ended_on, "ended_on": ended_on} | changes)


def text(
    *rows: list[str], head: list[str] = TITLES, separator: str = ",", end: str = "\r\n"
) -> str:
    def cell(value: str) -> str:
        return '"' + value.replace('"', '""') + '"'

    return "".join(separator.join(map(cell, cells)) + end for cells in (head, *rows))


def data(*rows: list[str], encoding: str = "cp950") -> bytes:
    return text(*rows).encode(encoding)


def packed(entries: dict[str, bytes], password: bytes | None = None) -> bytes:
    buffer = io.BytesIO()
    encryption = pyzipper.WZ_AES if password else None
    with pyzipper.AESZipFile(buffer, "w", pyzipper.ZIP_DEFLATED, encryption=encryption) as archive:
        archive.pwd = password
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()
