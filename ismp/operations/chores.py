"""Periodic work of the worker beside its tasks: a table of chores, each isolated.

A chore that fails is logged with its name and tried again after a minute; the others go on.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connections

from ismp.accounts.actions import password_resets, person_links
from ismp.accounts.actions.postings import apply_due
from ismp.applications.actions import asking as requests
from ismp.compliance.dashboards import cached
from ismp.courses.classroom.actions import classes
from ismp.external_hours import actions as external
from ismp.hours.records import unclaimed
from ismp.imports import actions as import_actions
from ismp.notifications.actions import send_digests, send_letters
from ismp.operations.backup.encrypted_models import ENCRYPTED_MODELS
from ismp.operations.monitoring import anchors
from ismp.security import reminders
from ismp.security.advisories.actions import uploaded_files
from ismp.storage import encrypted_files
from ismp.ui.http import once

logger = logging.getLogger(__name__)
_ROUND_SECONDS = 5
_MINUTE, _HOUR = 60, 3600
_LEFT_OVER_SECONDS = 24 * _HOUR


@dataclass
class Chore:
    """Something to be done every so many seconds (0: each round), and when it is due next
    (`time.monotonic`)."""

    name: str
    run: Callable[[], Any]
    every: float
    due: float = 0.0


def all_chores() -> list[Chore]:
    """Return the chores in the order in which a round does those that are due."""
    return [
        Chore("recover interrupted imports", import_actions.recover, every=0),
        Chore("attach waiting hours", unclaimed.attach_due, _MINUTE),
        Chore("free places", classes.free_places, _MINUTE),
        Chore("keep boards fresh", cached.keep_fresh, _MINUTE),
        Chore("read interrupted intelligence", uploaded_files.recover, _MINUTE),
        Chore("remind of deadlines", reminders.remind, _MINUTE),
        Chore("send anchors", anchors.send, _MINUTE),
        Chore("send letters", send_letters, _MINUTE),
        Chore("apply dated entries", apply_due, _HOUR),
        Chore("ask about persons", person_links.ask_missing, _HOUR),
        Chore("remind of classes", classes.remind, _HOUR),
        Chore("send digests", send_digests, _HOUR),
        Chore("purge imports", import_actions.purge, _HOUR),
        Chore("purge waiting hours", unclaimed.purge, _HOUR),
        Chore("purge intelligence files", uploaded_files.purge, _HOUR),
        Chore("expire applications", requests.expire, _HOUR),
        Chore("expire resets", password_resets.expire, _HOUR),
        Chore("purge applications", requests.purge, _HOUR),
        Chore("purge claims", external.purge, _HOUR),
        Chore("purge sent forms", once.purge, _HOUR),
        Chore("sweep objects", lambda: encrypted_files.sweep(ENCRYPTED_MODELS), _HOUR),
        Chore("clear sessions", lambda: call_command("clearsessions", verbosity=0), _HOUR),
        Chore("prune task results", _prune_task_results, _HOUR),
        Chore("sweep temporary files", sweep_temporary_files, _HOUR),
    ]


def run_due(chores: Iterable[Chore]) -> None:
    """Run what is due; a chore that raises is logged and due again in a minute at the latest."""
    for chore in chores:
        if time.monotonic() < chore.due:
            continue
        wait = chore.every
        try:
            chore.run()
        except Exception as error:  # the database or the storage is away
            logger.warning("chore failed: %s: %s", chore.name, type(error).__name__)
            wait = min(chore.every, _MINUTE)
            connections.close_all()
        chore.due = time.monotonic() + wait


def run_for_ever() -> None:
    """Run the chores until the process ends."""
    chores = all_chores()
    while True:
        run_due(chores)
        connections.close_all()
        time.sleep(_ROUND_SECONDS)


def sweep_temporary_files() -> None:
    """Remove temporary files that a killed process left, a day after it wrote them last."""
    before = time.time() - _LEFT_OVER_SECONDS
    for path in settings.TEMPORARY.iterdir():
        if path.is_file() and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)


def _prune_task_results() -> None:
    call_command("prune_db_task_results", verbosity=0, min_age_days=1)
