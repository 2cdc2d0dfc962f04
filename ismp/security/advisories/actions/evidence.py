"""Files that agencies put to their answers: what they may be, and where they are kept.

Encrypted like certificates (`ismp.external_hours.files`): the database holds no clear byte.
"""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import transaction

from ismp.accounts import national_id
from ismp.accounts.models import Account
from ismp.audit import trail
from ismp.errors import ActionRefused
from ismp.security import verbs
from ismp.security.models import Address, EvidenceFile, EvidencePiece
from ismp.storage.encrypted_files import EncryptedFile
from ismp.ui.reading import file_types
from ismp.ui.text.search_folding import one_line

EXTENSIONS = file_types.DOCUMENTS
ZIP, TEXT = "application/zip", "text/plain"
_PLAIN = {"txt": TEXT, "log": TEXT, "csv": "text/csv"}
_ZIPPED = {
    "zip": ZIP,
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
}
ACCEPT = ",".join(f".{one}" for one in ("pdf", "jpg", "jpeg", "png", *_PLAIN, *_ZIPPED))
MOST_FILES = 20
"""That one agency may put to one advisory."""


@transaction.atomic
def add(address: Address, file: Any, *, by: Account) -> EvidenceFile:
    """Keep an uploaded file with the agency's answer.  Raises ActionRefused."""
    address = Address.objects.select_for_update(of=("self",)).get(pk=address.pk)
    if address.agency_id not in by.agency_ids():
        raise ActionRefused("只能為自己的機關附上佐證。")
    if address.files.count() >= MOST_FILES:
        raise ActionRefused(f"一則情資最多附 {MOST_FILES} 個檔案；請把檔案合併或壓縮後再附上。")
    name = national_id.hide(one_line(file.name or "佐證"))[-200:]
    kept = EvidenceFile.objects.create(
        address=address,
        name=name,
        media_type=_type_of(file, name),
        size=file.size,
        by=by.username,
        by_name=by.name,
    )
    _file(kept).write(file.chunks())
    trail.record(verbs.ADD_EVIDENCE, address, actor=by.username, file=name)
    return kept


def _type_of(file: Any, name: str) -> str:
    """Detect the type by the first bytes, else by the ending.  Raises ActionRefused."""
    most = settings.CERTIFICATE_MAX_BYTES
    if not file.size:
        raise ActionRefused("這個檔案是空的，請重新選擇。")
    if file.size > most:
        raise ActionRefused(f"檔案超過 {most // 1024 // 1024} MB，請壓縮後再附上。")
    head = file_types.head_of(file)
    ending = name.rsplit(".", 1)[-1].casefold()
    if (found := file_types.media_type(head)) in EXTENSIONS:
        return found
    if file_types.is_archive(head) and ending in _ZIPPED:
        return _ZIPPED[ending]
    if ending in _PLAIN and file_types.is_plain_text(head):
        return _PLAIN[ending]
    raise ActionRefused(
        "佐證可以是 PDF、JPG、PNG、文字檔、CSV、Office 文件或 ZIP；請轉存後再附上。"
    )


def read(file: EvidenceFile) -> Iterator[bytes]:
    """The whole file, piece by piece."""
    return _file(file).read(0, file.size - 1)


@transaction.atomic
def note_opening(file: EvidenceFile, *, by: Account) -> None:
    """Whoever opens another agency's evidence leaves a trace."""
    if file.address.agency_id not in by.agency_ids():
        trail.record(verbs.OPEN_EVIDENCE, file, actor=by.username, file=file.name)


def _file(file: EvidenceFile) -> EncryptedFile:
    return EncryptedFile(EvidencePiece, file.pk)
