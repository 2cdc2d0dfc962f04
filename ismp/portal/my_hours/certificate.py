"""時數證明: which records it lists, the code by which it can be verified, and its paper."""

import base64
import hashlib
import json
from collections.abc import Iterable
from datetime import date
from typing import Any

from django.conf import settings

from ismp.accounts.models import Account
from ismp.hours.models import Record, RecordQuerySet, in_hours
from ismp.hours.portal_import.layout import CATEGORIES
from ismp.portal.models import Certificate
from ismp.ui.exports import pdf
from ismp.ui.text import roc_dates

_CODE_CHARACTERS = 20
"""100 bits, in groups of four."""

# --- The records -----------------------------------------------------------------------------


def own_records(account: Account) -> RecordQuerySet:
    """Everything that counts for a person, whichever agency imported it, the newest first."""
    own: RecordQuerySet = Record.objects.of_person(account)
    return own.live().order_by("-ended_on", "-run_id", "-pk")


def counted_once(records: Iterable[Record]) -> list[Record]:
    """Without the repeats of an event that two agencies have imported; as for the duties, the
    most hours stand."""
    best: dict[Any, Record] = {}
    for record in records:
        held = best.setdefault(record.event_key, record)
        if (record.hours, record.run_id) > (held.hours, held.run_id):
            best[record.event_key] = record
    return list(best.values())


def listed(account: Account, start: date, end: date) -> list[Record]:
    """The records that a certificate of a period lists, in order: of some hours."""
    found = counted_once(own_records(account).ended_in(start, end).filter(hours__gt=0))
    return sorted(found, key=lambda one: (one.ended_on, one.category, one.title, one.event_key))


def sums(records: Iterable[Record]) -> dict[str, int]:
    """Hours in thousandths by category."""
    totals = dict.fromkeys(map(str, CATEGORIES), 0)
    for record in records:
        totals[str(record.category)] += record.hours
    return totals


def in_words(totals: dict[str, int]) -> list[tuple[str, str]]:
    """522 資通安全(通識), 3 …"""
    return [(f"{code} {title}", in_hours(totals[str(code)])) for code, title in CATEGORIES.items()]


# --- The code --------------------------------------------------------------------------------


def digest(records: Iterable[Record]) -> str:
    """64 hex digits that change with any of the records."""
    lines = [[record.event_key.hex, record.hours] for record in records]
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()


def code_of(certificate: Certificate) -> str:
    """The verification code: a keyed digest of all that the certificate says."""
    names = ("name", "agency_name", "sums", "count", "records_digest")
    facts = [certificate.account_id, *(getattr(certificate, name) for name in names)]
    facts += [str(day) for day in (certificate.start, certificate.end, certificate.issued_on)]
    text = json.dumps(facts, ensure_ascii=False, sort_keys=True)
    signature = settings.KEYS.sign(b"certificate\0" + text.encode())
    return tidy(base64.b32encode(signature).decode()[:_CODE_CHARACTERS])


def tidy(code: str) -> str:
    """A code as it is printed, ABCD-EFGH-…, however it was typed."""
    plain = "".join(c for c in code.upper() if c.isascii() and c.isalnum())[:_CODE_CHARACTERS]
    return "-".join(plain[at : at + 4] for at in range(0, len(plain), 4))


# --- The paper -------------------------------------------------------------------------------


def as_pdf(certificate: Certificate, records: list[Record]) -> bytes:
    page = pdf.Paper("學習時數證明", certificate.code)
    page.gap(6)
    page.line(f"姓名：{certificate.name}")
    page.line(f"服務機關：{certificate.agency_name}")
    start, end = pdf.long_date(certificate.start), pdf.long_date(certificate.end)
    page.line(f"期間：{start}至{end}（依課程迄日期）")
    page.gap(4)
    page.table(
        ("迄日期", "課程類別", "名稱", "學習機關(構)", "時數"),
        [
            (
                roc_dates.roc_date(record.ended_on),
                str(record.category),
                record.title,
                record.organizer_name,
                in_hours(record.hours),
            )
            for record in records
        ],
        (22, 18, 70, 44, 16),
        numbers=(4,),
        empty="這段期間沒有採計的時數。",
    )
    page.gap(4)
    for name, hours in in_words(certificate.sums):
        page.line(f"{name}：{hours} 小時")
    page.gap(6)
    page.line(f"核發日期：{pdf.long_date(certificate.issued_on)}")
    page.line(f"驗證碼：{certificate.code}")
    page.line("登入資安統籌管理平台，在「驗證時數證明」輸入驗證碼，即可查證這份證明。", small=True)
    if settings.SITE_URL:
        page.line(f"{settings.SITE_URL}{certificate.get_absolute_url()}", small=True)
    return page.as_pdf()
