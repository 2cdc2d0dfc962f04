"""Entries that hold from a day on: service, grades, names, rules.

Append-only, so that what was believed at any moment can be told later (audits ask that): an entry
that was a mistake, or that another one replaces, is cancelled and stays (ADR 22).  A model names in
`KEYS` the fields that say of what an entry tells.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from ismp.errors import ActionRefused


class LaterEntry(ActionRefused):
    """A later entry stands in the way, and nobody has said that it is to be replaced."""


def known(known_at: datetime | None = None) -> Q:
    """Entries that hold now, or that were recorded and not cancelled at a moment."""
    if known_at is None:
        return Q(cancelled_at=None)
    return Q(recorded_at__lte=known_at) & (Q(cancelled_at=None) | Q(cancelled_at__gt=known_at))


class EffectiveDated(models.QuerySet[Any]):
    def standing(self) -> Self:
        """Those that are not cancelled."""
        return self.filter(known())

    def on(self, day: date, known_at: datetime | None = None) -> Self:
        """The entry of each thing that holds on `day`, by what was known at a moment.

        The one with the latest `since`; of those with the same, the one recorded last.
        """
        known_then = known(known_at) & Q(since__lte=day)
        entries = self.model._default_manager.order_by()
        if not self.model.KEYS:
            last = entries.filter(known_then).order_by("-since", "-pk")
            return self.filter(pk__in=last.values("pk")[:1])
        same = {name: OuterRef(name) for name in self.model.KEYS}
        later = Q(since__gt=OuterRef("since")) | Q(since=OuterRef("since"), pk__gt=OuterRef("pk"))
        return self.filter(known_then, ~Exists(entries.filter(known_then, later, **same)))


class Entry(models.Model):
    """Fields of every effective-dated entry."""

    KEYS: ClassVar[tuple[str, ...]]

    since = models.DateField("生效日")
    recorded_at = models.DateTimeField("登記時間", default=timezone.now)
    recorded_by = models.CharField("登記人", max_length=150)
    cancelled_at = models.DateTimeField("取消時間", null=True, editable=False)
    cancelled_by = models.CharField("取消人", max_length=150, blank=True, editable=False)
    cancel_reason = models.CharField("取消理由", max_length=200, blank=True, editable=False)
    replaced_by = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="replaced", editable=False
    )
    """The entry in favour of which this one was cancelled."""

    class Meta:
        abstract = True

    def siblings(self) -> EffectiveDated:
        """The entries that stand and tell of the same as this one, itself too, in order."""
        entries: EffectiveDated = EffectiveDated(type(self)).standing().order_by("since", "pk")
        return entries.filter(**{name: getattr(self, name) for name in self.KEYS})

    def later(self) -> list[Any]:
        return list(self.siblings().filter(since__gt=self.since))


BOOKKEEPING = (
    *("since", "recorded_at", "recorded_by"),
    *("cancelled_at", "cancelled_by", "cancel_reason", "replaced_by"),
)
"""The fields of an entry that say nothing of what holds (for `changes.between`)."""


def add(entry: Any, *, replace: bool, refusal: str) -> list[Any]:
    """Store a new entry; return those that it replaces: of the same day, and with `replace` all
    later ones.

    Whoever calls holds a lock on what the entry tells of.  Raises LaterEntry with `refusal` when
    there are later ones that are not to be replaced.
    """
    later = entry.later()
    if later and not replace:
        raise LaterEntry(refusal)
    replaced = [*entry.siblings().filter(since=entry.since), *later]
    entry.recorded_at = timezone.now()
    reason = "同一天重新登記" if not later else "由新的登記取代"
    cancel_all(replaced, reason=reason, by=entry.recorded_by, at=entry.recorded_at)
    entry.save(force_insert=True)
    type(entry)._default_manager.filter(pk__in=[one.pk for one in replaced]).update(
        replaced_by=entry
    )
    return replaced


def cancel_all(entries: Iterable[Any], *, reason: str, by: str, at: datetime) -> None:
    """Cancel entries in the moment in which what takes their place is recorded."""
    for one in entries:
        one.cancelled_at, one.cancelled_by, one.cancel_reason = at, by, reason
        one.save(update_fields=["cancelled_at", "cancelled_by", "cancel_reason"])


def back_with(entry: Any) -> list[Any]:
    """The entries that hold again when this one is cancelled: those it replaced, but for days on
    which another one stands meanwhile."""
    taken = set(entry.siblings().exclude(pk=entry.pk).values_list("since", flat=True))
    return [one for one in entry.replaced.order_by("since", "pk") if one.since not in taken]


def cancel(entry: Any, *, reason: str, by: str) -> list[Any]:
    """Cancel one entry; return what holds again, recorded anew (`back_with`).

    Whoever calls holds a lock on what the entry tells of.  Raises ActionRefused for one that no
    longer stands.
    """
    held = entry.siblings().filter(pk=entry.pk).first()
    if held is None:
        raise ActionRefused("這一筆登記已經取消或被取代了，請重新整理這一頁。")
    now = timezone.now()
    cancel_all([entry], reason=reason, by=by, at=now)
    again = back_with(entry)
    for one in again:
        former, one.pk, one._state.adding = one.pk, None, True
        one.recorded_at, one.recorded_by = now, by
        one.cancelled_at, one.cancelled_by, one.cancel_reason = None, "", ""
        one.replaced_by = None
        one.save(force_insert=True)
        type(entry)._default_manager.filter(replaced_by=former).update(replaced_by=one)
    return again
