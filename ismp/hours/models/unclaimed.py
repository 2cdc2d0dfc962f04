"""待認領: who of a file's people the agency did not know."""

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q

from ismp.accounts.models import Account, Agency, Status
from ismp.hours.models.scoped import Scoped
from ismp.imports.models import ImportRun


class WaitingQuerySet(Scoped["Waiting"]):
    def claimable(self) -> Self:
        """Rows whose person now serves, under that ID, in the agency of the file."""
        serving = Account.objects.filter(
            agency=models.OuterRef("agency"),
            id_hash=models.OuterRef("id_hash"),
            status=Status.ACTIVE,
        )
        return self.filter(models.Exists(serving), claimed_at=None)

    def by_run(self) -> Any:
        """One line a run: how many people and rows wait, how many people were found since."""
        waits = Q(claimed_at=None)
        return (
            self.order_by("-run")
            .values("run", "run__filename", "run__created_at", "agency__name")
            .annotate(
                people=models.Count("pk", filter=waits),
                waiting=models.Sum("rows", filter=waits, default=0),
                claimed=models.Count("pk", filter=~waits),
            )
        )


class Waiting(models.Model):
    """待認領: one person of one run whom the agency did not know, by the keyed hash of the ID.

    The rows themselves wait encrypted in the run's pieces (`records.unclaimed`).  As with records,
    a constraint of either key would be asked for each line at the end of an import.
    """

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+", db_constraint=False)
    run = models.ForeignKey(
        ImportRun, models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    id_hash = models.BinaryField(max_length=32)
    rows = models.PositiveIntegerField()
    claimed_at = models.DateTimeField(null=True)

    objects: ClassVar["models.Manager[Waiting] | WaitingQuerySet"] = WaitingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "id_hash"], name="a_person_waits_once_in_a_run")
        ]
        indexes = [
            models.Index(
                fields=["agency", "id_hash"], name="people_waited_for", condition=Q(claimed_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"waiting:{self.pk}"
