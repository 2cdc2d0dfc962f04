"""`ismp serve`: the production web server and the background worker, in one command."""

import os
import signal
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command

from ismp.ui.commands import DatabaseCommand

_PATIENCE_SECONDS = 10


class Command(DatabaseCommand):
    waits = True
    help = "啟動網站與背景工作；按 Ctrl-C 結束。"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-worker", action="store_true", help="只啟動網站")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("collectstatic", interactive=False, verbosity=0)
        web = [sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws"]
        web += ["--host", settings.ISMP_HOST, "--port", str(settings.ISMP_PORT)]
        web += ["--workers", str(settings.WEB_PROCESSES)]
        web += ["--blocking-threads", str(settings.WEB_THREADS), "--log-level", "error"]
        web.append("ismp.wsgi:application")
        commands = [web]
        if not options["no_worker"]:
            commands.append([sys.executable, "-m", "django", "worker"])
        self.stdout.write(f"網站：http://{settings.ISMP_HOST}:{settings.ISMP_PORT}/")
        self.stdout.flush()
        with tempfile.TemporaryDirectory(prefix="ismp-metrics-") as shared:
            # Where the web server's processes add up what each of them has counted.
            self._supervise(commands, {**os.environ, "PROMETHEUS_MULTIPROC_DIR": shared})

    def _supervise(self, commands: list[list[str]], environment: dict[str, str]) -> None:
        """Run all until one ends or we are told to stop; then end all."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # systemd stops us like Ctrl-C
        processes = [subprocess.Popen(command, env=environment) for command in commands]
        try:
            while all(process.poll() is None for process in processes):
                try:
                    processes[0].wait(1)
                except subprocess.TimeoutExpired:
                    continue
        except KeyboardInterrupt:
            pass
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                try:
                    process.wait(_PATIENCE_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
