"""The certificates: what they may be, how they come in, and where they are kept.

No clear byte of one ever stands on a disk.
"""

import io
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import InMemoryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from ismp.external_hours.models import ClaimPiece, ExternalClaim
from ismp.storage.encrypted_files import EncryptedFile
from ismp.ui.reading import file_types
from ismp.ui.reading.file_types import FileTypeRejected

EXTENSIONS = file_types.DOCUMENTS


class InMemory(FileUploadHandler):
    """Holds a file in memory; of one that is too large, no more than tells that it is."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.held = io.BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self.held.tell() <= settings.CERTIFICATE_MAX_BYTES:
            self.held.write(raw_data)

    def file_complete(self, file_size: int) -> "UploadedFile[Any]":
        self.held.seek(0)
        facts = (self.field_name, self.file_name, self.content_type)
        return InMemoryUploadedFile(self.held, *facts, file_size, self.charset)


def check(file: "UploadedFile[Any]") -> str:
    """The media type of a file that may be a certificate.  Raises FileTypeRejected."""
    most = settings.CERTIFICATE_MAX_BYTES
    if (file.size or 0) > most:
        raise FileTypeRejected(
            f"檔案超過 {most // 1024 // 1024} MB，請壓縮或只掃描證明那一頁再上傳。"
        )
    found = file_types.media_type(file_types.head_of(file))
    if found not in EXTENSIONS:
        raise FileTypeRejected("這個檔案不是 PDF、JPG 或 PNG；請轉存成其中一種再上傳。")
    return found


def store(claim: ExternalClaim, chunks: Iterable[bytes]) -> None:
    _file(claim).write(chunks)


def read(claim: ExternalClaim) -> Iterator[bytes]:
    """The whole certificate, piece by piece."""
    return _file(claim).read(0, claim.size - 1)


def forget(claim: ExternalClaim) -> None:
    _file(claim).forget()


def _file(claim: ExternalClaim) -> EncryptedFile:
    return EncryptedFile(ClaimPiece, claim.pk)
