"""Forms of the site as a browser sees them: found in pages, filled in, sent."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from ismp.ui.text import roc_dates
from tests.support.things import PDF

_TEXT = {"text", "email", "search", "url", "tel"}


@dataclass
class Field:
    name: str
    kind: str
    """text | date | number | file | fixed."""
    values: list = field(default_factory=list)
    """What it holds."""
    choices: list = field(default_factory=list)
    """Of boxes that may be ticked."""


@dataclass
class Form:
    action: str
    fields: dict[str, Field] = field(default_factory=dict)
    buttons: list = field(default_factory=list)

    @property
    def texts(self):
        return [one.name for one in self.fields.values() if one.kind == "text"]

    def ways(self):
        """The address and the name and value that each of its buttons adds."""
        for place, name, value in self.buttons:
            yield place or self.action, {name: value} if name else {}

    def shown(self, **typed):
        """Values of the drawn form with only these changed."""
        shown = {}
        for one in self.fields.values():
            if one.kind != "file":
                shown[one.name] = one.values if one.kind == "fixed" else one.values[0]
        return shown | typed

    def filled(self, **typed):
        """Values of a person who fills in everything, with some fields given."""
        return {one.name: _good(one) for one in self.fields.values()} | typed


_EXAMPLES = {
    "hours": "2",
    "given": "2",
    "timings": "115-12-30 09:00-12:00 3",
    "username": "IC1003",
    "usernames": "IC1003",
    "county": "10",
    "email": "somebody@ismp.example",
    "password": "correct horse battery",
    "link": "https://ismp.example/",
    "products": "",
    "clock": "10:00",
    "records": "",
}
"""What a text of this name is filled with."""


def _good(one):
    if one.kind == "text" and one.name in _EXAMPLES and not one.values[0]:
        return _EXAMPLES[one.name]
    if one.kind == "date":
        return one.values[0] if one.values[0] else roc_dates.roc_date(timezone.localdate())
    if one.kind == "text":
        return one.values[0] or "測試"
    if one.kind == "number":
        return one.values[0] or "1"
    if one.kind == "file":
        return SimpleUploadedFile("a.pdf", PDF)
    return one.values or one.choices


class _Forms(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.page, self.found, self.form, self.area, self.select = page, [], None, None, None

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        name, value = values.get("name"), values.get("value")
        value = value or ("" if value is not None or values.get("type") != "checkbox" else "on")
        if tag == "form":
            is_post = (values.get("method") or "").lower() == "post"
            self.form = Form(values.get("action") or self.page) if is_post else None
        elif self.form is None or "disabled" in values:
            return
        elif tag == "button":
            self.form.buttons.append((values.get("formaction"), name, value))
        elif tag == "textarea":
            self.area = self.form.fields[name] = Field(name, "text", [""])
        elif tag == "select":
            self.select = self.form.fields[name] = Field(name, "fixed")
        elif tag == "option" and self.select and value:
            if "selected" in values or not self.select.values:
                self.select.values = [value]
        elif tag == "input" and name:
            self._input(name, value, values)

    def _input(self, name, value, reported):
        kind = reported.get("type") or "text"
        if kind in {"checkbox", "radio"}:
            one = self.form.fields.setdefault(name, Field(name, "fixed"))
            one.choices.append(value)
            if "checked" in reported:
                one.values.append(value)
        elif kind == "file":
            self.form.fields[name] = Field(name, "file")
        elif kind == "number" or reported.get("inputmode") == "numeric":
            date = "data-roc-date" in reported
            self.form.fields[name] = Field(name, "date" if date else "number", [value])
        elif kind in _TEXT:
            self.form.fields[name] = Field(name, "text", [value])
        elif kind == "hidden" and name != "csrfmiddlewaretoken":
            one = self.form.fields.setdefault(name, Field(name, "fixed"))
            one.values.append(value)

    def handle_data(self, text):
        if self.area:
            self.area.values = [(self.area.values[0] + text).lstrip("\n")]

    def handle_endtag(self, tag):
        if tag == "form" and self.form:
            self.found.append(self.form)
            self.form = None
        elif tag == "textarea":
            self.area = None
        elif tag == "select":
            self.select = None


def forms_in(page, html):
    """Every form of a page that sends something."""
    parser = _Forms(page)
    parser.feed(html)
    return parser.found
