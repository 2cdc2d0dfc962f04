"""Logs never show a national ID, whatever a library puts into its message."""

import logging

from ismp.accounts import national_id


class MaskingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return national_id.hide(super().format(record))
