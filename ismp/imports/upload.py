"""A file on its way in, chunk by chunk, straight into its run.

The run stands from the first byte; no byte goes to disk in clear.
"""

from typing import Any, cast

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Account, Agency
from ismp.audit import trail
from ismp.imports import kinds, run_files, running
from ismp.imports.heartbeat import lease
from ismp.imports.models import ImportRun, RunFile, State
from ismp.imports.rejection import too_large
from ismp.ui.http.requests import HttpRequest
from ismp.ui.reading.faults import FileRejected

RECEIVING_LEASES = 10


class Upload:
    """One file of which nobody knows yet what it is and for whom (`actions.receive`)."""

    def __init__(self, *, agency: Agency, filename: str, by: Account | None = None) -> None:
        self.run = ImportRun.objects.create(
            agency=agency,
            filename=_shown_name(filename),
            started_by=by.username if by else trail.SYSTEM,
            started_by_name=by.name if by else "",
            lease_until=lease(RECEIVING_LEASES),
        )
        self._writer = run_files.Writer(self.run, RunFile.Kind.UPLOAD)
        self._limits = kinds.limits()

    def write(self, chunk: bytes) -> None:
        """Store a chunk of any size.  Raises FileRejected when the file is too large."""
        if self._writer.size + len(chunk) > self._limits.max_bytes:
            raise FileRejected(too_large(self._limits))
        self._writer.write(chunk)

    def close(self) -> None:
        """Note that the last byte is safely stored."""
        self._writer.close()
        received(self.run, self._writer.sha256, self._writer.size, self._writer.lines)


def received(run: ImportRun, sha256: str, size: int, lines: int) -> None:
    run.sha256, run.size, run.lines, run.received_at = sha256, size, lines, timezone.now()
    run.save(update_fields=["sha256", "size", "lines", "received_at"])


def interrupted(run: ImportRun) -> None:
    running.refuse(run, "檔案沒有傳完就中斷了，沒有匯入任何資料；請檢查網路後重新上傳。")


def discard(run: ImportRun | None, sentence: str) -> None:
    """Refuse what was sent and nobody took."""
    if run and run.state == State.RECEIVING:
        running.refuse(run, sentence)


def _shown_name(filename: str) -> str:
    """The file's name without its folder, and without anybody's national ID."""
    name = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c for c in national_id.hide(name) if c.isprintable())[:255] or "（沒有檔名）"


class RunUploadHandler(FileUploadHandler):
    """Begins an upload when the file of a form begins, and hands it each chunk."""

    chunk_size = 1024 * 1024

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.upload: Upload | None = None

    @property
    def run(self) -> ImportRun | None:
        return self.upload.run if self.upload else None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        user = cast(HttpRequest, self.request).user
        self.upload = Upload(agency=user.agency, filename=self.file_name or "", by=user)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        assert self.upload
        try:
            self.upload.write(raw_data)
        except FileRejected as refusal:
            running.refuse(self.upload.run, str(refusal))
            raise StopUpload(connection_reset=False) from refusal

    def file_complete(self, file_size: int) -> "UploadedFile[Any]":
        assert self.upload
        self.upload.close()
        return UploadedFile(name=self.file_name, size=file_size)

    def upload_interrupted(self) -> None:
        if self.run and not self.run.finished:
            interrupted(self.run)
