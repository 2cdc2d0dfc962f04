"""Uploads to the national portal: batches (上傳批次) and the hours in each."""

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.utils import timezone

from ismp.accounts.models import Account, Agency, Scoped
from ismp.accounts.roles import Right
from ismp.audit.models import Audited
from ismp.hours.models import Record
from ismp.imports.models import CREDITED
from ismp.storage.encrypted_files import FilePiece


class OfUploads(Scoped["PortalUpload"]):
    right = Right.VIEW_COURSES


class PortalUpload(Audited):
    """上傳批次: a file for the portal that an agency took; it counts as uploaded until revoked.

    Its bytes are kept encrypted (`UploadPiece`), so that the same file can be taken again.
    """

    audit_name = "portal_upload"

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    start = models.DateField("完成日期起")
    end = models.DateField("完成日期迄")
    county = models.CharField("上課縣市代碼", max_length=2)
    filename = models.CharField("檔名", max_length=100)
    size = models.PositiveIntegerField(default=0)
    count = models.PositiveIntegerField("筆數")
    people = models.PositiveIntegerField("人數")
    made_at = models.DateTimeField("下載時間", default=timezone.now)
    made_by = models.CharField("下載的帳號", max_length=150)
    made_by_name = models.CharField("下載的人", max_length=150, blank=True)
    revoked_at = models.DateTimeField("撤銷時間", null=True)
    revoked_by = models.CharField("撤銷的帳號", max_length=150, blank=True)
    revoke_reason = models.CharField("撤銷理由", max_length=200, blank=True)

    objects: ClassVar["models.Manager[PortalUpload] | OfUploads"] = OfUploads.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["agency", "-id"], name="uploads_of_an_agency")]
        constraints = [
            models.CheckConstraint(condition=Q(count__gt=0), name="an_upload_has_rows"),
            models.CheckConstraint(
                condition=Q(revoked_at=None) | ~Q(revoke_reason=""),
                name="an_upload_is_revoked_with_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"第 {self.pk} 批"

    @property
    def audit_detail(self) -> dict[str, int]:
        return {"count": self.count}


class UploadPiece(FilePiece):
    """A encrypted piece of the file of a batch."""

    purpose = "portal-upload"
    owner = models.ForeignKey(PortalUpload, models.CASCADE, related_name="pieces")


class UploadedQuerySet(Scoped["UploadedHours"]):
    right = Right.VIEW_COURSES
    agency_of = "upload__agency"

    def standing(self) -> Self:
        """Hours that the portal has: of no revoked batch, and not deleted there since."""
        return self.filter(stands=True)

    def compared(self) -> Any:
        """Adds `current` and `current_score`: what the portal ought to have now; and `differs`.

        What a file of the portal tells is the portal's own word: hours that such a file corrected,
        or in whose place it stands as the same learning, need no correction there.
        """
        live, here = Q(record__deletion=None), Q(record__run__source__in=CREDITED)
        portals_own = (live & ~here) | Q(record__deletion__duplicates=True)
        return self.annotate(
            current=Case(
                When(portals_own, then=F("hours")),
                When(live, then=F("record__hours")),
                default=Value(0),
                output_field=models.BigIntegerField(),
            ),
            current_score=Case(When(live & here, then=F("record__score")), default=F("score")),
            differs=Case(
                When(stands=False, then=Value(value=False)),
                When(~Q(hours=F("current")) | ~Q(score=F("current_score")), then=Value(value=True)),
                default=Value(value=False),
                output_field=models.BooleanField(),
            ),
        )


class UploadedHours(Audited):
    """The values of one record in a batch: `hours` (thousandths) and `score`, until somebody
    marks them as corrected there."""

    upload = models.ForeignKey(PortalUpload, models.CASCADE, related_name="rows")
    record = models.ForeignKey(Record, models.DO_NOTHING, related_name="+", db_constraint=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    hours = models.BigIntegerField("上傳時數")
    score = models.TextField("上傳成績", blank=True)
    stands = models.BooleanField(default=True)
    """False once the batch is revoked, or the row was deleted at the portal: then it is offered
    again, if its hours ever count."""
    corrected_at = models.DateTimeField("更正時間", null=True)
    corrected_by = models.CharField("更正的帳號", max_length=150, blank=True)

    objects: ClassVar["models.Manager[UploadedHours] | UploadedQuerySet"] = (
        UploadedQuerySet.as_manager()
    )

    class Meta:
        ordering = ["-upload", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["record"], condition=Q(stands=True), name="hours_are_uploaded_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.record.title}"

    @property
    def audit_subject(self) -> str:
        return self.upload.audit_subject

    @property
    def audit_agency(self) -> str:
        return self.upload.audit_agency
