"""Test data of a resource derived from its description, so that a new one needs no row here.

Rights of its addresses, an example for its form, one thing of it, the state in which it is edited.
What cannot be derived fails and says which table of `tests/support` wants a row.
"""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.db import transaction
from django.utils import timezone

from ismp.accounts.roles import RIGHTS, Role
from ismp.ui.forms import RocDateField
from ismp.ui.resources.resource import Resource
from ismp.ui.text.roc_dates import roc_date


def who_may(right: str) -> set[str]:
    return {role.value for role in Role if right in RIGHTS[role]}


def addresses_of(resource: Resource) -> dict[str, set[str]]:
    """Address name → who gets in, of the addresses that GET opens."""
    pages = dict.fromkeys(("list", "export", "page", "history"), resource.view)
    if resource.form:
        pages |= {"add": resource.edit, "edit": resource.edit}
    return {f"{resource.name}:{name}": who_may(right) for name, right in pages.items()}


def editor_of(resource: Resource) -> str:
    """The lowest role that adds things."""
    able = who_may(resource.edit)
    return next(role for role in ("agency_admin", "platform_admin", *able) if role in able)


def good(resource: Resource, n: int) -> dict[str, Any]:
    """Return what fills in a resource's form for the nth thing."""
    return {
        name: _typed(resource, name, one, n) for name, one in _fields(resource) if not one.disabled
    }


def bad(resource: Resource) -> tuple[dict[str, Any], str]:
    """Return a field left empty that must not be, and what the page says then."""
    for name, one in _fields(resource):
        if one.required and isinstance(one, forms.CharField) and not one.disabled:
            return {name: ""}, f"請填寫{one.label}"
    raise _no_example(resource, "no text of its form is required")


def make(resource: Resource, n: int, person: Any) -> Any:
    """Add the nth thing by the resource's own form and action."""
    if not (resource.form and resource.save):
        raise AssertionError(
            f"give one of {resource.name} in tests/support/things.py: nothing of it is added by a form"
        )
    form = resource.form(good(resource, n), user=person)
    if not form.is_valid():
        raise _no_example(resource, str(form.errors.as_data()))
    with transaction.atomic():
        return resource._saved(form, person)


def _fields(resource: Resource) -> Iterator[tuple[str, Any]]:
    assert resource.form
    yield from resource.form.base_fields.items()  # type: ignore[attr-defined]


def _typed(resource: Resource, name: str, one: Any, n: int) -> Any:
    if isinstance(one, RocDateField | forms.DateField):
        return roc_date(timezone.localdate())
    if isinstance(one, forms.ModelMultipleChoiceField):
        return [one.queryset.first().pk]
    if isinstance(one, forms.ModelChoiceField):
        return one.queryset.first().pk
    if isinstance(one, forms.MultipleChoiceField):
        return [next(str(key) for key, _ in one.choices if key)]
    if isinstance(one, forms.ChoiceField):
        return next(str(key) for key, _ in one.choices if key)
    if isinstance(one, forms.BooleanField):
        return "on"
    if isinstance(one, forms.IntegerField | forms.DecimalField):
        return str(max(1, one.min_value or 1))
    if isinstance(one, forms.EmailField):
        return f"example{n}@ismp.example"
    if isinstance(one, forms.CharField):
        return f"{one.label}{n}"[-(one.max_length or 100) :]
    raise _no_example(resource, f"{name} is a {type(one).__name__}")


def _no_example(resource: Resource, why: str) -> AssertionError:
    return AssertionError(f"give an Example of {resource.name} in tests/support/examples.py: {why}")
