"""Run a worker on the queue of imports, or lose one."""

from datetime import timedelta
from unittest import mock

from django.utils import timezone
from django_tasks_db.management.commands import db_worker

from ismp.imports.models import ImportRun, State


def work():
    """One worker, until nothing is left to do."""
    worker = db_worker.Worker(
        queue_names=["default"],
        excluded_queue_names=[],
        backend_name="default",
        worker_id="test",
        interval=0,
        batch=True,
        startup_delay=False,
        max_tasks=None,
    )
    with mock.patch.object(db_worker, "close_old_connections"):  # ours holds the test's transaction
        worker.run()


def lose(run, *, seconds=1):
    """The worker at this run died so long after its lease."""
    past = timezone.now() - timedelta(seconds=seconds)
    ImportRun.objects.filter(pk=run.pk).update(state=State.RUNNING, attempt=1, lease_until=past)
