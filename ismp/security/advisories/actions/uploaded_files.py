"""A large file of intelligence is read by the worker, while its sender may close the window.

It is kept encrypted until it has been read.  Reading it twice does no harm: what came in already
is 無變動; so one whose worker has died is simply read anew.
"""

import logging
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django_tasks import task

from ismp.accounts import national_id
from ismp.accounts.models import Account
from ismp.audit import trail
from ismp.notifications.actions import notify
from ismp.security import verbs
from ismp.security.advisories.actions import importing
from ismp.security.intelligence import IntelligenceRejected
from ismp.security.models import IntelligenceFile, IntelligencePiece
from ismp.storage.encrypted_files import EncryptedFile
from ismp.ui.text.search_folding import one_line

logger = logging.getLogger(__name__)
_TAKEN_OVER = timedelta(minutes=10)
"""Longer than the largest file takes: who began so long ago has died."""
_MOST_TRIES = 3
_FAILED = "讀取檔案時發生錯誤，已經匯入的情資保留；請再匯入一次，仍無法匯入時請洽客服。"


def is_large(size: int) -> bool:
    return size > settings.INTELLIGENCE_AT_ONCE_BYTES


def refused(refusal: IntelligenceRejected) -> str:
    """Notice to the sender of a refused file."""
    return f"{refusal}沒有匯入任何資料。"


@transaction.atomic
def receive(file: Any, *, by: Account) -> IntelligenceFile:
    """Keep an uploaded file until the worker has read it."""
    name = national_id.hide(one_line(file.name or "情資"))[-200:]
    kept = IntelligenceFile.objects.create(name=name, size=file.size, account=by)
    _bytes_of(kept).write(file.chunks())
    trail.record(verbs.RECEIVE_INTELLIGENCE, kept, actor=by.username, file=name)
    transaction.on_commit(lambda: read_file.enqueue(kept.pk))
    return kept


@task()
def read_file(file_id: int) -> None:
    """Take in what a file holds, and tell its sender."""
    if not (file := _claimed(file_id)):
        return
    data = b"".join(_bytes_of(file).read(0, file.size - 1))
    try:
        file.result = asdict(importing.import_advisories(data, by=file.account))
    except IntelligenceRejected as refusal:
        file.reason = refused(refusal)
    except Exception as error:
        logger.exception("intelligence file %s: %s", file.pk, type(error).__name__)
        if file.tries < _MOST_TRIES:
            raise
        file.reason = _FAILED
    _end(file)


@transaction.atomic
def _claimed(file_id: int) -> IntelligenceFile | None:
    """The file, unless it has been read or another worker reads it."""
    free = Q(begun_at=None) | Q(begun_at__lt=timezone.now() - _TAKEN_OVER)
    held = IntelligenceFile.objects.select_for_update(of=("self",), skip_locked=True)
    file = held.filter(free, pk=file_id, ended_at=None).select_related("account").first()
    if file:
        file.begun_at, file.tries = timezone.now(), file.tries + 1
        file.save(update_fields=["begun_at", "tries"])
    return file


@transaction.atomic
def _end(file: IntelligenceFile) -> None:
    file.ended_at = timezone.now()
    file.save(update_fields=["result", "reason", "ended_at"])
    _bytes_of(file).forget()
    notify(
        [file.account],
        kind="advisory",
        subject="情資檔案沒有匯入" if file.reason else "情資檔案已匯入",
        body=file.reason,
        link=reverse("security:intelligence_file", args=[file.pk]),
    )


def recover() -> int:
    """Have read what no worker reads any more; return how many files.  Called each minute."""
    late = timezone.now() - _TAKEN_OVER
    lost = Q(begun_at=None, received_at__lt=late) | Q(begun_at__lt=late)
    files = IntelligenceFile.objects.filter(lost, ended_at=None)
    ended = files.filter(tries__gte=_MOST_TRIES)
    for file in ended:
        file.reason = _FAILED
        _end(file)
    again = list(files.values_list("pk", flat=True))
    for pk in again:
        read_file.enqueue(pk)
    return len(again)


def purge() -> int:
    """Forget what files brought when uploads are forgotten; return how many."""
    before = timezone.now() - timedelta(days=settings.UPLOAD_KEPT_DAYS)
    count, _ = IntelligenceFile.objects.filter(ended_at__lt=before).delete()
    return count


def _bytes_of(file: IntelligenceFile) -> EncryptedFile:
    return EncryptedFile(IntelligencePiece, file.pk)
