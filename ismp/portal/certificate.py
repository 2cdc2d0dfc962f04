"""時數證明: which records it lists, the code by which it can be verified, and its paper.

The paper is a PDF in reportlab's own Chinese font, which every reader of PDF replaces by one it
has; so no font is shipped.  A character that such a font may lack is shown as 〓 and named below.
"""

import base64
import hashlib
import io
import json
from collections.abc import Iterable
from datetime import date
from typing import Any
from xml.sax.saxutils import escape

from django.conf import settings
from reportlab.lib import colors
from reportlab.lib.enums import TA_CENTER, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from ismp.accounts.models import Account
from ismp.hours.models import Record, RecordQuerySet, in_hours
from ismp.hours.profile import CATEGORIES
from ismp.portal.models import Certificate
from ismp.ui import roc

_CODE_CHARACTERS = 20
"""100 bits, in groups of four."""
_MISSING = "〓"
_FONT = "MSung-Light"
_LATIN = "Helvetica"
_NOT_DRAWN = "\x7fŋɐɔɛɪɵʃʊˍ‾∼≒"
"""Symbols of the collection for which PDFium finds no shape."""


class _Ming(UnicodeCIDFont):
    """明體 by the newest map of traditional Chinese: older ones lack 啓, and the library itself
    would take that of simplified Chinese."""

    def __init__(self) -> None:
        super().__init__(_FONT)
        self.encodingName = "UniCNS-UTF16-H"


pdfmetrics.registerFont(_Ming())
_PLAIN = ParagraphStyle("plain", fontName=_FONT, fontSize=10, leading=15, wordWrap="CJK")
_TITLE = ParagraphStyle("title", _PLAIN, fontSize=20, leading=30, alignment=TA_CENTER)
_CELL = ParagraphStyle("cell", _PLAIN, fontSize=9, leading=13)
_NUMBER = ParagraphStyle("number", _CELL, alignment=TA_RIGHT)
_SMALL = ParagraphStyle("small", _PLAIN, fontSize=8, leading=12)


# --- The records -----------------------------------------------------------------------------


def own_records(account: Account) -> RecordQuerySet:
    """Everything that counts for a person, whichever agency imported it, the newest first."""
    own: RecordQuerySet = Record.objects.of_person(account)
    return own.live().order_by("-ended_on", "-run_id", "-pk")


def counted_once(records: Iterable[Record]) -> list[Record]:
    """Without the repeats of an event that two agencies have imported: the newest import stands."""
    newest: dict[Any, Record] = {}
    for record in records:
        held = newest.setdefault(record.event_key, record)
        if record.run_id > held.run_id:
            newest[record.event_key] = record
    return list(newest.values())


def listed(account: Account, start: date, end: date) -> list[Record]:
    """The records that a certificate of a period lists, in order."""
    found = counted_once(own_records(account).ended_in(start, end))
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
    buffer = io.BytesIO()
    margins = {"leftMargin": 20 * mm, "rightMargin": 20 * mm, "topMargin": 20 * mm}
    paper = SimpleDocTemplate(
        buffer, pagesize=A4, title="學習時數證明", author="資安統籌管理平台", **margins
    )
    write = _Writer()
    head = [
        ("姓名", certificate.name),
        ("服務機關", certificate.agency_name),
        ("期間", f"{_long(certificate.start)}至{_long(certificate.end)}（依課程迄日期）"),
    ]
    story = [
        write("學習時數證明", _TITLE),
        Spacer(0, 6 * mm),
        *(write(f"{name}：{value}") for name, value in head),
        Spacer(0, 4 * mm),
        _records(records, write),
        Spacer(0, 4 * mm),
        *(write(f"{words}：{hours} 小時") for words, hours in in_words(certificate.sums)),
        Spacer(0, 6 * mm),
        write(f"核發日期：{_long(certificate.issued_on)}"),
        write(f"驗證碼：{certificate.code}"),
        write("登入資安統籌管理平台，在「驗證時數證明」輸入驗證碼，即可查證這份證明。", _SMALL),
    ]
    if settings.SITE_URL:
        story.append(write(f"{settings.SITE_URL}{certificate.get_absolute_url()}", _SMALL))
    story += [write(f"{_MISSING}：{', '.join(write.missing)}", _SMALL)] if write.missing else []

    def foot(canvas: Any, document: Any) -> None:
        canvas.setFont(_FONT, 8)
        canvas.drawCentredString(A4[0] / 2, 10 * mm, f"{certificate.code}　第 {document.page} 頁")

    paper.build(story, onFirstPage=foot, onLaterPages=foot)
    return buffer.getvalue()


def _records(records: list[Record], write: "_Writer") -> Table:
    head = ("迄日期", "課程類別", "名稱", "學習機關(構)", "時數")
    lines = [
        [
            write(roc.roc_date(record.ended_on), _CELL),
            write(str(record.category), _CELL),
            write(record.title, _CELL),
            write(record.organizer_name, _CELL),
            write(in_hours(record.hours), _NUMBER),
        ]
        for record in records
    ] or [[write("這段期間沒有採計的時數。", _CELL), "", "", "", ""]]
    style = [
        ("GRID", (0, 0), (-1, -1), 0.5, colors.grey),
        ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ]
    if not records:
        style.append(("SPAN", (0, 1), (-1, 1)))
    widths = [22 * mm, 18 * mm, 70 * mm, 44 * mm, 16 * mm]
    heads = [write(title, _CELL) for title in head]
    return Table([heads, *lines], widths, style=TableStyle(style), repeatRows=1)


def _long(day: date) -> str:
    return f"中華民國 {roc.roc_year(day)} 年 {day.month} 月 {day.day} 日"


class _Writer:
    """Sets text in the Chinese font and remembers what that font cannot show."""

    def __init__(self) -> None:
        self.missing: list[str] = []

    def __call__(self, text: str, style: ParagraphStyle = _PLAIN) -> Paragraph:
        return Paragraph("".join(map(self._one, text)), style)

    def _one(self, character: str) -> str:
        if character.isspace():
            return " "
        if can_be_set(character):
            return escape(character)
        if character.isprintable() and _in(character, "cp1252"):
            return f'<font face="{_LATIN}">{escape(character)}</font>'
        told = f"U+{ord(character):04X}"
        if told not in self.missing:
            self.missing.append(told)
        return _MISSING


def can_be_set(character: str) -> bool:
    """Whether the Chinese font has it: Big5 with Hong Kong's supplement is what its collection
    (Adobe-CNS1) covers; what lies beyond the basic plane is not drawn by every reader."""
    is_basic = " " < character <= "\uffff" and character not in _NOT_DRAWN
    return is_basic and not character.isspace() and _in(character, "big5hkscs")


def _in(character: str, codec: str) -> bool:
    try:
        character.encode(codec)
    except UnicodeEncodeError:
        return False
    return True
