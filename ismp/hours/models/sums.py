"""Totals that are stored, so that no list and no duty counts records anew (`records.totals`)."""

from functools import reduce
from operator import add
from typing import ClassVar
from uuid import UUID

from django.db import models
from django.db.models import F, Q

from ismp.accounts.models import Account, Agency
from ismp.hours.models.scoped import Scoped

DAYS_OF_A_MONTH = [f"day_{number}" for number in range(1, 32)]


class SearchText(models.Model):
    """A text that stands, or once stood, in `field` of an agency's records."""

    pk = models.CompositePrimaryKey("agency_id", "wording")
    agency = models.ForeignKey(
        Agency, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    wording = models.UUIDField()
    """128-bit digest of the field and its text, which may be longer than a key can be."""
    field = models.CharField(max_length=20)
    text = models.TextField()

    objects: ClassVar["models.Manager[SearchText]"] = Scoped.as_manager()

    def __str__(self) -> str:
        return f"{self.field}:{self.text}"


class RecordsVersion(models.Model):
    """Which edition of an agency's records is the present one: each action that changes them makes
    the next, one that changes those of several agencies the same in all of them.  So editions tell
    which of two actions on a record came first, whatever the clock said."""

    agency = models.OneToOneField(
        Agency, models.DO_NOTHING, primary_key=True, related_name="+", db_constraint=False
    )
    number = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.agency_id}:{self.number}"


class MonthlyCount(models.Model):
    """How many live records an agency has on each day of a month, in all or with one text in them.

    Kept by `records.totals`, as PersonYear is.
    """

    pk = models.CompositePrimaryKey("wording", "agency_id", "month")
    agency = models.ForeignKey(
        Agency, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    wording = models.UUIDField()
    """Of a `SearchText`, or EVERY_RECORD."""
    month = models.DateField()
    """Its first day."""
    live = models.BigIntegerField()
    for _day in DAYS_OF_A_MONTH:
        locals()[_day] = models.IntegerField()

    EVERY_RECORD = UUID(int=0)

    objects: ClassVar["models.Manager[MonthlyCount]"] = Scoped.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(live__gte=0, live=reduce(add, map(F, DAYS_OF_A_MONTH))),
                name="a_month_has_the_records_of_its_days",
            )
        ]

    def __str__(self) -> str:
        return f"{self.agency_id}:{self.wording}:{self.month}"


class PersonYear(models.Model):
    """Totals of a person in a year: live records and hours (thousandths) by category.

    `agency` is the records', where the person served when they were imported.
    """

    pk = models.CompositePrimaryKey("agency_id", "account_id", "category", "year")
    agency = models.ForeignKey(
        Agency, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    account = models.ForeignKey(
        Account, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    category = models.PositiveSmallIntegerField("課程類別")
    year = models.PositiveSmallIntegerField()
    """Of 迄日期; Gregorian."""
    live = models.BigIntegerField()
    hours = models.BigIntegerField("採計時數")

    objects: ClassVar["models.Manager[PersonYear]"] = Scoped.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(live__gte=0, hours__gte=0),
                name="nobody_attended_less_than_nothing_in_a_year",
            )
        ]

    def __str__(self) -> str:
        return f"{self.agency_id}:{self.account_id}:{self.category}:{self.year}"
