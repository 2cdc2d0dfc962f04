"""Markdown that people write, as HTML that may stand on a page: no script, style, image or frame.

The page has its own first heading, so headings in the text begin at the second level.
"""

from functools import lru_cache
from typing import Any

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_TAGS = {
    *("h2", "h3", "h4", "h5", "h6", "p", "br", "hr", "blockquote", "pre", "code"),
    *("strong", "em", "s", "a", "ul", "ol", "li"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto", "tel"}


def _line_end(renderer: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    """A line that ends inside a Chinese sentence leaves no gap in it."""
    around = tokens[index - 1].content[-1:] + tokens[index + 1].content[:1]
    return "\n" if not around or any(character.isascii() for character in around) else ""


_PARSER.add_render_rule("softbreak", _line_end)


@lru_cache(maxsize=100)
def render(text: str) -> SafeString:
    """The HTML of a Markdown text, sanitised; the same text need not be read twice."""
    tokens = _PARSER.parse(text)
    for token in tokens:
        if token.tag == "h1":
            token.tag = "h2"
    html = _PARSER.renderer.render(tokens, _PARSER.options, {})
    clean = nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer",
    )
    return mark_safe(clean)  # noqa: S308 (nh3 made it safe)
