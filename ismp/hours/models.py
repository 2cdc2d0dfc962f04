"""終身學習時數: runs (one per uploaded file), records (one per learning event), their history.

Knows people and agencies (`ismp.accounts`), not what hours anybody owes.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any, ClassVar, Self
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from ismp.accounts import models as accounts
from ismp.accounts.models import Account, Agency, Status
from ismp.accounts.roles import Right
from ismp.hours import profiles
from ismp.hours.profile import CATEGORIES
from ismp.ui.folding import containing


class Scoped(accounts.Scoped):
    right = Right.VIEW_HOURS

    def of_people(self, field: str, text: str) -> Self:
        """Whose `field` (a key of SEARCH_FIELDS) contains `text`, whatever its case."""
        return self.filter(containing(SEARCH_FIELDS[field], text)) if text else self


class RunQuerySet(Scoped):
    """Questions about many runs."""

    right = Right.MANAGE

    def visible_to(self, user: Account) -> Self:
        """Each kind of file has a right of its own (`profiles`)."""
        mine, sources = super().visible_to(user), profiles.seen_by(user)
        return mine if sources is None else mine.filter(source__in=sources)

    def of_files(self) -> Self:
        """The imports of hours that somebody sent, without what our own courses credited."""
        return self.filter(source=Source.FILE)

    def by_state(self) -> dict[str, int]:
        counts = self.of_files().order_by().values_list("state").annotate(n=models.Count("pk"))
        return dict(counts)

    def queue_age(self) -> timedelta:
        """How long the oldest waiting file has waited."""
        waiting = self.filter(state=State.QUEUED, received_at__isnull=False)
        oldest = waiting.aggregate(oldest=models.Min("received_at"))["oldest"]
        return timezone.now() - oldest if oldest else timedelta()

    def rows_per_second(self, of_last: int = 100) -> float:
        """Rows of the last finished files, by the time from arrival to result; 0 when none."""
        done = self.of_files().filter(state=State.COMPLETED, received_at__isnull=False)
        times = done.order_by("-pk").values_list("total", "received_at", "finished_at")
        runs = list(times[:of_last])
        seconds = sum((end - begin).total_seconds() for _, begin, end in runs)
        return sum(total for total, _, _ in runs) / seconds if seconds else 0.0


class State(models.TextChoices):
    RECEIVING = "receiving", "接收中"
    PASSWORD = "password", "等候密碼"
    QUEUED = "queued", "排隊中"
    RUNNING = "running", "匯入中"
    COMPLETED = "completed", "匯入完成"
    REFUSED = "refused", "整檔退回"
    QUARANTINED = "quarantined", "暫停處理"


class Source(models.TextChoices):
    """Where a run's rows came from; each has its profile (`profiles`)."""

    FILE = "file", "匯入"
    PLATFORM = "platform", "本平台"
    EXTERNAL = "external", "外部認列"
    ROSTER = "roster", "名冊"
    DEVICES = "devices", "設備清冊"


CREDITED = (Source.PLATFORM, Source.EXTERNAL)
"""Runs without a file: what people earned in our courses, and what was recognised."""


FINISHED = (State.COMPLETED, State.REFUSED, State.QUARANTINED)


class ImportRun(models.Model):
    """One uploaded file and what became of it, from the first byte on; or the like without a
    file: what one deed of this platform's own courses credited (docs/adr/0012), or what was
    recognised with a certificate (docs/adr/0017).

    `attempt` and `lease_until` are the fence: only the worker that made the newest attempt may
    finish the run, and another may take over when the lease is over.
    """

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    source = models.CharField("來源", max_length=10, choices=Source, default=Source.FILE)
    started_by = models.CharField(max_length=150)
    started_by_name = models.CharField(max_length=150, blank=True)
    filename = models.CharField(max_length=255)
    size = models.BigIntegerField(default=0)
    lines = models.PositiveIntegerField(default=0)
    """Line ends in the file: what the progress bar counts against."""
    sha256 = models.CharField(max_length=64, blank=True)
    dry_run = models.BooleanField(default=False)
    state = models.CharField(max_length=20, choices=State, default=State.RECEIVING)
    reason = models.CharField(max_length=500, blank=True)
    total = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    reasons = models.JSONField(default=dict)
    """Rejected rows by code: {code: n}."""
    notes = models.JSONField(default=dict)
    """What was imported but should be looked at: {"names": n, "ignored": [column, …]}."""
    created_at = models.DateTimeField(default=timezone.now)
    received_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    circumstances = models.CharField(max_length=64, blank=True)
    """Digest of what the outcome depended on beside the file, as it is when the run ends (`again`);
    empty for a trial."""
    attempt = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    undone_at = models.DateTimeField(null=True)
    undone_by = models.CharField(max_length=150, blank=True)
    undo_result = models.JSONField(null=True)

    objects: ClassVar["models.Manager[ImportRun] | RunQuerySet"] = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["agency", "-id"], name="runs_of_an_agency"),
            models.Index(
                fields=["lease_until"],
                name="runs_under_way",
                condition=Q(state__in=["receiving", "password", "queued", "running"]),
            ),
            models.Index(
                fields=["agency", "finished_at"],
                name="what_was_credited",
                condition=Q(source__in=["platform", "external"]),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(total=F("created") + F("updated") + F("unchanged") + F("rejected")),
                name="no_row_of_a_run_is_lost",
            ),
            models.CheckConstraint(
                condition=Q(state__in=State.values), name="run_state_is_a_known_state"
            ),
            models.CheckConstraint(
                condition=Q(source__in=Source.values), name="run_source_is_a_known_source"
            ),
        ]

    def __str__(self) -> str:
        return f"run:{self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("hours:run", args=[self.pk])

    @property
    def finished(self) -> bool:
        return self.state in FINISHED

    @property
    def succeeded(self) -> int:
        """成功匯入: every row that now stands in the records as the file has it."""
        return self.total - self.rejected

    @property
    def can_be_undone(self) -> bool:
        return (
            self.state == State.COMPLETED
            and self.source == Source.FILE
            and not self.dry_run
            and self.undone_at is None
            and bool(self.created or self.updated)
        )


class RunFile(models.Model):
    """A piece of what a run keeps, compressed and sealed: the upload, its rows, its rejections."""

    class Kind(models.TextChoices):
        UPLOAD = "upload", "上傳的檔案"
        ROWS = "rows", "每列結果"
        REJECTED = "rejected", "無法匯入的列"
        WAITING = "waiting", "待認領的列"

    run = models.ForeignKey(ImportRun, models.CASCADE, related_name="files")
    kind = models.CharField(max_length=10, choices=Kind)
    number = models.PositiveIntegerField()
    key_version = models.PositiveSmallIntegerField()
    data = models.BinaryField()
    stored_as = models.CharField(max_length=32, blank=True)
    """The object's name in S3-compatible storage; empty when `data` is here."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "kind", "number"], name="a_piece_has_one_place_in_its_file"
            )
        ]
        indexes = [
            models.Index(
                fields=["stored_as"], name="pieces_stored_elsewhere", condition=~Q(stored_as="")
            )
        ]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.kind}/{self.number}"


class WaitingQuerySet(Scoped):
    def claimable(self) -> Self:
        """Whose person serves now, under that ID, in the agency whose file told of her."""
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
    """待認領: one person of one run whom the agency did not know, by the keyed hash of her ID.

    The rows themselves wait sealed in the run's pieces (`ismp.hours.claiming`).
    """

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    run = models.ForeignKey(ImportRun, models.CASCADE, related_name="+")
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


class Deletion(models.Model):
    """One deed of 刪除時數 or of 復原, restorable for a while."""

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
    restored_at = models.DateTimeField(null=True)
    restored_by = models.CharField(max_length=150, blank=True)

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


class RecordQuerySet(Scoped):
    """Questions about many records; each list, export and count starts with `visible_to`."""

    def live(self) -> Self:
        return self.filter(deletion=None)

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
    """When it became a record, where that was after its run had finished (`claiming`)."""

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
    """What a record's contents were before `replaced_by` changed them.

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


DAYS_OF_A_MONTH = [f"day_{number}" for number in range(1, 32)]


class Wording(models.Model):
    """A text that stands, or once stood, in `field` of an agency's records."""

    pk = models.CompositePrimaryKey("agency_id", "wording")
    agency = models.ForeignKey(
        Agency, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    wording = models.UUIDField()
    """128-bit digest of the field and its text, which may be longer than a key can be."""
    field = models.CharField(max_length=20)
    text = models.TextField()

    objects: ClassVar["models.Manager[Wording]"] = Scoped.as_manager()

    def __str__(self) -> str:
        return f"{self.field}:{self.text}"


class Edition(models.Model):
    """Which edition of an agency's records is the present one: each deed that changes them makes
    the next."""

    agency = models.OneToOneField(
        Agency, models.DO_NOTHING, primary_key=True, related_name="+", db_constraint=False
    )
    number = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.agency_id}:{self.number}"


class MonthTally(models.Model):
    """How many live records an agency has on each day of a month, in all or with one text in them.

    Kept by `tallies`, as PersonYear is.
    """

    pk = models.CompositePrimaryKey("wording", "agency_id", "month")
    agency = models.ForeignKey(
        Agency, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    wording = models.UUIDField()
    """Of a `Wording`, or EVERY_RECORD."""
    month = models.DateField()
    """Its first day."""
    live = models.BigIntegerField()
    for _day in DAYS_OF_A_MONTH:
        locals()[_day] = models.IntegerField()

    EVERY_RECORD = UUID(int=0)

    objects: ClassVar["models.Manager[MonthTally]"] = Scoped.as_manager()

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
    """What a person has attended in a year: live records and hours (thousandths) by category.

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


class Decision(models.TextChoices):
    PENDING = "pending", "待確認"
    ONE = "one", "是同一次學習，採計一筆"
    BOTH = "both", "是不同的學習，兩筆都採計"


class Duplicate(models.Model):
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

    objects: ClassVar[models.Manager["Duplicate"]] = Scoped.as_manager()

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


class ColumnChoice(models.Model):
    """Which columns of the wide table a person has hidden."""

    account = models.OneToOneField(Account, models.CASCADE, related_name="+")
    hidden = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"columns:{self.account_id}"


def in_hours(thousandths: int | None) -> str:
    """2500 → `2.5`, 3000 → `3`, None → empty: hours as people write them."""
    return "" if thousandths is None else f"{Decimal(thousandths).scaleb(-3).normalize():f}"
