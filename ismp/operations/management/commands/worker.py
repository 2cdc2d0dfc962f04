"""`ismp worker`: does the background work, and puts interrupted work back on its way."""

import logging
import threading
import time
from typing import Any

from django.core.management import call_command
from django.db import Error, connections

from ismp.operations import chores
from ismp.ui.commands import DatabaseCommand

logger = logging.getLogger(__name__)
_RETRY_SECONDS = 1


class Command(DatabaseCommand):
    waits = True
    help = "執行背景工作（匯入），並接手中斷的工作。"

    def handle(self, *args: Any, **options: Any) -> None:
        threading.Thread(target=chores.run_for_ever, name="chores", daemon=True).start()
        while True:
            try:
                call_command("db_worker", verbosity=0)
                return
            except Error as error:  # the database restarts: what was under way is put right later
                logger.warning("worker waits: %s", type(error).__name__)
                connections.close_all()
                time.sleep(_RETRY_SECONDS)
