"""How a record's values stand in the wide table."""

from typing import Any

from django import template
from django.utils.html import format_html

from ismp.hours import listing
from ismp.hours.models import Record, in_hours
from ismp.hours.profile import Column

register = template.Library()
_CLASSES = {"時數": "number", "時間": "date"}


@register.filter(name="in_hours")
def hours_filter(thousandths: int | None) -> str:
    return in_hours(thousandths)


@register.simple_tag
def cell(record: Record, column: Column) -> Any:
    """One table cell, aligned by its group."""
    text = listing.cell(record, column.name)
    if column.name == "national_id":
        return format_html('<th scope="row">{}</th>', text)
    return format_html('<td class="{}">{}</td>', _CLASSES.get(column.group, ""), text)
