"""How a record's values stand in the wide table."""

from typing import Any

from django import template
from django.utils.html import format_html

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
def cell(record: Record, column: Column) -> Any:
    """One cell of the wide table; `data-label` heads its line in the card of a phone."""
    text = listing.cell(record, column.name)
    if column.name == "national_id":
        return format_html('<th scope="row" class="c-national_id">{}</th>', text)
    shown = text
    if column.name == "title" and len(text) > _LONG:
        shown = format_html(
            '<span class="clamp" tabindex="0" data-full="{}"><span>{}</span></span>', text, text
        )
    return format_html('<td class="c-{}" data-label="{}">{}</td>', column.name, column.title, shown)
