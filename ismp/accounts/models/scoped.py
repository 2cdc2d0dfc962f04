"""Scoping: the agencies and rows that `visible_to` lets a person see."""

from typing import Any, ClassVar, Protocol, Self, TypeVar

from django.db import models

from ismp.accounts.roles import Right

Row = TypeVar("Row", bound=models.Model)
"""What a QuerySet is of."""


class Whole(Protocol):
    """An agency, with those that were merged into it."""

    def with_merged(self) -> list[int]: ...


class Scoped(models.QuerySet[Row]):
    """Everything with an agency is asked for through `visible_to`."""

    right: ClassVar[Right]
    """Without it nothing is seen."""
    agency_of: ClassVar[str] = "agency"
    """The field, or the way to it, that says whose a thing is."""

    def visible_to(self, user: Any) -> Self:
        """Limit to the rows that an account (`accounts.Account`) may see; none without `right`."""
        if not user.may(self.right):
            return self.none()
        return self if user.may(Right.ALL_AGENCIES) else self.of_agencies(user.agency_ids())

    def of_agency(self, agency: Whole | None) -> Self:
        """Rows of an agency, or of one that was merged into it; all rows for None."""
        return self.of_agencies(agency.with_merged()) if agency else self

    def of_agencies(self, keys: list[int]) -> Self:
        if len(keys) == 1:  # as nearly always: an equality, which every index serves
            return self.filter(**{self.agency_of: keys[0]})
        return self.filter(**{f"{self.agency_of}__in": keys})
