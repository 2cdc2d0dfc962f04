"""The console script `ismp`: Django's management commands by their short name."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ismp.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 (needs the line above)

    execute_from_command_line(sys.argv)
