"""The console script `ismp`: Django's management commands by their short name."""

import ctypes
import os
import sys
from importlib.metadata import version

from ismp.errors import SettingRefused

_M_ARENA_MAX = -8
"""Of glibc's mallopt(3)."""


def main() -> None:
    os.umask(0o077)  # whatever we write holds personal data
    one_heap()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ismp.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 (needs the line above)

    try:
        if sys.argv[1:] in (["--version"], ["version"]):
            sys.stdout.write(f"ISMP {version('ismp')}（Django {version('django')}）\n")
            return
        execute_from_command_line(sys.argv)
    except SettingRefused as reason:
        sys.exit(str(reason))


def one_heap() -> None:
    """Keep all threads on one heap that gives back what it has freed: 100 MB at a million rows.

    Of the two allocators, polars' own reads its settings when it is loaded; what we start inherits
    the others.  It waits ten seconds, so that an import uses the same pages again and a worker
    at rest holds none (docs/adr/0005).
    """
    os.environ.setdefault("_RJEM_MALLOC_CONF", "narenas:1,dirty_decay_ms:10000,muzzy_decay_ms:0")
    os.environ.setdefault("MALLOC_ARENA_MAX", "1")
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_M_ARENA_MAX, 1)
