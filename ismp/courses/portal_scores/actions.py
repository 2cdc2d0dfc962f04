"""上傳批次: which hours the portal does not have yet, handing them over, and what became of them.

A batch counts as uploaded from the moment somebody took its file; who did not get it through at the
portal revokes it.  What the file looks like is the concern of `exports`.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Any

from django.db import transaction
from django.db.models import Exists, Max, Min, OuterRef, QuerySet
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Account, Agency
from ismp.audit import trail
from ismp.courses import verbs
from ismp.courses.models import Enrollment, PortalUpload, SignUp, UploadedHours, UploadPiece
from ismp.errors import ActionRefused
from ismp.imports.models import CREDITED
from ismp.storage.encrypted_files import EncryptedFile
from ismp.ui.resources import versions
from ismp.ui.text.roc_dates import roc_date

_NAMED = 5


def offered(agency: Agency) -> tuple[QuerySet[Enrollment], QuerySet[SignUp]]:
    """Completions of an agency's people whose records count and that the portal does not have:
    neither in a batch that stands, nor told by a file of the portal."""
    known = UploadedHours.objects.standing().filter(record=OuterRef("record"))
    counting = {
        "account__agency": agency,
        "record__deletion": None,
        "record__hours__gt": 0,
        "record__run__source__in": CREDITED,
    }
    online = Enrollment.objects.filter(~Exists(known), **counting)
    classes = SignUp.objects.filter(~Exists(known), **counting)
    return (
        online.select_related("account", "record").order_by("completed_at", "pk"),
        classes.select_related("account", "record", "session")
        .prefetch_related("session__meetings")
        .order_by("completed_at", "pk"),
    )


@dataclass(frozen=True)
class Pending:
    """How much waits to be uploaded, and from when until when it was completed."""

    count: int
    first: date
    last: date


def pending(agency: Agency) -> Pending | None:
    both = [
        one.order_by().aggregate(first=Min("completed_at"), last=Max("completed_at"))
        | {"count": one.count()}
        for one in offered(agency)
    ]
    there = [one for one in both if one["count"]]
    if not there:
        return None
    return Pending(
        sum(one["count"] for one in there),
        timezone.localdate(min(one["first"] for one in there)),
        timezone.localdate(max(one["last"] for one in there)),
    )


@transaction.atomic
def make(
    *,
    agency: Agency,
    start: date,
    end: date,
    county: str,
    skip: bool,
    write: Callable[[list[Any]], tuple[str, bytes]],
    by: Account,
) -> tuple[PortalUpload, bytes]:
    """Put what is new of a period into a batch; `write` makes the file's name and bytes of it.

    With `skip` without those who have no national ID on file.  Raises ActionRefused.
    """
    Agency.objects.select_for_update(no_key=True).get(pk=agency.pk)
    new = [one.filter(completed_at__date__range=(start, end)) for one in offered(agency)]
    found = _numbered(list(chain(*new)), skip=skip)
    if not found:
        raise ActionRefused(_why_nothing(agency, start, end))
    filename, data = write(found)
    upload = PortalUpload.objects.create(
        **{"agency": agency, "start": start, "end": end, "county": county},
        filename=filename,
        size=len(data),
        count=len(found),
        people=len({one.account_id for one in found}),
        made_by=by.username,
        made_by_name=by.name,
    )
    _file(upload).write([data])
    UploadedHours.objects.bulk_create(
        [
            UploadedHours(
                upload=upload,
                record=one.record,
                account=one.account,
                hours=one.record.hours,
                score=one.record.score,
            )
            for one in found
        ],
        batch_size=500,
    )
    trail.record(
        verbs.EXPORT_FOR_PORTAL,
        upload,
        actor=by.username,
        since=roc_date(start),
        until=roc_date(end),
    )
    return upload, data


def _numbered(found: list[Any], *, skip: bool) -> list[Any]:
    """Those with an ID on file; refused with the accounts that have none, unless they are to be
    skipped."""
    without = sorted({one.account.username for one in found if not one.account.encrypted_id})
    if without and not skip:
        names = "、".join(without[:_NAMED])
        raise ActionRefused(
            f"有 {len(without)} 個帳號沒有身分證字號（例如 {names}）；"
            "請先到帳號管理補登，或勾選略過。"
        )
    return [one for one in found if one.account.encrypted_id]


def _why_nothing(agency: Agency, start: date, end: date) -> str:
    days = {"account__agency": agency, "completed_at__date__range": (start, end)}
    models: list[Any] = [Enrollment, SignUp]
    for model in models:
        records = model.objects.filter(**days).values("record")
        if UploadedHours.objects.standing().filter(record__in=records).exists():
            return (
                "這段期間沒有可以上傳的新時數，都已經在上傳批次裡。要再拿同一個檔案，請開啟那一批，"
                "按「再次下載」；沒有上傳成功時，請撤銷那一批，時數就會再列入。"
            )
    return "這段期間沒有可以上傳的 522 或 523 課程時數。"


@transaction.atomic
def take_again(upload: PortalUpload, *, by: Account) -> Iterator[bytes]:
    """The file of a batch once more, byte for byte.  Raises ActionRefused when it was revoked."""
    if upload.revoked_at:
        raise ActionRefused("這一批已撤銷，檔案已刪除；請重新下載上傳檔。")
    trail.record(verbs.TAKE_UPLOAD_AGAIN, upload, actor=by.username)
    return _file(upload).read(0, upload.size - 1)


@transaction.atomic
def revoke(upload: PortalUpload, *, reason: str, by: Account) -> PortalUpload:
    """沒有上傳成功: its hours are offered again, and its file is deleted.  Raises ActionRefused."""
    Agency.objects.select_for_update(no_key=True).get(pk=upload.agency_id)
    upload = PortalUpload.objects.select_related("agency").get(pk=upload.pk)
    if upload.revoked_at:
        raise ActionRefused(f"{upload}已經撤銷過。")
    upload.revoke_reason = national_id.hide(reason.strip())[:200]
    upload.revoked_at, upload.revoked_by = timezone.now(), by.username
    upload.save(update_fields=["revoke_reason", "revoked_at", "revoked_by"])
    upload.rows.update(stands=False)
    _file(upload).forget()
    trail.record(verbs.REVOKE_UPLOAD, upload, actor=by.username, reason=upload.revoke_reason)
    return upload


@transaction.atomic
def note_corrected(rows: QuerySet[UploadedHours], *, by: Account) -> int:
    """Somebody has corrected these at the portal, so that it has what counts here now.

    What counts no more was deleted there.  Returns how many were to be corrected.
    """
    ids = list(rows.values_list("pk", flat=True))
    hold_agencies(PortalUpload.objects.filter(rows__in=ids))
    found = UploadedHours.objects.filter(pk__in=ids).compared().filter(differs=True)
    changed: list[Any] = list(found.select_related("upload__agency"))
    if not changed:
        raise ActionRefused("勾選的時數和上傳時相同，不需要更正。")
    for one in changed:
        one.hours, one.score, one.stands = one.current, one.current_score, one.current > 0
        one.corrected_at, one.corrected_by = timezone.now(), by.username
    fields = ["hours", "score", "stands", "corrected_at", "corrected_by"]
    UploadedHours.objects.bulk_update(changed, fields, batch_size=500)
    for upload, count in Counter(one.upload for one in changed).items():
        trail.record(verbs.CORRECT_AT_PORTAL, upload, actor=by.username, count=count)
    return len(changed)


def hold_agencies(uploads: QuerySet[PortalUpload]) -> None:
    """Hold the agencies of batches: before the batches, before their rows."""
    versions.hold(Agency.objects.all(), uploads.values_list("agency", flat=True))


def _file(upload: PortalUpload) -> EncryptedFile:
    return EncryptedFile(UploadPiece, upload.pk)


def subject(upload: PortalUpload) -> str:
    """A batch in the words of the audit trail."""
    return f"portal_upload:{upload.pk}"
