"""How a record's values stand in the wide table."""

from typing import Any

from django import template
from django.utils.html import format_html

from ismp.hours.models import Record, in_hours
from ismp.hours.profile import CATEGORIES, Column
from ismp.ui import roc

register = template.Library()
_HOURS = ("total", "digital_hours", "classroom_hours")


@register.filter(name="in_hours")
def hours_filter(thousandths: int | None) -> str:
    return in_hours(thousandths)


@register.simple_tag
def cell(record: Record, column: Column) -> Any:
    """One table cell: 公務帳號 and 姓名 are the account's, the rest is as the file had it."""
    if column.name == "national_id":
        return format_html("<th scope=row>{}</th>", record.account.username)
    if column.name == "name":
        return format_html("<td>{}</td>", record.account.name)
    value = getattr(record, column.name)
    if column.name in _HOURS:
        return format_html('<td class="number">{}</td>', in_hours(value))
    if column.name == "category":
        return format_html("<td>{} {}</td>", value, CATEGORIES[value])
    if column.group == "時間":
        return format_html('<td class="date">{}</td>', roc.roc_date(value))
    return format_html("<td>{}</td>", value)
