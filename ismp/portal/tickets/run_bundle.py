"""Support bundle of an import run, without anything about the people in it.

Codes, counts, hashes, versions, times.  No national ID, no name, no cell of the file; so neither
the file's name nor the columns that were ignored, which somebody typed.
"""

import platform
from importlib import metadata
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Max, Min
from django.utils import timezone

from ismp.accounts import national_id
from ismp.imports import report
from ismp.imports.models import ImportRun, RunFile

_TIMES = ("created_at", "received_at", "finished_at", "lease_until", "undone_at")
_COUNTS = ("total", "created", "updated", "unchanged", "rejected")
_FACTS = ("state", "dry_run", "attempt", "size", "lines", "sha256", "undo_result")
_MOST_LINES = 100


def of_run(run: ImportRun) -> dict[str, Any]:
    """The support bundle of a run, ready to be written as JSON."""
    times = {name: getattr(run, name) for name in _TIMES}
    return {
        "made_at": timezone.now().isoformat(),
        "platform": _platform(),
        "run": run.pk,
        "agency": run.agency.code,
        **{name: getattr(run, name) for name in _FACTS},
        "sentence": national_id.hide(run.reason),
        "times": {name: at and at.isoformat() for name, at in times.items()},
        "counts": {name: getattr(run, name) for name in _COUNTS},
        "reasons": run.reasons,
        "lines": _lines(run),
        "other_names": run.notes.get("names", 0),
        "ignored_columns": len(run.notes.get("ignored", [])),
        "kept": list(_kept(run)),
    }


def _platform() -> dict[str, str]:
    version = ".".join(map(str, connection.get_database_version()))
    return {
        "ismp": metadata.version("ismp"),
        "django": metadata.version("django"),
        "polars": metadata.version("polars"),
        "python": platform.python_version(),
        "database": f"{connection.vendor} {version}",
        "upload_max_bytes": str(settings.UPLOAD_MAX_BYTES),
    }


def _lines(run: ImportRun) -> dict[str, list[int]]:
    """For each code the first lines of the file that it met."""
    lines: dict[str, list[int]] = {code: [] for code in run.reasons}
    for fault in report.rejections(run):
        met = lines.setdefault(fault["code"], [])
        if len(met) < _MOST_LINES:
            met.append(fault["line"])
    return lines


def _kept(run: ImportRun) -> Any:
    """How many pieces of each kind are kept, encrypted with which keys."""
    pieces = RunFile.objects.filter(run=run).order_by("kind").values("kind")
    return pieces.annotate(
        pieces=Count("pk"), oldest_key=Min("key_version"), newest_key=Max("key_version")
    )
