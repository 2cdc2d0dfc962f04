"""How a record's values stand in the wide table."""

from html import escape

from django import template
from django.utils.safestring import SafeString, mark_safe

from ismp.hours import listing
from ismp.hours.models import Record, State, in_hours
from ismp.hours.profile import Column
from ismp.ui.sheets import NORMAL, OURS, YOURS

register = template.Library()
_TONES = {
    NORMAL: "quiet",
    YOURS: "amber",
    OURS: "red",
    State.COMPLETED: "green",
    State.REFUSED: "red",
    State.QUARANTINED: "red",
}
_LONG = 24
"""Characters of a 名稱 that fit into its two lines."""


@register.filter(name="in_hours")
def hours_filter(thousandths: int | None) -> str:
    return in_hours(thousandths)


@register.filter
def tone(word: str) -> str:
    """The colour that goes with a class of reasons or with the state of a run."""
    return _TONES.get(word, "amber")


@register.simple_tag
def cells(record: Record, columns: list[Column], *, with_agency: bool) -> SafeString:
    """One row of the wide table; `data-label` heads a cell's line in the card of a phone.

    Written as one text: a thousand tags of a page, each by itself, took longer than all else.
    """
    row = []
    for column in columns:
        text = escape(listing.cell(record, column.name))
        if column.name == "national_id":
            row.append(f'<th scope="row" class="c-national_id">{text}</th>')
            continue
        if column.name == "title" and len(record.title) > _LONG:
            text = f'<span class="clamp" tabindex="0" data-full="{text}"><span>{text}</span></span>'
        row.append(f'<td class="c-{column.name}" data-label="{column.title}">{text}</td>')
        if column.name == "name" and with_agency:
            row.append(f'<td class="c-agency" data-label="機關">{escape(record.agency.name)}</td>')
    return mark_safe("".join(row))  # noqa: S308 (each value is escaped above)
