"""The console script `ismp`: Django's management commands by their short name."""

import ctypes
import os
import sys
import tempfile
from importlib.metadata import version

from ismp.config import home
from ismp.errors import SettingRefused

_WITHOUT_HOME = {"check", "diffsettings", "help", "makemigrations"}
"""Commands that work on the program alone, and leave no folder of data behind."""
_M_ARENA_MAX = -8
"""Of glibc's mallopt(3)."""


def main() -> None:
    os.umask(0o077)  # whatever we write holds personal data
    one_heap()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ismp.config.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 (needs the line above)

    try:
        if sys.argv[1:] in (["--version"], ["version"]):
            sys.stdout.write(f"ISMP {version('ismp')}（Django {version('django')}）\n")
            return
        if _needs_home(sys.argv[1:]):
            _open_home()
        elif not {"ISMP_HOME", "ISMP_DEBUG"} & os.environ.keys():
            # makemigrations asks the database what has been applied to it: an empty one will do.
            with tempfile.TemporaryDirectory() as folder:
                os.environ["ISMP_HOME"] = folder
                execute_from_command_line(sys.argv)
            return
        execute_from_command_line(sys.argv)
    except SettingRefused as reason:
        sys.exit(str(reason))


def _needs_home(arguments: list[str]) -> bool:
    asks_for_help = not arguments or {"--help", "-h"} & set(arguments)
    return not asks_for_help and arguments[0] not in _WITHOUT_HOME


def _open_home() -> None:
    """Make the folder of data and the keys, or say at once why they cannot be used."""
    from django.conf import settings  # noqa: PLC0415 (reads the environment)

    home.prepare(settings.ISMP_HOME)
    _ = settings.KEYS.version


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
