"""The heartbeat of a running import: it prolongs the lease and reports how far the work is.

A thread of its own with a connection of its own, because the work holds one transaction open
from its first write to its last, and nobody sees into that.  On SQLite, which has one writer, the
progress goes through the file cache instead.
"""

import contextlib
import threading
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection, connections
from django.utils import timezone

from ismp.imports.models import ImportRun, State

_REPORT_SECONDS = 0.5
_CACHE_SECONDS = 3600

STEPS = ("received", "parsed", "checked", "matched", "stored", "reported")
"""The steps of an import, in order; the crash tests stop a worker at each."""


class Heartbeat:
    def __init__(self, run: ImportRun, attempt: int) -> None:
        self.run_id, self.attempt = run.pk, attempt
        self._reported: dict[str, Any] = {}
        self._progress: dict[str, Any] = {"step": "received", "done": 0, "total": 0}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat-{run.pk}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def reached(self, step: str, done: int = 0, total: int = 0) -> None:
        """Say where the work is: a step of STEPS, and how many rows of how many."""
        self._progress = {"step": step, "done": done, "total": total}

    def _beat(self) -> None:
        extend_every = settings.IMPORT_LEASE_SECONDS / 3
        waited = 0.0
        try:
            while not self._stop.wait(_REPORT_SECONDS):
                self._report()
                waited += _REPORT_SECONDS
                if waited >= extend_every:
                    waited = 0.0
                    self._extend()
        finally:
            connections.close_all()

    def _report(self) -> None:
        if self._progress == self._reported:
            return
        with contextlib.suppress(DatabaseError):  # the lease matters more than the bar
            if connection.vendor == "sqlite":
                cache.set(_key(self.run_id), self._progress, _CACHE_SECONDS)
            else:
                runs = ImportRun.objects.filter(pk=self.run_id, attempt=self.attempt)
                runs.update(progress=self._progress)
            self._reported = self._progress

    def _extend(self) -> None:
        try:
            ImportRun.objects.filter(
                pk=self.run_id, state=State.RUNNING, attempt=self.attempt
            ).update(lease_until=lease())
        except DatabaseError:
            return  # SQLite has one writer, and it may be our own work: then no one can take over


def lease(times: int = 1) -> Any:
    return timezone.now() + timedelta(seconds=settings.IMPORT_LEASE_SECONDS * times)


def progress(run_id: int) -> dict[str, Any]:
    """The last report: {"step", "done", "total"}; the first step when nothing was."""
    if connection.vendor == "sqlite":
        reported = cache.get(_key(run_id))
    else:
        reported = ImportRun.objects.values_list("progress", flat=True).get(pk=run_id)
    return reported or {"step": "received", "done": 0, "total": 0}


def _key(run_id: int) -> str:
    return f"run-progress-{run_id}"
