"""How values are written on a page."""

from datetime import date, datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.safestring import SafeString

from ismp.ui import markdown, roc

register = template.Library()


@register.filter(name="roc")
def roc_filter(value: date | None) -> str:
    """115-01-05."""
    return roc.roc_date(value)


@register.filter
def roc_moment(value: datetime | None) -> str:
    """115-01-05 14:03, local time."""
    local = timezone.localtime(value) if value else None
    return f"{roc.roc_date(local)} {local:%H:%M}" if local else ""


@register.filter
def grouped(value: int | None) -> str:
    """12,345."""
    return f"{value or 0:,}"


@register.simple_tag
def url_of(module: Any, name: str, *args: Any) -> str:
    """The address of one of a module's pages."""
    address: str = module.address(name, *args)
    return address


@register.filter
def size(value: int) -> str:
    """7 KB, 15.2 MB."""
    return f"{value / 1048576:.1f} MB" if value >= 1048576 else f"{max(1, value // 1024)} KB"


@register.filter(name="markdown")
def markdown_filter(text: str) -> SafeString:
    """Markdown as sanitised HTML."""
    return markdown.render(text)
