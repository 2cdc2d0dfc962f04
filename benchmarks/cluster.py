"""A throw-away PostgreSQL cluster for benchmarks, tuned as docs/operations.md says, fsync on."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

BINARIES = Path("/usr/lib/postgresql/15/bin")


@contextmanager
def running(home: Path) -> Iterator[str]:
    """Its address for `DATABASE_URL`; all of it lies in `home`."""
    home.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(home, "postgres", "postgres")
    _run(f"{BINARIES}/initdb -D {home}/data -A trust -U ismp -E UTF8 --locale=C.UTF-8")
    tuning = "-c shared_buffers=512MB -c max_wal_size=4GB -c maintenance_work_mem=256MB"
    where = f"-c listen_addresses= -c unix_socket_directories={home} {tuning}"
    _run(f'{BINARIES}/pg_ctl -D {home}/data -w -l {home}/log -o "{where}" start')
    try:
        yield f"postgres://ismp@/postgres?host={home}"
    finally:
        _run(f"{BINARIES}/pg_ctl -D {home}/data -m immediate stop")


def processor_seconds(home: Path) -> float:
    """What the server and all it has started have used so far."""
    return tree_seconds(int((home / "data/postmaster.pid").read_text().split()[0]))


def tree_seconds(pid: int) -> float:
    """What a process and its children, those that have ended too, have used of the processor."""
    root = psutil.Process(pid)
    times = [process.cpu_times() for process in [root, *root.children(recursive=True)]]
    return sum(t.user + t.system + t.children_user + t.children_system for t in times)


def _run(command: str) -> None:
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run(
        [*prefix, "sh", "-c", command], check=True, stdout=subprocess.DEVNULL, cwd="/tmp"
    )
