"""Components of pages, as tags that every template has; /development/components/ shows them.

`{% crumbs %}`, `{% tag %}`, `{% message %}`, `{% table %}`, `{% empty_state %}`; what takes the
page's own context is included from `ui/components/`: pager, field, fields, stale.  Buttons, links,
cards (`ul.cards`) and the `<dialog>` are elements with a class at most, and need no tag.
"""

from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.inclusion_tag("ui/components/_crumbs.html")
def crumbs(here: Any, parent: str = "", parent_title: str = "") -> dict[str, Any]:
    """Say where one is: 首頁 › the parent, if any (name of an address, title) › here."""
    return {"here": here, "parent": parent, "parent_title": parent_title}


@register.simple_tag
def tag(words: Any, state: Any = "", **tones: str) -> SafeString:
    """Draw words as a label in the tone of a state; `other` is the tone of states not named.

    `{% tag claim.get_state_display claim.state approved="green" other="amber" %}`; without tones
    the state is the tone itself: `green`, `amber`, `red`, or nothing for grey.
    """
    tone = tones.get(str(state), tones.get("other", "")) if tones else state
    return format_html('<span class="tag{}">{}</span>', f" tag-{tone}" if tone else "", words)


@register.simple_block_tag(end_name="endmessage")
def message(content: str, tone: str = "", role: str = "") -> SafeString:
    """Draw a message: `error` (an alert by itself), `amber`, `success` or plain.

    `role="status"` has screen readers announce a message that answers what was just done.
    """
    role = role or ("alert" if tone == "error" else "")
    return format_html(
        '<p class="message{}"{}>{}</p>',
        f" {tone}" if tone else "",
        format_html(' role="{}"', role) if role else "",
        SafeString(content.strip()),
    )


@register.simple_block_tag(end_name="endtable")
def table(content: str, label: str, kind: str = "") -> SafeString:
    """Draw a table in a region that scrolls by itself; `kind="list"` is cards on a phone."""
    return format_html(
        '<div class="scroll" tabindex="0" role="region" aria-label="{}"><table{}>{}</table></div>',
        label,
        format_html(' class="{}"', kind) if kind else "",
        SafeString(content.strip()),
    )


@register.simple_block_tag(end_name="endempty_state")
def empty_state(content: str, title: str) -> SafeString:
    """Say that there is nothing, and in the block what to do next."""
    return format_html(
        '<p class="empty"><strong>{}</strong><br>{}</p>', title, SafeString(content.strip())
    )
