"""One installation by processes: a home and a database of its own, on SQLite or PostgreSQL as the
suite runs.
"""

import os
import shutil
import subprocess
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.test import override_settings

from ismp.accounts import invented
from ismp.keyring import KeyRing

ROOT = Path(__file__).parent.parent


class Place:
    """A new one or, with `like`, a copy of one that nobody is at work in."""

    def __init__(self, home, like=None, **environment):
        self.home, self._name = home, f"place_{uuid.uuid4().hex}"
        self._cluster = os.environ.get("ISMP_TEST_CLUSTER")
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "ismp.settings",
            "ISMP_HOME": str(home),
            "PYTHONPATH": str(ROOT),
            **environment,
        }
        self.environment.pop("DATABASE_URL", None)
        if like:
            shutil.copytree(like.home, home)
        if self._cluster:
            of = f" TEMPLATE {like._name}" if like else ""
            self._server(f"CREATE DATABASE {self._name}{of}")
            self.environment["DATABASE_URL"] = f"postgres://ismp@/{self._name}?host={self._cluster}"

    def python(self, *arguments, background=False):
        command = [sys.executable, *map(str, arguments)]
        options = {"env": self.environment, "cwd": ROOT}
        if background:
            pipes = dict.fromkeys(("stdin", "stderr"), subprocess.PIPE)
            return subprocess.Popen(command, **options, **pipes)
        return subprocess.run(command, check=False, **options, capture_output=True, text=True)

    def script(self, text):
        """What a script prints; it must end well."""
        done = self.python("-c", text)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextmanager
    def entered(self):
        """Prepare and look in this process, for each of its own takes a second to start.

        What is to die, to wait or to come after a death is a process of its own (`python`).
        """
        tests_own = connections[DEFAULT_DB_ALIAS]
        here = tests_own.copy()
        here.settings_dict["NAME"] = (
            self._name if self._cluster else str(self.home / "ismp.sqlite3")
        )
        connections[DEFAULT_DB_ALIAS] = here
        try:
            with override_settings(ISMP_HOME=self.home, KEYS=KeyRing.open(self.home)):
                yield
        finally:
            here.close()
            connections[DEFAULT_DB_ALIAS] = tests_own

    def bring(self, people):
        """Import a roster of invented people."""
        roster = self.home.parent / "roster.csv"
        roster.write_text(invented.roster_csv(people), "utf-8")
        done = self.python("manage.py", "import_roster", roster)
        assert done.returncode == 0, done.stderr

    def close(self):
        if self._cluster:
            self._server(f"DROP DATABASE {self._name} WITH (FORCE)")

    def _server(self, statement):
        where = f"host={self._cluster} user=ismp dbname=postgres"
        with psycopg.connect(where, autocommit=True) as server:
            server.execute(statement)
