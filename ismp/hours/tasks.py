"""Slow work, thin: takes ids, calls one action."""

from django_tasks import task

from ismp.hours import importing


@task()
def import_run(run_id: int) -> None:
    importing.perform(run_id)
