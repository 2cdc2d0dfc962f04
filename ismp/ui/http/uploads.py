"""Which addresses take files: those that say so, from people who may use them, up to their limit.

Everywhere else a body is small and no file in it is written anywhere.  Django by itself would spool
the files of any POST to the disk, before it has checked the token or who is asking.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler, SkipFile, load_handler
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from ismp.ui.http import error_pages

View = TypeVar("View", bound=Callable[..., HttpResponseBase])

FORM_MAX_BYTES = 4 * 1024 * 1024
"""Of a body without files; also what comes around the file in one that has some."""
SPOOLING_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]


class RefusingUploadHandler(FileUploadHandler):
    """Lets every file pass by unread."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Is not called: the file was skipped."""

    def file_complete(self, file_size: int) -> None:
        """Is not called: the file was skipped."""


def takes_files(setting: str) -> Callable[[View], View]:
    """Let a view take files of up to the setting's number of bytes."""

    def decorate(view: View) -> View:
        view.takes_files = setting  # type: ignore[attr-defined]
        return view

    return decorate


def takes_files_by_itself(view: View) -> View:
    """Leave limits and handlers to a view that reads its body itself (`csrf_exempt`)."""
    return takes_files("")(view)


class BodyLimitMiddleware:
    """Bound the body and choose the handlers before anything reads it, the CSRF check included."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        setting = getattr(view, "takes_files", None)
        if request.method in {"GET", "HEAD"} or setting == "":
            return None
        most = FORM_MAX_BYTES
        if setting and _may(request, view):
            most += getattr(settings, setting)
            request.upload_handlers = [load_handler(name, request) for name in SPOOLING_HANDLERS]
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not (length.isascii() and length.isdecimal()) or int(length[:18]) > most:
            return _too_large(request, most)
        return None


def _may(request: HttpRequest, view: Callable[..., Any]) -> bool:
    user = request.user
    right = getattr(view, "needs", None)
    return user.is_authenticated and (right is None or user.may(right))


def _too_large(request: HttpRequest, most: int) -> HttpResponse:
    sentence = f"這一頁最多收 {most // 1024 // 1024} MB，沒有收下任何資料。"
    return error_pages.page(
        request, 413, "送來的資料太大", sentence, "請縮小檔案或內容，再送出一次。"
    )
