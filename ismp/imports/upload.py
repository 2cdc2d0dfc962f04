"""Taking a file from the browser, chunk by chunk, straight into its run.

The run stands from the first byte; no byte goes to disk in clear.
"""

from typing import Any, cast

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopUpload

from ismp.imports import actions, kinds, run_files, running
from ismp.imports.models import RunFile
from ismp.imports.rejection import too_large
from ismp.ui.http.requests import HttpRequest


class RunUploadHandler(FileUploadHandler):
    """Opens a run when the file begins and writes each chunk to what the run keeps."""

    chunk_size = 1024 * 1024

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.run: Any = None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        account = cast(HttpRequest, self.request).user
        self.run = actions.open_run(
            agency=account.agency, filename=self.file_name or "", by=account
        )
        self.writer = run_files.Writer(self.run, RunFile.Kind.UPLOAD)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self.writer.size + len(raw_data) > settings.UPLOAD_MAX_BYTES:
            running.refuse(self.run, too_large(kinds.limits()))
            raise StopUpload(connection_reset=False)
        self.writer.write(raw_data)

    def file_complete(self, file_size: int) -> "UploadedFile[Any]":
        writer = self.writer
        writer.close()
        actions.received(self.run, writer.sha256, writer.size, writer.lines)
        return UploadedFile(name=self.file_name, size=file_size)

    def upload_interrupted(self) -> None:
        if self.run and not self.run.finished:
            actions.interrupted(self.run)
