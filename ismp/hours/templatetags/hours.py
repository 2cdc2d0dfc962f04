"""How a record's values stand in the wide table."""

from html import escape

from django import template
from django.utils.safestring import SafeString, mark_safe

from ismp.hours.listing import search as listing_search
from ismp.hours.models import Record, in_hours
from ismp.hours.portal_import.layout import Column
from ismp.imports.models import State

register = template.Library()
_LONG = 24
"""Characters of a 名稱 that fit into its two lines."""


@register.filter(name="in_hours")
def hours_filter(thousandths: int | None) -> str:
    return in_hours(thousandths)


@register.filter
def job_state(state: str) -> str:
    """Say how far a job of the worker is."""
    words = {State.COMPLETED: "完成", State.QUEUED: "排隊中", State.RUNNING: "處理中"}
    return words.get(State(state), "沒有執行")


@register.simple_tag
def row(record: Record, columns: list[Column], *, pick: bool, with_agency: bool) -> SafeString:
    """One row of the wide table; `data-label` heads a cell's line in the card of a phone, `pick`
    is for a box to tick.

    Written as one text: a thousand tags of a page, each by itself, took longer than all else.
    """
    cells = ["<tr>"]
    if pick:
        whose = escape(f"{record.account.username} {record.title}")
        box = f'<input type="checkbox" name="ids" value="{record.pk}" aria-label="選取 {whose}">'
        cells.append(f'<td class="c-pick">{box}</td>')
    for column in columns:
        text = escape(listing_search.cell(record, column.name))
        if column.name == "national_id":
            cells.append(f'<th scope="row" class="c-national_id">{text}</th>')
            continue
        if column.name == "title" and len(record.title) > _LONG:
            text = f'<span class="clamp" tabindex="0" data-full="{text}"><span>{text}</span></span>'
        cells.append(f'<td class="c-{column.name}" data-label="{column.title}">{text}</td>')
        if column.name == "name" and with_agency:
            agency = escape(record.agency.name)
            cells.append(f'<td class="c-agency" data-label="機關">{agency}</td>')
    cells.append('<td class="c-more"><label><input type="checkbox"> 更多</label></td></tr>')
    return mark_safe("".join(cells))  # noqa: S308 (each value is escaped above)
