"""`ismp serve`: the production web server and the background worker, in one command."""

import os
import socket
import sys
import tempfile
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from ismp.operations.processes import ProcessGroup
from ismp.ui.commands import DatabaseCommand


class Command(DatabaseCommand):
    waits = True
    help = "啟動網站與背景工作；按 Ctrl-C 結束。"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-worker", action="store_true", help="只啟動網站")

    def handle(self, *args: Any, **options: Any) -> None:
        group = ProcessGroup(stop_seconds=settings.STOP_SECONDS)
        _refuse_a_port_in_use()
        call_command("collectstatic", interactive=False, verbosity=0)
        web = [sys.executable, "-m", "ismp.operations.web_server", "--interface", "wsgi", "--no-ws"]
        web += ["--host", settings.ISMP_HOST, "--port", str(settings.ISMP_PORT)]
        web += ["--workers", str(settings.WEB_PROCESSES)]
        web += ["--respawn-failed-workers", "--respawn-interval", "0.5"]
        web += ["--blocking-threads", str(settings.WEB_THREADS), "--log-level", "error"]
        web.append("ismp.config.wsgi:application")
        commands = [web]
        if not options["no_worker"]:
            commands.append([sys.executable, "-m", "django", "worker"])
        self.stdout.write(f"網站：http://{settings.ISMP_HOST}:{settings.ISMP_PORT}/")
        self.stdout.flush()
        with tempfile.TemporaryDirectory(prefix="ismp-metrics-", dir=_memory()) as shared:
            # Where the web server's processes add up what each of them has counted.
            environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": shared}
            stopped = group.run(commands, environment)
        if not stopped:
            raise CommandError("網站或背景工作意外結束，已全部停止；原因請看上面的訊息。")


def _memory() -> str | None:
    """A folder in memory, if there is one: the files are mapped, and a write to a mapped file for
    which a full disk has no room kills the process (SIGBUS)."""
    shared = "/dev/shm"  # noqa: S108 (the folder inside has a name of its own, for its owner only)
    return shared if os.access(shared, os.W_OK) else None


def _refuse_a_port_in_use() -> None:
    """Two servers could share the port (SO_REUSEPORT), and each would get half of the visitors."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.ISMP_HOST, settings.ISMP_PORT))
        except OSError as error:
            raise CommandError(
                f"埠號 {settings.ISMP_PORT} 已被其他程式使用（{error.strerror}）；"
                "請先停止那個程式，或以 ISMP_PORT 指定別的埠號。"
            ) from error
