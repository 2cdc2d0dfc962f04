"""A worker that kills or stops itself when it reaches a step: `faulty_worker.py RUN STEP SIGNAL`.

A real process on a real database; only where it dies is arranged.
"""

import os
import signal
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "ismp.config.settings"
import django

django.setup()

from ismp.imports import heartbeat, running  # noqa: E402

run_id, step, name = int(sys.argv[1]), sys.argv[2], sys.argv[3]
reached = heartbeat.Heartbeat.reached


def reached_and_hit(self, at, done=0, total=0):
    first = at != self._progress["step"]
    reached(self, at, done, total)
    if at == step and first:
        os.kill(os.getpid(), getattr(signal, name))


heartbeat.Heartbeat.reached = reached_and_hit
running.perform(run_id)
