"""Loads our templates without the line breaks and indentation that only the source needs (ADR 36).

The formatter breaks a line where HTML ignores white space: beside block elements and within tags.
These breaks are taken out when a template is loaded, so a page of 200 rows is sent as small as if
its template had been written on one line.  White space that shows (between words, beside inline
elements, in `<pre>` and `<textarea>`) stays.
"""

import re

from django.template import Origin
from django.template.loaders.app_directories import Loader as AppDirectoriesLoader

_BLOCK = (
    "!doctype|address|article|aside|blockquote|body|caption|circle|col|colgroup|dd|details|dialog|div|dl|dt|"
    "fieldset|figcaption|figure|footer|form|g|h[1-6]|head|header|hr|html|legend|li|line|link|main|"
    "meta|nav|ol|optgroup|option|p|polyline|rect|script|section|summary|table|tbody|td|text|tfoot|th|"
    "thead|title|tr|ul|video"
)
_VERBATIM = re.compile(r"(<(pre|textarea)\b.*?</\2>)", re.DOTALL)
_ELEMENT = re.compile(
    r"""<[/!]?[a-zA-Z](?:{%.*?%}|{{.*?}}|"(?:{%.*?%}|{{.*?}}|[^"])*"|'[^']*'|[^>"'])*>""",
    re.DOTALL,
)
_HIDDEN = "{% csrf_token %}"
_BREAK_BEFORE_BLOCK = re.compile(rf"\s*\n\s*(?=</?(?:{_BLOCK})\b|</button>|{_HIDDEN})")
_BREAK_AFTER_BLOCK = re.compile(
    rf"(</?(?:{_BLOCK})\b[^<>\n]*>|<button\b[^<>\n]*>|{_HIDDEN})\s*\n\s*"
)
_INDENTATION = re.compile(r"\s*\n\s*")
_OPENING = re.compile(r"\s+({% (?:if|for|with) .*?%}) *")
_MIDDLE = re.compile(r" *({% (?:elif .*?|else|empty) %}) *")
_CLOSING = re.compile(r" *({% end(?:if|for|with) %})")


class Loader(AppDirectoriesLoader):
    """Django's loader of the templates of each app, which compacts them as they are read."""

    def get_contents(self, origin: Origin) -> str:
        source = super().get_contents(origin)
        return compact(source) if origin.name.endswith(".html") else source


def compact(source: str) -> str:
    """Return the template without the white space that no browser shows."""
    pieces = _VERBATIM.split(source)
    # Each match of _VERBATIM gives three pieces: what stood before, the element, its name.
    pieces[0::3] = [_compact_markup(piece) for piece in pieces[0::3]]
    del pieces[2::3]
    return "".join(pieces)


def _compact_markup(markup: str) -> str:
    markup = _ELEMENT.sub(_on_one_line, markup)
    markup = _BREAK_BEFORE_BLOCK.sub("", markup)
    markup = _BREAK_AFTER_BLOCK.sub(r"\1", markup)
    return _INDENTATION.sub(" ", markup)


def _on_one_line(element: re.Match[str]) -> str:
    """Write `<a {% if b %}c{% endif %}>` as `<a{% if b %} c{% endif %}>`, without line breaks."""
    if "\n" not in element[0] and "{%" not in element[0]:
        return element[0]
    tag = _INDENTATION.sub(" ", element[0])
    parts = re.split(r"""("(?:{%.*?%}|{{.*?}}|[^"])*")""", tag)
    for place in range(0, len(parts), 2):  # between the quoted values
        part = _OPENING.sub(r"\1 ", parts[place])
        parts[place] = _CLOSING.sub(r"\1", _MIDDLE.sub(r"\1 ", part))
    return re.sub(r"\s+>$", ">", "".join(parts))
