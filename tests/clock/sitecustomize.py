"""On the path of `run.py test --clock DAY` alone: lets Python sleep under libfaketime.

libfaketime 0.9.10 with FAKETIME_DONT_FAKE_MONOTONIC answers EINVAL to the clock_nanosleep(2) that
`time.sleep` asks for; without that setting, waiting on a lock never ends.  select(2) is left alone.
"""

import select
import time


def _sleep(seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        select.select([], [], [], left)


time.sleep = _sleep
