"""The signed list of an agency's devices: the CSV, and the form as PDF."""

import csv
import io
import zlib

from django.utils import timezone

from ismp.security.models import (
    SignOff,
)
from ismp.ui.exports import pdf
from ismp.ui.exports.cells import unguarded


def list_of(sign_off: SignOff) -> bytes:
    """The list that was signed, as a CSV; its SHA-256 is the digest of the form."""
    return zlib.decompress(sign_off.listing) if sign_off.listing else b""


_ON_PAPER = 2_000
"""So many devices stand on the form itself; setting 100,000 lines takes minutes, and nobody reads
them on paper.  Of more, the form has those on the list, and the CSV has all."""


def form_of(sign_off: SignOff) -> bytes:
    """The signed-off form as PDF: who signed what, when, the list, and its digest."""
    figures = sign_off.figures
    page = pdf.Paper(f"{sign_off.campaign.year} 年度管制設備盤點簽署表", sign_off.digest[:20])
    page.gap(6)
    if sign_off.withdrawn_at:
        day = pdf.long_date(timezone.localdate(sign_off.withdrawn_at))
        page.line(
            f"已撤回：{day}由{sign_off.withdrawn_by_name}撤回，理由：{sign_off.withdrawn_for}"
        )
    called = sign_off.agency.name_on(timezone.localdate(sign_off.signed_at))
    page.line(f"機關：{called}（{sign_off.agency.code}）")
    page.line(f"簽署人：{sign_off.signed_by_name}（{sign_off.signed_by}）")
    page.line(f"簽署日期：{pdf.long_date(timezone.localdate(sign_off.signed_at))}")
    page.gap(4)
    rows = [(words, str(figures[name])) for name, words in _FIGURES.items()]
    page.table(("項目", "數量"), rows, (120, 30), numbers=(1,), empty="")
    page.gap(4)
    page.line("本機關確認管制設備清冊完整；限制清單上的設備均已決定處置。")
    page.line(f"清冊（CSV）摘要（SHA-256）：{sign_off.digest}", small=True)
    _list_on(page, list_of(sign_off))
    return page.as_pdf()


def _list_on(page: pdf.Paper, listing: bytes) -> None:
    found = list(csv.DictReader(io.StringIO(listing.decode("utf-8-sig"), newline="")))
    if not found:
        return
    shown = found if len(found) <= _ON_PAPER else [one for one in found if one["限制清單"]]
    page.gap(6)
    if len(shown) < len(found):
        page.line(f"清冊共 {len(found):,} 項，以下是限制清單上的 {len(shown):,} 項；全部見 CSV。")
        shown = shown[:_ON_PAPER]
    else:
        page.line(f"清冊（{len(found):,} 項）")
    rows = [[unguarded(one[title]) for title in _PRINTED] for one in shown]
    page.table(tuple(_PRINTED), rows, tuple(_PRINTED.values()), empty="沒有設備")


_PRINTED = {
    "財產編號": 26,
    "種類": 13,
    "廠牌": 28,
    "型號": 28,
    "放置地點": 27,
    "連網情形": 20,
    "處置": 28,
}
"""Columns of the list on the form, with their widths in millimetres."""
_FIGURES = {
    "in_use": "使用中的設備",
    "restricted": "限制清單上的設備",
    "overdue": "逾期未汰換的設備",
    "undecided": "尚未決定處置的設備",
}
