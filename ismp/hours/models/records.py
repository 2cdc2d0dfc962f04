"""Records: one per learning event, their former contents, and the deletions they are in."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from ismp.accounts.models import Account, Agency
from ismp.audit.models import Audited
from ismp.hours.models.scoped import Scoped
from ismp.hours.portal_import.layout import CATEGORIES
from ismp.imports.models import ImportRun
from ismp.ui.resources.search import containing


class Deletion(Audited):
    """One action of 刪除時數 or of 復原, restorable for a while."""

    agency = models.ForeignKey(Agency, models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    by = models.CharField(max_length=150)
    by_name = models.CharField(max_length=150, blank=True)
    reason = models.CharField(max_length=200)
    count = models.PositiveIntegerField(default=0)
    people = models.PositiveIntegerField(default=0)
    run = models.ForeignKey(ImportRun, models.PROTECT, null=True, related_name="+")
    """The import whose 復原 this was, if it was one."""
    duplicates = models.BooleanField(default=False)
    """Whether the platform set these aside as 可能重複: a `Duplicate` says what becomes of them."""
    edition = models.BigIntegerField(default=0)
    """Of its agencies' records that it made (see `RecordsVersion`); so is `restored_edition`."""
    restored_at = models.DateTimeField(null=True)
    restored_by = models.CharField(max_length=150, blank=True)
    restored_edition = models.BigIntegerField(null=True)

    objects: ClassVar[models.Manager["Deletion"]] = Scoped.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"deletion:{self.pk}"

    @property
    def restorable_until(self) -> datetime:
        return self.at + timedelta(days=settings.DELETED_KEPT_DAYS)

    @property
    def restorable(self) -> bool:
        by_hand = self.run_id is None and not self.duplicates
        return by_hand and self.restored_at is None and timezone.now() < self.restorable_until


class Contents(models.Model):
    """One learning event as the portal's file tells it; hours in thousandths, so sums are exact."""

    category = models.PositiveSmallIntegerField("課程類別")
    organizer_code = models.TextField("學習機關(構)編號")
    organizer_name = models.TextField("學習機關(構)名稱")
    title = models.TextField("名稱")
    term = models.TextField("期別")
    started_on = models.DateField("起日期")
    ended_on = models.DateField("迄日期")
    learning_type = models.TextField("學習類別")
    department = models.TextField("部門單位")
    degree = models.TextField("訓練進修類別(程度)")
    kind = models.TextField("種類")
    fee = models.TextField("費用")
    total = models.BigIntegerField("訓練總數", null=True)
    unit = models.TextField("訓練總單位")
    score = models.TextField("訓練總成績")
    certificate_no = models.TextField("證件字號")
    nature = models.TextField("課程性質")
    digital_hours = models.BigIntegerField("數位時數", null=True)
    classroom_hours = models.BigIntegerField("實體時數", null=True)
    job_related = models.TextField("是否與業務相關")
    hours = models.BigIntegerField("採計時數")
    content_key = models.UUIDField()
    """128-bit digest of the contents: equal files compare without reading twenty columns."""
    run = models.ForeignKey(
        ImportRun, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    line = models.PositiveIntegerField()
    deletion = models.ForeignKey(
        Deletion,
        models.DO_NOTHING,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )

    class Meta:
        abstract = True


SEARCH_FIELDS = {
    "username": "account__username",
    "name": "account__name",
    "department": "department",
    "title": "title",
}


class RecordQuerySet(Scoped["Record"]):
    """Questions about many records; each list, export and count starts with `visible_to`."""

    def live(self) -> Self:
        return self.filter(deletion=None)

    def deleted_by_hand(self) -> Self:
        """Those that somebody deleted, and has not restored."""
        deleted = self.exclude(deletion=None)
        return deleted.filter(deletion__run=None, deletion__duplicates=False)

    def of_people(self, field: str, text: str) -> Self:
        """Records whose `field` (a key of SEARCH_FIELDS) contains `text`, ignoring case."""
        return self.filter(containing(SEARCH_FIELDS[field], text)) if text else self

    def of_person(self, account: Account) -> Self:
        """One's own, from whichever agency; needs no right."""
        return self.filter(account__in=Account.objects.of_person(account))

    def of_run(self, run: ImportRun | None) -> Self:
        return self.filter(run=run) if run else self

    def ended_in(self, start: date | None, end: date | None) -> Self:
        """Year and search go by 迄日期; both ends belong to the range."""
        records = self.filter(ended_on__gte=start) if start else self
        return records.filter(ended_on__lte=end) if end else records

    def unchanged_since(self, moment: datetime) -> Self:
        """Live at a moment with the contents that they still have; the others that were live
        then are `RecordRevision.objects.known_at`."""
        changed = _revised_after(moment).filter(agency=OuterRef("agency"), record=OuterRef("pk"))
        begun = Q(known_from=None) | Q(known_from__lte=moment)
        return self.filter(begun, _live_at(moment), ~Exists(changed))

    def newest_first(self) -> Self:
        """By day, and on one day by agency, so that a page is read from the unique key."""
        return self.order_by("-ended_on", "-agency_id", "-account_id", "-event_key")


def _live_at(moment: datetime) -> Q:
    """Contents that an import had brought by then, and that were not deleted yet."""
    kept = Q(deletion=None) | Q(deletion__at__gt=moment)
    return kept & Q(run__finished_at__lte=moment)


def _revised_after(moment: datetime) -> QuerySet["RecordRevision"]:
    """An import changes what others see when it is finished."""
    replaced = Coalesce("replaced_by__finished_at", "replaced_at")
    return RecordRevision.objects.alias(replaced=replaced).filter(replaced__gt=moment).order_by()


class Record(Contents):
    """A learning event of one person, the newest contents that an import brought.

    There is one row per event, whether live or deleted; foreign keys carry no constraint and no
    index of their own because each would cost the import more than all its own work.
    """

    agency = models.ForeignKey(
        Agency, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    account = models.ForeignKey(
        Account, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    event_key = models.UUIDField()
    """128-bit digest of 課程類別, 學習機關編號, 名稱, 期別, 起日期, 迄日期."""
    known_from = models.DateTimeField(null=True)
    """When it became a record, where that was after its run had finished (`records.unclaimed`)."""

    objects: ClassVar[models.Manager["Record"]] = RecordQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["agency", "ended_on", "account", "event_key"],
                name="an_event_of_a_person_is_stored_once",
            ),
            models.CheckConstraint(
                condition=Q(category__in=list(CATEGORIES)), name="category_is_522_or_523"
            ),
            models.CheckConstraint(
                condition=Q(ended_on__gte=F("started_on")), name="a_course_ends_after_it_starts"
            ),
            models.CheckConstraint(condition=Q(hours__gte=0), name="hours_are_not_negative"),
        ]
        indexes = [
            models.Index(
                fields=["account", "ended_on", "agency"],
                name="records_of_a_person",
                condition=Q(deletion=None),
            ),
            models.Index(fields=["run"], name="records_of_a_run"),
            models.Index(
                fields=["deletion"], name="records_of_a_deletion", condition=~Q(deletion=None)
            ),
        ]

    def __str__(self) -> str:
        return f"record:{self.pk}"


class RevisionQuerySet(models.QuerySet["RecordRevision"]):
    def known_at(self, moment: datetime) -> Self:
        """Contents that were live at a moment and have been changed since."""
        after = _revised_after(moment)
        earlier = after.filter(
            agency=OuterRef("agency"), record=OuterRef("record"), pk__lt=OuterRef("pk")
        )
        begun = Q(record__known_from=None) | Q(record__known_from__lte=moment)
        return self.filter(begun, _live_at(moment), ~Exists(earlier), pk__in=after.values("pk"))


class RecordRevision(Contents):
    """The contents of a record before `replaced_by` changed them.

    Null: an undo did, or a restoring, which changes nothing but ends a deletion (`deletion`).  So
    records and revisions together tell what was live at any moment.
    """

    agency = models.ForeignKey(
        Agency, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    """The record's: both tables may be distributed by it (docs/adr/0008)."""
    record = models.ForeignKey(Record, models.DO_NOTHING, related_name="+", db_constraint=False)
    replaced_by = models.ForeignKey(
        ImportRun, models.DO_NOTHING, null=True, related_name="+", db_constraint=False
    )
    replaced_at = models.DateTimeField()

    objects: ClassVar["models.Manager[RecordRevision] | RevisionQuerySet"] = (
        RevisionQuerySet.as_manager()
    )

    class Meta:
        indexes = [models.Index(fields=["run", "line"], name="revisions_of_a_run")]

    def __str__(self) -> str:
        return f"revision:{self.pk}"


class Withdrawal(models.Model):
    """A record that our own courses, or a recognised certificate, gave and took back.

    What was credited before `edition` counts no more for it: were the file undone that holds it
    besides, it would go (`undoing`).
    """

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    record = models.ForeignKey(Record, models.DO_NOTHING, related_name="+", db_constraint=False)
    edition = models.BigIntegerField()

    def __str__(self) -> str:
        return f"withdrawal:{self.record_id}"


class ColumnChoice(models.Model):
    """Which columns of the wide table a person has hidden."""

    account = models.OneToOneField(Account, models.CASCADE, related_name="+")
    hidden = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"columns:{self.account_id}"


def in_hours(thousandths: int | None) -> str:
    """2500 → `2.5`, 3000 → `3`, None → empty: hours as people write them."""
    return "" if thousandths is None else f"{Decimal(thousandths).scaleb(-3).normalize():f}"
