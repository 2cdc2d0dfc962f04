"""How much a table may hold that people send, by the settings."""

from django.conf import settings

from ismp.ui.reading.raw import Limits


def of_tables(max_rows: int | None = None) -> Limits:
    """Return the limits of any table; `max_rows` where its rows are held as Python objects."""
    rows = max_rows or settings.UPLOAD_MAX_ROWS
    return Limits(settings.UPLOAD_MAX_BYTES, rows, settings.UPLOAD_MAX_COLUMNS)
