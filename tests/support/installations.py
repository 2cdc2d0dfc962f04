"""One installation by processes: a home and a database of its own, on SQLite or PostgreSQL as the
suite runs.
"""

import os
import shutil
import signal
import subprocess
import sys
import uuid
from contextlib import contextmanager

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.test import override_settings

from ismp.accounts import demo_data
from ismp.storage.keyring import KeyRing
from tests.support import ROOT
from tests.support.hosts import PASSWORD, PATIENCE_SECONDS, is_open, wait_for


class Place:
    """A new one or, with `like`, one that begins with what is in that world."""

    def __init__(self, home, like=None, **environment):
        self.home, self._cluster = home, os.environ.get("ISMP_TEST_CLUSTER")
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "ismp.config.settings",
            "ISMP_HOME": str(home),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            **environment,
        }
        self.environment.pop("DATABASE_URL", None)
        self.database = str(home / "ismp.sqlite3")
        if self._cluster:
            self.database = f"place_{uuid.uuid4().hex}"
            where = f"postgres://ismp@/{self.database}?host={self._cluster}"
            self.environment["DATABASE_URL"] = where
        if like:
            home.mkdir(mode=0o700)
            shutil.copy(settings.KEYS.path, home)
            like.copy_to(self)
        elif self._cluster:
            self.create_database()

    def create_database(self, like="template1"):
        self._server(f"CREATE DATABASE {self.database} TEMPLATE {like}")

    def python(self, *arguments, background=False):
        command = [sys.executable, *map(str, arguments)]
        options = {"env": self.environment, "cwd": ROOT}
        if background:
            pipes = dict.fromkeys(("stdin", "stderr"), subprocess.PIPE)
            return subprocess.Popen(command, **options, **pipes)
        return subprocess.run(command, check=False, **options, capture_output=True, text=True)

    @contextmanager
    def serving(self, *command):
        """Its web server is up, at the port that the environment names; gives what it has said."""
        log, port = self.home / "serve.log", int(self.environment["ISMP_PORT"])
        with log.open("wb") as file:
            said = {"stdout": file, "stderr": file}
            server = subprocess.Popen(
                [sys.executable, "manage.py", *command], cwd=ROOT, env=self.environment, **said
            )
        try:
            wait_for(lambda: is_open(port) or server.poll() is not None)
            assert server.poll() is None, log.read_text("utf-8")
            yield log.read_text("utf-8")
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(PATIENCE_SECONDS)

    def script(self, text):
        """Run a script; return its output, and fail if it fails."""
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
        here.settings_dict["NAME"] = self.database
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
        roster.write_text(demo_data.roster_csv(people), "utf-8")
        done = self.python("manage.py", "import_roster", roster)
        assert done.returncode == 0, done.stderr

    def close(self):
        if self._cluster:
            self._server(f"DROP DATABASE {self.database} WITH (FORCE)")

    def _server(self, statement):
        where = f"host={self._cluster} user=ismp dbname=postgres"
        import psycopg

        with psycopg.connect(where, autocommit=True) as server:
            server.execute(statement)


LIST = "/manage/learning-map/agency-hours/"

CLERK = "IC1001"

APPOINT = f"""
import django; django.setup()
from django.contrib.auth.hashers import make_password
from ismp.accounts.models import Account
Account.objects.filter(username="{CLERK}").update(
    role="agency_admin", password=make_password("{PASSWORD}"))
"""
