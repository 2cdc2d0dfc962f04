"""Logs never show a national ID, nor what a library puts into the words of an error."""

import logging
import traceback
from types import TracebackType
from typing import Any

from ismp.accounts import national_id


class MaskingFormatter(logging.Formatter):
    """An error is told by its type and where it happened; its message may hold personal data."""

    def format(self, record: logging.LogRecord) -> str:
        record.exc_text = None  # another handler may have kept its own version
        return national_id.hide(super().format(record))

    def formatException(  # noqa: N802 (logging's name)
        self, ei: tuple[type[BaseException] | None, Any, TracebackType | None]
    ) -> str:
        kind, _, where = ei
        return "".join(traceback.format_tb(where)) + (kind.__name__ if kind else "")
