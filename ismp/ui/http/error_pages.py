"""Error pages: what happened, what to do, and a code for the help desk; never a traceback."""

import errno
import logging
import sys
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

logger = logging.getLogger(__name__)


def page(request: HttpRequest, status: int, title: str, message: str, remedy: str) -> HttpResponse:
    """Render the error page with its own small context: it must work when nothing else does.

    A script that asks for JSON gets `{"error": sentence}`.
    """
    reference = getattr(request, "reference", "")
    if status >= 400:
        logger.warning("error page %s reference=%s", status, reference)
    if request.headers.get("Accept") == "application/json":
        words = {"error": f"{title}：{message}{remedy}"}
        return JsonResponse(words, status=status, json_dumps_params={"ensure_ascii": False})
    context = {"title": title, "message": message, "remedy": remedy, "reference": reference}
    return HttpResponse(render_to_string("ui/error.html", context), status=status)


def bad_request(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return page(
        request,
        400,
        "無法處理這個要求",
        "送來的資料不完整或格式不對。",
        "請回上一頁，重新操作一次。",
    )


def forbidden(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return page(
        request,
        403,
        "您沒有這一頁的權限",
        "這一頁只開放給特定的管理角色。",
        "需要使用時，請向平台管理者申請權限。",
    )


def not_found(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return page(
        request,
        404,
        "找不到這一頁",
        "網址可能打錯了，或者資料已經不在。",
        "請檢查網址，或回首頁重新進入。",
    )


def not_allowed(request: HttpRequest) -> HttpResponse:
    return page(
        request,
        405,
        "不能這樣開啟這一頁",
        "這個網址只接受按鈕送出的要求。",
        "請回上一頁，按畫面上的按鈕。",
    )


def server_error(request: HttpRequest) -> HttpResponse:
    error = sys.exc_info()[1]
    if error and is_disk_full(error):
        return _disk_full(request)
    if isinstance(error, OperationalError | InterfaceError):
        return _database_away(request)
    return page(
        request,
        500,
        "系統發生錯誤",
        "這是平台的問題，不是您的操作造成的；沒有完成的動作不會留下半套資料。",
        "請稍後再試；若持續發生，請報修並提供下方的參考代碼。",
    )


def is_disk_full(error: BaseException) -> bool:
    """Whether there was no room for what was to be written, on our disk or the database's."""
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    said = str(error)
    return isinstance(error, DatabaseError) and (
        "disk is full" in said or "No space left on device" in said
    )


def is_deadlock(error: BaseException) -> bool:
    """Whether PostgreSQL ended a transaction because two waited for each other (40P01)."""
    return getattr(error.__cause__, "sqlstate", "") == "40P01"


def _disk_full(request: HttpRequest) -> HttpResponse:
    logger.error("the disk is full")
    response = page(
        request,
        503,
        "伺服器的磁碟空間已滿",
        "這次的動作沒有完成，也沒有留下半套資料；先前的資料都在。",
        "請通知平台管理者清出磁碟空間，再操作一次；報修時請提供下方的參考代碼。",
    )
    response["Retry-After"] = "300"
    return response


def _database_away(request: HttpRequest) -> HttpResponse:
    response = page(
        request,
        503,
        "系統暫時忙碌",
        "資料庫正在重新啟動或暫時連不上；沒有完成的動作不會留下半套資料。",
        "請等幾秒，重新整理這一頁再操作一次；若持續發生，請報修並提供下方的參考代碼。",
    )
    response["Retry-After"] = "5"
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return page(
        request,
        403,
        "這一頁已經過期",
        "為了防止冒名送出，頁面放太久或重新登入後，原來的表單就不能再用。",
        "請回上一頁、重新整理，再操作一次。",
    )
