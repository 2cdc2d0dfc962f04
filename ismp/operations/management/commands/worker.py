"""`ismp worker`: does the background work, and puts interrupted work back on its way."""

import logging
import math
import threading
import time
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import Error, connections

from ismp import objects
from ismp.accounts import persons, resets
from ismp.accounts.actions import apply_due
from ismp.compliance import boards
from ismp.courses import classes
from ismp.external import actions as external
from ismp.hours import actions, claiming
from ismp.notices.actions import send_digests, send_letters
from ismp.operations import anchors
from ismp.operations.pieces import SEALED
from ismp.requests import actions as requests
from ismp.security import deadlines
from ismp.ui.commands import DatabaseCommand

logger = logging.getLogger(__name__)
_RETRY_SECONDS = 1
_RECOVER_SECONDS = 5
_FRESH_SECONDS = 60
_PURGE_SECONDS = 3600
_LEFT_OVER_SECONDS = 24 * 3600


class Command(DatabaseCommand):
    waits = True
    help = "執行背景工作（匯入），並接手中斷的工作。"

    def handle(self, *args: Any, **options: Any) -> None:
        threading.Thread(target=_look_after, name="recover", daemon=True).start()
        while True:
            try:
                call_command("db_worker", verbosity=0)
                return
            except Error as error:  # the database restarts: what was under way is put right later
                logger.warning("worker waits: %s", type(error).__name__)
                connections.close_all()
                time.sleep(_RETRY_SECONDS)


def _sweep() -> None:
    """Remove temporary files that a killed process left."""
    before = time.time() - _LEFT_OVER_SECONDS
    for path in settings.TEMPORARY.iterdir():
        if path.is_file() and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)


def _look_after() -> None:
    freshened_at = purged_at = -math.inf
    while True:
        try:
            actions.recover()
            if time.monotonic() - freshened_at > _FRESH_SECONDS:
                claiming.attach_due()
                classes.free_places()
                boards.keep_fresh()
                deadlines.remind()
                anchors.send()
                send_letters()
                freshened_at = time.monotonic()
            if time.monotonic() - purged_at > _PURGE_SECONDS:
                apply_due()
                persons.ask_missing()
                classes.remind()
                send_digests()
                actions.purge()
                requests.expire()
                resets.expire()
                requests.purge()
                external.purge()
                objects.sweep(SEALED)
                call_command("clearsessions", verbosity=0)
                call_command("prune_db_task_results", verbosity=0, min_age_days=1)
                _sweep()
                purged_at = time.monotonic()
        except Exception as error:  # database or storage is away: the next round tries again
            logger.warning("recovery waits: %s", type(error).__name__)
        finally:
            connections.close_all()
        time.sleep(_RECOVER_SECONDS)
