"""Logs never show a national ID, nor what a library puts into the words of an error."""

import json
import logging
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from django.conf import settings

from ismp.accounts import national_id
from ismp.ui.http import log_context

_FIELDS = ["reference", "run", "attempt", "rows"]
_FIELDS += ["method", "page", "status", "milliseconds", "account"]
"""What a line may carry beside its words; whatever else a library adds may hold personal data."""


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


class JsonFormatter(MaskingFormatter):
    """One JSON object a line, for programs that collect logs; times are UTC."""

    def format(self, record: logging.LogRecord) -> str:
        values = {**log_context.here(), **vars(record)}
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            "version": settings.VERSION,
            **{name: values[name] for name in _FIELDS if values.get(name) is not None},
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return national_id.hide(json.dumps(line, ensure_ascii=False))
