"""Entries that hold from a day on: service, grades, rules.

Append-only, so that what was believed at any moment can be told later (audits ask that).  A model
has `since`, `recorded_at` and, in `OF`, the fields that say of what an entry tells.
"""

from datetime import date, datetime
from typing import Any, Self

from django.db import models
from django.db.models import Exists, OuterRef, Q


class Dated(models.QuerySet[Any]):
    def on(self, day: date, known_at: datetime | None = None) -> Self:
        """The entry of each thing that holds on `day`, by what was known at a moment.

        The one with the latest `since`; of those with the same, the one recorded last.
        """
        known = Q(since__lte=day) & (Q(recorded_at__lte=known_at) if known_at else Q())
        same = {name: OuterRef(name) for name in self.model.OF}
        later = Q(since__gt=OuterRef("since")) | Q(since=OuterRef("since"), pk__gt=OuterRef("pk"))
        entries = self.model._default_manager.order_by()
        return self.filter(known, ~Exists(entries.filter(known, later, **same)))
