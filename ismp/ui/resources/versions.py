"""Version of a form when it was drawn, and the changes by others until it is sent.

A drawn form carries its version: the number of the newest event, and for each field a keyed digest
of the value that it showed; nobody can read or make one.  When it comes back after somebody else
changed a field that it shows, nothing is stored: the page tells who changed what, and holds what
was typed over the rest as it is now, to be sent again or left.  Without a version a form is taken
as ever.  Knows no domain.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.db import models, transaction

from ismp.audit import trail
from ismp.audit.models import Event
from ismp.ui.http.requests import HttpRequest
from ismp.ui.resources import history
from ismp.ui.text.numbers import whole_number

FIELD = "form_version"
_DIGEST_BYTES = 9
_LONGEST = 200
_NAMED_EVENTS = 5
_LEFT_ALONE = "（您沒有改，照現在的）"


def hold(things: models.QuerySet[Any], pks: Iterable[int]) -> None:
    """Lock the rows of things that are about to be read and changed, in the order of their keys.

    Ends with the transaction.  What is read afterwards is what stands, until then.
    """
    held = things.model._base_manager.select_for_update(no_key=True).filter(pk__in=list(pks))
    list(held.order_by("pk").values_list("pk", flat=True))


@contextmanager
def held(request: HttpRequest, things: models.QuerySet[Any], *pks: int) -> Iterator[None]:
    """A form that comes back: what is read inside stands until what is stored inside is stored."""
    if request.method != "POST":
        yield
        return
    with transaction.atomic():
        hold(things, pks)
        yield


@dataclass(frozen=True)
class Difference:
    """A field that somebody else changed since the form was drawn."""

    title: str
    now: str
    typed: str


@dataclass(frozen=True)
class Stale:
    """Conflict of a form that was drawn before somebody else changed its object."""

    differences: list[Difference]
    events: list[tuple[Event, str, str]]
    """(event, its verb and contents in words) of the changes since the form was drawn."""
    data: Any
    """What was typed, over the rest as it is now."""


def returned(
    request: HttpRequest, make: Callable[..., Any], thing: Any, subject: str
) -> tuple[Any, dict[str, Any]]:
    """Return the form of a thing, drawn or as it came back, and what its page needs besides.

    With "stale" among that the form must not be stored.  A new thing has no version.
    """
    is_stored = thing is not None and thing.pk is not None
    drawn = make(instance=thing)
    more: dict[str, Any] = {"form_version": version(drawn, subject)} if is_stored else {}
    if request.method != "POST":
        return drawn, more
    form = make(request.POST, request.FILES, instance=thing)
    carried = request.POST.get(FIELD, "") if is_stored else ""
    by = request.user.get_username()
    if found := stale(carried, now=drawn, typed=form, subject=subject, by=by):
        return make(found.data, instance=thing), {**more, "stale": found}
    return form, more


def version(form: Any, subject: str, names: Collection[str] | None = None) -> str:
    """Return the version that a form carries: of all fields or of those named."""
    digests = [f"{name}={_digest(subject, form, name)}" for name in _shown(form, names)]
    return " ".join([str(trail.newest()), *digests])


def stale(drawn: str, *, now: Any, typed: Any, subject: str, by: str) -> Stale | None:
    """Compare the version that a form carries with the same form as it would be drawn now.

    `typed` is the form that came back, `by` the name of who sends it.  None when it carries none,
    when nobody else changed a field that it shows, or when it wants what the other one has stored.
    """
    first, _, rest = drawn.partition(" ")
    number, shown = whole_number(first), dict(one.partition("=")[::2] for one in rest.split())
    if number is None or not shown:
        return None
    typed.is_valid()  # masks what may not be shown
    changed = [
        name
        for name in _shown(now, shown)
        if shown[name] != _digest(subject, now, name) and _value(now, name) != _value(typed, name)
    ]
    events = Event.objects.filter(subject=subject, pk__gt=number).order_by("-pk")
    if not changed or set(events.values_list("actor", flat=True)) == {by}:
        return None  # one's own change: the back button brought the form back, to be corrected
    data, differences = typed.data.copy(), []
    for name in changed:
        left_alone = shown[name] == _digest(subject, typed, name)
        if left_alone:
            _put(data, typed.add_prefix(name), _value(now, name))
        words = _LEFT_ALONE if left_alone else _in_words(typed, name)
        differences.append(Difference(str(now[name].label), _in_words(now, name), words))
    return Stale(differences, history.in_words(events[:_NAMED_EVENTS]), data)


def _shown(form: Any, names: Collection[str] | None) -> list[str]:
    """Fields whose value stands in the page."""
    return [
        name
        for name, field in form.fields.items()
        if (names is None or name in names)
        and not isinstance(field, forms.FileField)
        and not isinstance(field.widget, forms.PasswordInput)
        and not getattr(field, "keeps_text", False)
    ]


def _digest(subject: str, form: Any, name: str) -> str:
    text = f"version:{subject}:{name}:{_value(form, name)!r}"
    return urlsafe_b64encode(settings.KEYS.blind_index(text)[:_DIGEST_BYTES]).decode()


def _value(form: Any, name: str) -> str | list[str] | bool:
    """A field's value as a browser sends it when nobody touches the field."""
    field = form[name]
    value: Any = field.value()
    if callable(value):
        value = value()
    if isinstance(field.field.widget, forms.CheckboxInput):
        return bool(value) and value != "False"
    if isinstance(field.field, forms.MultipleChoiceField | forms.ModelMultipleChoiceField):
        return sorted(str(getattr(one, "pk", one)) for one in value or ())
    if isinstance(field.field.widget, forms.widgets.ChoiceWidget):
        value = getattr(value, "pk", value)
        return "" if value is None else str(value)
    text = field.field.widget.format_value(value)
    return "\n".join(str(text or "").splitlines()).strip()


def _put(data: Any, key: str, value: str | list[str] | bool) -> None:
    """Send a value in place of what was sent."""
    data.pop(key, None)
    if isinstance(value, bool):
        value = ["on"] if value else []
    for one in [value] if isinstance(value, str) else value:
        data.appendlist(key, one)


def _in_words(form: Any, name: str) -> str:
    """A field's value for a reader."""
    value, choices = _value(form, name), getattr(form.fields[name], "choices", ())
    if isinstance(value, bool):
        return "是" if value else "否"
    labels = {str(key): str(label) for key, label in _flat(choices)} if choices else {}
    values = [value] if isinstance(value, str) else value
    text = "、".join(labels.get(one, one) for one in values if one)
    return f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text or "（空白）"


def _flat(choices: Iterable[Any]) -> Iterable[tuple[Any, Any]]:
    for key, label in choices:
        if isinstance(label, list | tuple):
            yield from label
        else:
            yield key, label
