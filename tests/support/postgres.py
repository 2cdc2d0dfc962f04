"""Throw-away PostgreSQL clusters of Debian's binaries, for the tests."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

_BINARIES = Path("/usr/lib/postgresql/15/bin")


class Cluster:
    """A running cluster on a socket in a folder of its own; with `primary`, a replica of that."""

    def __init__(self, primary: "Cluster | None" = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ismp-pg-", dir="/tmp"))
        self.folder.chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        if primary:
            _run(
                f"pg_basebackup -R -X stream -c fast -D {self.folder}/data"
                f" -d 'host={primary.folder} user=ismp'"
            )
        else:
            _run(f"initdb -D {self.folder}/data -A trust -U ismp -E UTF8 --locale=C.UTF-8")
        self.start()

    def url(self, database: str = "postgres") -> str:
        return f"postgres://ismp@/{database}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple]:
        with psycopg.connect(
            f"host={self.folder} user=ismp dbname={database}", autocommit=True
        ) as server:
            cursor = server.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        options = f"-c listen_addresses= -c fsync=off -c unix_socket_directories={self.folder}"
        _run(f'pg_ctl -D {self.folder}/data -w -l {self.folder}/log -o "{options}" start')

    def stop(self, mode: str = "immediate") -> None:
        _run(f"pg_ctl -D {self.folder}/data -w -m {mode} stop")

    def remove(self) -> None:
        if Path(self.folder, "data/postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _run(command: str) -> None:
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run(
        [*prefix, "sh", "-c", f"{_BINARIES}/{command}"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/tmp",
    )
