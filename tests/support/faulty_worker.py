"""A worker that kills or stops itself when it reaches a step: `faulty_worker.py RUN STEP SIGNAL`.

A step of `heartbeat.STEPS`, or `unpacked`: the file of an archive is stored, the archive still there.

A real process on a real database; only where it dies is arranged.
"""

import os
import signal
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "ismp.config.settings"
import django

django.setup()

from ismp.imports import heartbeat, run_files, running  # noqa: E402

run_id, step, name = int(sys.argv[1]), sys.argv[2], sys.argv[3]
reached, discard = heartbeat.Heartbeat.reached, run_files.discard


def reached_and_hit(self, at, done=0, total=0):
    first = at != self._progress["step"]
    reached(self, at, done, total)
    if at == step and first:
        os.kill(os.getpid(), getattr(signal, name))


def discard_and_hit(run, kind):
    if step == "unpacked":
        os.kill(os.getpid(), getattr(signal, name))
    discard(run, kind)


heartbeat.Heartbeat.reached = reached_and_hit
run_files.discard = discard_and_hit
running.perform(run_id)
