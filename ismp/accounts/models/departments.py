"""部門 of an agency, in a tree."""

from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q

from ismp.accounts.models.agencies import Agency
from ismp.accounts.models.scoped import Scoped
from ismp.accounts.models.status import Status
from ismp.accounts.roles import Right
from ismp.audit.models import Audited


class DepartmentQuerySet(Scoped["Department"]):
    right = Right.VIEW_PEOPLE

    def open(self) -> Self:
        """Those that people can serve in."""
        return self.filter(merged_into=None)

    def with_people(self) -> Self:
        """Adds `people`: how many in office serve there, those in the departments below not."""
        in_office = Q(accounts__status=Status.ACTIVE)
        return self.annotate(people=models.Count("accounts", filter=in_office))


class Department(Audited):
    """部門 of one agency, in a tree.  Merged ones stay, because past service speaks of them."""

    PATH = " / "

    agency = models.ForeignKey(
        Agency, models.PROTECT, related_name="departments", verbose_name="機關"
    )
    name = models.CharField("部門", max_length=100)
    parent = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
        verbose_name="上級部門",
    )
    path = models.TextField("部門")
    """The names from the top down to its own, for lists in the order of the tree."""
    is_it = models.BooleanField("資訊單位", default=False)
    merged_into = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")

    objects: ClassVar["models.Manager[Department] | DepartmentQuerySet"] = (
        DepartmentQuerySet.as_manager()
    )

    class Meta:
        ordering = ["agency", "path"]
        constraints = [
            models.UniqueConstraint(
                fields=["agency", "name"],
                name="a_department_has_one_name_in_its_agency",
                violation_error_message="這個機關已有同名的部門，請改用別的名稱。",
            ),
            models.UniqueConstraint(
                fields=["agency"],
                condition=Q(is_it=True),
                name="an_agency_has_one_it_unit",
                violation_error_message="這個機關已有資訊單位，請先取消原來的。",
            ),
            models.CheckConstraint(
                condition=~Q(parent=F("id")),
                name="a_department_is_not_above_itself",
                violation_error_message="部門不能是自己的上級，請改選上級部門。",
            ),
            models.CheckConstraint(
                condition=~Q(merged_into=F("id")),
                name="a_department_is_not_merged_into_itself",
                violation_error_message="部門不能併入自己，請改選併入的部門。",
            ),
        ]

    def __str__(self) -> str:
        return self.name
