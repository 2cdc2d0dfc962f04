"""Taking a file from the browser, chunk by chunk, straight into its run.

The run stands from the first byte; no byte goes to disk in clear.
"""

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from ismp.accounts.agencies import fold_code
from ismp.accounts.models import Agency
from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.hours.records import actions
from ismp.imports import run_files, running, kinds
from ismp.hours.models import ImportRun, RunFile, State
from ismp.imports.rejection import too_large
from ismp.ui.http.requests import HttpRequest
from ismp.ui.http.uploads import takes_files_by_itself

_RUNS_PER_PAGE = 20


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
            running.refuse(self.run, too_large(running.limits()))
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


def import_page(request: HttpRequest, source: str, template: str) -> HttpResponse:
    """Where files of one kind are chosen and tried, and what became of the earlier ones."""
    user = request.user
    profile: Any = kinds.named(source)
    profile.stand(request)
    runs = ImportRun.objects.visible_to(user).filter(source=source).select_related("agency")
    page = Paginator(runs, _RUNS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, template, {"profile": profile, "page": page})


@takes_files_by_itself
@require_POST
@needs(Right.MANAGE)
def upload(request: HttpRequest) -> HttpResponse:
    user = request.user
    if not kinds.may_start_any(user):
        raise PermissionDenied
    # The handler must be in place before anything, the CSRF check too, reads the body.
    handler = RunUploadHandler(request)
    request.upload_handlers = [handler]
    try:
        answer = _upload(request)
    except (PermissionDenied, Http404):
        _let_go(handler.run, "您不能匯入這種檔案或這個機關的檔案，檔案沒有收下。")
        raise
    _let_go(handler.run, "頁面已經過期，檔案沒有收下；請重新整理頁面後再上傳。")
    return answer


def _let_go(run: ImportRun | None, sentence: str) -> None:
    """Nobody took the file that was received."""
    if run and run.state == State.RECEIVING:
        running.refuse(run, sentence)


upload.csrf_exempt = True  # type: ignore[attr-defined]


@sensitive_post_parameters("password")
@csrf_protect
def _upload(request: HttpRequest) -> HttpResponse:
    """The run's page, or for a script that shows the bytes going: where the window's parts are."""
    posted = request.POST
    handler: Any = request.upload_handlers[0]
    run: ImportRun | None = handler.run
    by_script = request.headers.get("Accept") == "application/json"
    if run is None:
        sentence = "請先選擇要上傳的檔案。"
        if by_script:
            return JsonResponse({"error": sentence}, status=400)
        messages.error(request, sentence)
        return redirect("hours:agency")
    user = request.user
    if run.state == State.RECEIVING:
        profile = kinds.named(posted.get("source") or run.source)
        if profile is None or not profile.may_start(user):
            raise PermissionDenied
        if posted.get("agency") and user.may(Right.ALL_AGENCIES):
            run.agency = get_object_or_404(Agency, code=fold_code(posted["agency"]))
        run.source, run.dry_run = profile.source, posted.get("mode") == "dry_run"
        run.save(update_fields=["agency", "dry_run", "source"])
        actions.accept(run, password=posted.get("password") or None)
    if by_script:
        window = reverse("hours:run_progress", args=[run.pk])
        return JsonResponse({"page": run.get_absolute_url(), "window": window})
    return redirect(run)
