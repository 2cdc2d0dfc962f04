"""Runs: one per uploaded file, or per action that credited hours; the pieces that each stores."""

from datetime import timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from ismp.accounts.models import Account, Agency, Scoped
from ismp.accounts.roles import Right
from ismp.audit.models import Audited
from ismp.storage.encrypted_files import EncryptedChunk


class State(models.TextChoices):
    RECEIVING = "receiving", "接收中"
    PASSWORD = "password", "等候密碼"
    QUEUED = "queued", "排隊中"
    RUNNING = "running", "匯入中"
    COMPLETED = "completed", "匯入完成"
    REFUSED = "refused", "整檔退回"
    QUARANTINED = "quarantined", "暫停處理"


class Source(models.TextChoices):
    """Where a run's rows came from; each has its kind (`kinds`)."""

    FILE = "file", "匯入"
    PLATFORM = "platform", "本平台"
    EXTERNAL = "external", "外部認列"
    ROSTER = "roster", "名冊"
    DEVICES = "devices", "設備清冊"
    PRODUCTS = "products", "限制清單"
    JOB = "job", "刪除與復原"


VIEW_RIGHT = {
    Source.FILE: Right.VIEW_HOURS,
    Source.PLATFORM: Right.VIEW_HOURS,
    Source.EXTERNAL: Right.VIEW_HOURS,
    Source.ROSTER: Right.VIEW_PEOPLE,
    Source.DEVICES: Right.VIEW_SECURITY,
    Source.PRODUCTS: Right.VIEW_SECURITY,
    Source.JOB: Right.VIEW_HOURS,
}
"""The right to see the runs of each source, within the agencies that a person sees."""

CREDITED = (Source.PLATFORM, Source.EXTERNAL)
"""Runs without a file: what people earned in our courses, and what was recognised."""


FINISHED = (State.COMPLETED, State.REFUSED, State.QUARANTINED)


class RunQuerySet(Scoped["ImportRun"]):
    """Questions about many runs."""

    right = Right.MANAGE

    def visible_to(self, user: Account) -> Self:
        """Limit to the agencies and the sources that `user` may see (`VIEW_RIGHT`)."""
        runs = super().visible_to(user)
        sources = [source for source, right in VIEW_RIGHT.items() if user.may(right)]
        return runs if len(sources) == len(VIEW_RIGHT) else runs.filter(source__in=sources)

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
        taken = (end - begin for _, begin, end in runs if begin and end)
        seconds = sum(one.total_seconds() for one in taken)
        return sum(total for total, _, _ in runs) / seconds if seconds else 0.0


class ImportRun(Audited):
    """One uploaded file and what became of it, from the first byte on; or the like without a
    file: what one action of this platform's own courses credited (docs/adr/0012), or what was
    recognised with a certificate (docs/adr/0017), or a job: what the worker does to many records
    at once (`jobs`).

    `attempt` and `lease_until` are the fence: only the worker that made the newest attempt may
    finish the run, and another may take over when the lease is over.
    """

    audit_name = "run"

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
    """What was imported but should be looked at: {"names": n, "ignored": [column, …]}; of a list
    that people keep also the columns that it had not: {"absent": [column, …]}, and how it was read:
    {"separator": ";", "sheet": "清冊"}."""
    created_at = models.DateTimeField(default=timezone.now)
    received_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    """Digest of what the outcome depended on beside the file, as it is when the run ends
    (`unchanged_file`); empty for a trial."""
    edition = models.BigIntegerField(default=0)
    """The `RecordsVersion` that it made, or where it changed nothing, that it found:
    the order in which imports, deletions and restorings took effect."""
    same_as = models.ForeignKey("self", models.PROTECT, null=True, related_name="+", db_index=False)
    """The import of the same bytes whose outcome was known to be this one's (`unchanged_file`)."""
    attempt = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    progress = models.JSONField(default=dict)
    """Where its work is, on PostgreSQL (`imports.heartbeat`)."""
    released_at = models.DateTimeField(null=True)
    """Since when nothing counts any more that it brought: it was undone, be it that this changed
    nothing, because other imports hold all of it.  Such an undo is not used up."""
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
        return reverse("imports:run", args=[self.pk])

    @property
    def starter(self) -> str:
        """Name of who started it, or the account where there is no name."""
        return self.started_by_name or self.started_by

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
            and bool(self.succeeded)
        )


class RunFile(EncryptedChunk):
    """A chunk of a run's file, compressed and encrypted: the upload, its rows, its rejections."""

    class Kind(models.TextChoices):
        UPLOAD = "upload", "上傳的檔案"
        CONTENT = "content", "壓縮檔裡的檔案"
        ROWS = "rows", "每列結果"
        REJECTED = "rejected", "無法匯入的列"
        WAITING = "waiting", "待認領的列"
        HELD = "held", "無變動的紀錄"

    run = models.ForeignKey(ImportRun, models.CASCADE, related_name="files")
    kind = models.CharField(max_length=10, choices=Kind)

    class Meta(EncryptedChunk.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["run", "kind", "number"], name="a_piece_has_one_place_in_its_file"
            )
        ]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.kind}/{self.number}"

    @property
    def context(self) -> bytes:
        return f"run:{self.run_id}:{self.Kind(self.kind).value}:{self.number}".encode()
