"""Slow work, thin: takes ids, calls one action.

An agency takes turns: one task imports the first of its waiting files and hands the turn on, to
the end of the queue.  So fifty files of one agency stand in nobody's way, and no worker waits
for another.
"""

from django.db import transaction
from django_tasks import task
from django_tasks_db.models import DBTaskResult

from ismp.imports import running
from ismp.imports.models import ImportRun, State


@task()
def import_next(agency_id: int) -> None:
    """Take the agency's turn.  When a worker dies in it, `actions.recover` gives a new one."""
    running.perform_next(agency_id)
    if ImportRun.objects.filter(agency=agency_id, state=State.QUEUED).exists():
        enqueue_agency(agency_id)


@transaction.atomic
def enqueue_agency(agency_id: int) -> bool:
    """Enqueue a turn of the agency unless one is waiting already; return whether it was needed.

    Call it in the transaction that makes a file ready: the waiting turn stays locked until that
    ends, so no worker can use it up without seeing the file.
    """
    arguments = {"args": [agency_id], "kwargs": {}}
    waiting = DBTaskResult.objects.ready().filter(
        task_path=import_next.module_path, args_kwargs=arguments
    )
    if waiting.select_for_update().first():
        return False
    import_next.enqueue(agency_id)
    return True
