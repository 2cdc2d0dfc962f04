"""Rows that take long to make: made once by each process, then put back as they were."""

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import transaction

_made: dict[str, tuple[Any, dict[Any, list[Any]], list[Any]]] = {}


def remembered(name: str, make: Callable[[], Any]) -> None:
    """Do what `make` does to a database in which nobody has done anything yet.

    With other keys than the remembered ones it is made anew: hashes and seals would not fit.
    """
    from ismp.audit.models import Event

    if Event.objects.exists():
        make()
        return
    keys, new, changed = _made.get(name, (None, {}, []))
    if keys is settings.KEYS:
        with transaction.atomic():  # foreign keys are looked at when all rows are there
            for model, rows in new.items():
                model._base_manager.bulk_create(rows)
            for row in changed:
                row.save()
        return
    before = _rows()
    make()
    new, changed = {}, []
    for model, rows in _rows().items():
        new[model] = [row for pk, row in rows.items() if pk not in before[model]]
        known = [row for pk, row in rows.items() if pk in before[model]]
        changed += [row for row in known if _values(row) != _values(before[model][row.pk])]
    _made[name] = settings.KEYS, {model: rows for model, rows in new.items() if rows}, changed


def _rows() -> dict[Any, dict[Any, Any]]:
    models = apps.get_models(include_auto_created=True)
    return {model: {row.pk: row for row in model._base_manager.all()} for model in models}


def _values(row: Any) -> list[Any]:
    return [getattr(row, field.attname) for field in row._meta.concrete_fields]
