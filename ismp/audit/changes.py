"""Changes of an edit, field by field: (title, before, after), for the event of the edit.

    before = changes.stored(device)              # locks the row until the transaction ends
    changes.store(device, before)                # writes what differs, and nothing else
    trail.record("save_device", …, changes=changes.between(before, device))

The one place that turns two states of a model into `detail["changes"]` of an event; the portal
shows them as 「數量 5 → 1」.  Knows no model: titles are the fields' verbose names, values their
display.
"""

from datetime import date, datetime
from typing import Any, TypeVar

from django.db import models
from django.utils import timezone

from ismp.errors import ActionRefused

Thing = TypeVar("Thing", bound=models.Model)
Change = tuple[str, str, str]
"""Title of the field, its value before and after; a value is empty where there was none."""

SECRET = ("encrypted_id", "id_hash", "key_version")
"""Fields whose values never stand in the trail: of them it only says that they changed."""
SECRET_CHANGED: Change = ("身分證字號", "（不顯示）", "（不顯示）")
"""That a national ID was set, changed or taken off."""
_LONGEST = 2_000


def stored(thing: Thing) -> Thing | None:
    """Return the row as it is in the database, locked; None for a thing that is not stored yet."""
    if thing.pk is None:
        return None
    held = type(thing)._default_manager.select_for_update(of=("self",), no_key=True)
    return held.filter(pk=thing.pk).first()


def store(thing: models.Model, before: models.Model | None, *derived: str) -> None:
    """Add a thing, or write only the columns in which it differs from `before`: what others wrote
    in another column meanwhile stays.

    `derived` are columns worked out of others when the row is stored.  Raises ActionRefused when
    somebody deleted the thing meanwhile.
    """
    if before is None:
        if not thing._state.adding:
            raise ActionRefused("這筆資料已經有人刪除了，請重新整理清單。")
        thing.save(force_insert=True)
        return
    names = [
        field.name
        for field in thing._meta.concrete_fields
        if getattr(before, field.attname) != getattr(thing, field.attname)
    ]
    if names:
        thing.save(update_fields={*names, *derived})


def between(before: models.Model | None, after: models.Model, *leave_out: str) -> list[Change]:
    """Return the concrete fields in which the two differ, in the order of the model.

    Without a `before` (a new thing) there are no changes: the verb says that it was added.
    """
    if before is None:
        return []
    found: list[Change] = []
    for field in after._meta.concrete_fields:
        if field.primary_key or field.name in leave_out:
            continue
        if getattr(before, field.attname) == getattr(after, field.attname):
            continue
        if field.name in SECRET:
            found += [] if SECRET_CHANGED in found else [SECRET_CHANGED]
        else:
            title = str(field.verbose_name)
            found.append((title, display(before, field), display(after, field)))
    return found


def display(thing: models.Model, field: Any) -> str:
    """Return a field's value as text: the label of a choice, the name of a related thing, a day as
    115-01-31 in ISO form (2026-01-31), a moment in Taipei's time; empty for None."""
    value = getattr(thing, field.attname)
    if value is None or value == "":
        return ""
    if show := getattr(thing, f"get_{field.name}_display", None):
        return str(show())
    if field.is_relation:
        return str(getattr(thing, field.name))
    return as_text(value)


def as_text(value: Any) -> str:
    """Return a plain value as it stands in an event."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, datetime):
        return timezone.localtime(value).strftime("%Y-%m-%d %H:%M")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)[:_LONGEST]
