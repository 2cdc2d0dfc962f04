"""granian, whose web processes cannot outlive it: `python -m ismp.operations.web_server …`.

granian forks its web processes.  Until one of them has its own handlers it has those of its parent,
which swallow SIGTERM: stopped in that moment it would live on and hold the port.  So each takes the
signals' default actions right after the fork, and dies with its parent.
"""

import os
import signal
import sys

from ismp.operations.processes import die_with_parent


def _reset_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    die_with_parent(signal.SIGKILL, _PARENT)


_PARENT = os.getpid()

if __name__ == "__main__":
    from granian.cli import entrypoint

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_reset_signals)
    sys.exit(entrypoint())  # type: ignore[no-untyped-call]
