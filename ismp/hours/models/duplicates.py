"""可能重複: what was credited here and came by a file too, and what somebody decided."""

from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from ismp.accounts.models import Agency
from ismp.audit.models import Audited
from ismp.hours.models.records import Record
from ismp.hours.models.scoped import Scoped
from ismp.imports.models import CREDITED


class Decision(models.TextChoices):
    PENDING = "pending", "待確認"
    ONE = "one", "是同一次學習，採計一筆"
    BOTH = "both", "是不同的學習，兩筆都採計"


class DuplicateQuerySet(Scoped["Duplicate"]):
    def shown(self) -> Self:
        """Without pairs that wait for a decision while one of the two records is gone: its file
        was undone, or somebody deleted it."""
        counted = Q(credited__deletion=None) | Q(credited__deletion__duplicates=True)
        in_question = Q(imported__deletion=None, credited__run__source__in=CREDITED) & counted
        return self.filter(in_question | ~Q(decision=Decision.PENDING))


class Duplicate(Audited):
    """可能重複: hours that were credited here (CREDITED) and that a file brought too.

    Unless somebody decides that these are two events, the credited record is set aside for as
    long as the imported one stands.
    """

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    credited = models.ForeignKey(Record, models.DO_NOTHING, related_name="+", db_constraint=False)
    imported = models.ForeignKey(Record, models.DO_NOTHING, related_name="+", db_constraint=False)
    found_at = models.DateTimeField(default=timezone.now)
    decision = models.CharField("處理", max_length=10, choices=Decision, default=Decision.PENDING)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=150, blank=True)

    objects: ClassVar["models.Manager[Duplicate] | DuplicateQuerySet"] = (
        DuplicateQuerySet.as_manager()
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["credited", "imported"], name="two_records_are_compared_once"
            ),
            models.CheckConstraint(
                condition=Q(decision__in=Decision.values), name="decision_is_a_known_decision"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.credited.title}（{self.credited.account}）"
