"""How values are written on a page."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ismp.ui import site_stylesheet
from ismp.ui.text import markdown, roc_dates

register = template.Library()


@register.filter(name="roc")
def roc_filter(value: date | None) -> str:
    """115-01-05; of a moment the day that it is here."""
    return roc_dates.roc_date(timezone.localtime(value) if isinstance(value, datetime) else value)


@register.filter
def roc_moment(value: datetime | None) -> str:
    """115-01-05 14:03, local time."""
    local = timezone.localtime(value) if value else None
    return f"{roc_dates.roc_date(local)} {local:%H:%M}" if local else ""


@register.filter
def roc_year(value: date) -> int:
    """115."""
    return roc_dates.roc_year(value)


@register.filter
def grouped(value: int | None) -> str:
    """12,345."""
    return f"{value or 0:,}"


@register.filter
def bracketed(words: Any) -> str:
    """Put words into （）, and nothing where there is none."""
    return f"（{words}）" if words else ""


@register.filter
def joined(things: Sequence[Any], attribute: str) -> str:
    """Join an attribute of the first twenty things by 、, and say 等 when there are more."""
    first = "、".join(str(getattr(one, attribute)) for one in things[:20])
    return f"{first} 等" if len(things) > 20 else first


@register.simple_tag
def stylesheets() -> SafeString:
    """Link the site's style sheet, for developers its parts (`site_stylesheet`)."""
    paths = site_stylesheet.parts() if settings.DEBUG else [site_stylesheet.NAME]
    return format_html_join(
        "", '<link rel="stylesheet" href="{}">', ((static(path),) for path in paths)
    )


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


@register.simple_tag
def sort_head(column: str, title: str, sort: str, query: str, kind: str = "") -> Any:
    """A head cell that sorts the list by its column; once more, the other way round.

    A column named with a minus is sorted downwards at first; `query` is the rest of the address.
    """
    is_here = sort.lstrip("-") == column.lstrip("-")
    turned = sort[1:] if sort.startswith("-") else f"-{sort}"
    order = ("descending" if sort.startswith("-") else "ascending") if is_here else "none"
    return format_html(
        '<th scope="col" class="{}" aria-sort="{}"><a href="?{}&amp;sort={}">{}</a></th>',
        kind,
        order,
        query,
        turned if is_here else column,
        title,
    )
