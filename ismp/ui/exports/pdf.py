"""Papers to keep, as PDF in Chinese.

Set in reportlab's own font, which every reader of PDF replaces by one it has; so no font is
shipped.  A character that such a font may lack is shown as 〓 and named below.  Knows no domain.
"""

import io
from collections.abc import Sequence
from datetime import date
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_CENTER, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from ismp.ui.text import roc_dates

_MISSING = "〓"
_FONT = "MSung-Light"
_LATIN = "Helvetica"
_NOT_DRAWN = "\x7fŋɐɔɛɪɵʃʊˍ‾∼≒"
"""Symbols of the collection for which PDFium finds no shape."""


class _Ming(UnicodeCIDFont):  # type: ignore[misc]  # reportlab has no types
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


class Paper:
    """A page to fill from top to bottom, with what stands at its foot."""

    def __init__(self, title: str, foot: str) -> None:
        self._title, self._foot = title, foot
        self._write, self._story = _Writer(), list[Any]()
        self._story.append(self._write(title, _TITLE))

    def gap(self, millimetres: int) -> None:
        self._story.append(Spacer(0, millimetres * mm))

    def line(self, text: str, *, small: bool = False) -> None:
        self._story.append(self._write(text, _SMALL if small else _PLAIN))

    def table(
        self,
        head: Sequence[str],
        rows: Sequence[Sequence[str]],
        widths: Sequence[int],
        *,
        numbers: Sequence[int] = (),
        empty: str,
    ) -> None:
        """`widths` in millimetres; the columns of `numbers` are set to the right."""
        lines: list[list[Any]] = [
            [
                self._write(cell, _NUMBER if column in numbers else _CELL)
                for column, cell in enumerate(row)
            ]
            for row in rows
        ] or [[self._write(empty, _CELL), *[""] * (len(head) - 1)]]
        style: list[Any] = [
            ("GRID", (0, 0), (-1, -1), 0.5, colors.grey),
            ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ]
        if not rows:
            style.append(("SPAN", (0, 1), (-1, 1)))
        heads = [self._write(title, _CELL) for title in head]
        columns = [width * mm for width in widths]
        table = Table([heads, *lines], columns, style=TableStyle(style), repeatRows=1)
        self._story.append(table)

    def as_pdf(self) -> bytes:
        buffer = io.BytesIO()
        margins = {"leftMargin": 20 * mm, "rightMargin": 20 * mm, "topMargin": 20 * mm}
        paper = SimpleDocTemplate(
            buffer, pagesize=A4, title=self._title, author="資安統籌管理平台", **margins
        )
        if missing := self._write.missing:
            self.line(f"{_MISSING}：{', '.join(missing)}", small=True)

        def foot(canvas: Any, document: Any) -> None:
            canvas.setFont(_FONT, 8)
            canvas.drawCentredString(A4[0] / 2, 10 * mm, f"{self._foot}　第 {document.page} 頁")

        paper.build(self._story, onFirstPage=foot, onLaterPages=foot)
        return buffer.getvalue()


def long_date(day: date) -> str:
    return f"中華民國 {roc_dates.roc_year(day)} 年 {day.month} 月 {day.day} 日"


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
        code_point = f"U+{ord(character):04X}"
        if code_point not in self.missing:
            self.missing.append(code_point)
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
