"""Child processes that end together with the process that started them, however it ends.

Three means, because each covers what the others cannot:

- each child leads a process group of its own, so that one signal reaches its children too;
- the kernel signals a child whose parent has died (`PR_SET_PDEATHSIG`, Linux), SIGKILL included;
- the stop signals set a flag and raise nothing, so that no child is lost between its start and
  the line that remembers it.

Knows nothing of Django.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

_PR_SET_PDEATHSIG = 1
"""Of Linux' prctl(2); cleared by fork, so each process asks for itself."""
_POLL_SECONDS = 0.5
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent(number: int, parent: int) -> None:
    """Receive signal `number` when the parent dies; end at once if it is dead already."""
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(1)


class ProcessGroup:
    """Run commands until one of them ends or the process is told to stop; then end all of them.

    It takes SIGTERM and SIGINT over when it is made.  Use it in the main thread, which receives
    them.
    """

    def __init__(self, *, stop_seconds: float) -> None:
        """`stop_seconds`: how long a command may finish what it has begun before it is killed."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._stop_seconds, self._stopping = stop_seconds, threading.Event()
        self._children: list[subprocess.Popen[bytes]] = []

    def run(self, commands: Sequence[Sequence[str]], environment: Mapping[str, str]) -> bool:
        """Return True when told to stop, False when a command ended by itself."""
        try:
            for command in commands:
                if not self._stopping.is_set():
                    self._start(command, environment)
            while not self._stopping.is_set() and self._all_run():
                self._stopping.wait(_POLL_SECONDS)
        finally:
            self._end()
        return self._stopping.is_set()

    def _stop(self, *_: Any) -> None:
        self._stopping.set()

    def _start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        options: dict[str, Any] = {}
        if os.name == "posix":
            # Killed, because nobody is left to wait: an interrupted import is taken over (ADR 7).
            prepare: Callable[[], None] = partial(die_with_parent, signal.SIGKILL, os.getpid())
            options = {"start_new_session": True, "preexec_fn": prepare}
        self._children.append(subprocess.Popen(command, env=environment, **options))

    def _all_run(self) -> bool:
        return all(child.poll() is None for child in self._children)

    def _end(self) -> None:
        for child in self._children:
            child.terminate()
        until = time.monotonic() + self._stop_seconds
        for child in self._children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, until - time.monotonic()))
        for child in self._children:
            _kill(child)
            child.wait()


def _kill(child: "subprocess.Popen[bytes]") -> None:
    """Kill a child and whatever it has left behind in its group."""
    if os.name != "posix":
        child.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
