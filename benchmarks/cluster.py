"""Where a benchmark runs: a home of its own and, if so asked, a throw-away PostgreSQL in it, tuned
as docs/operations.md says, fsync on."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from ismp.config.home import prepare

BINARIES = Path("/usr/lib/postgresql/15/bin")
_TUNING = "-c shared_buffers=512MB -c max_wal_size=4GB -c maintenance_work_mem=256MB"


@contextlib.contextmanager
def home(*, postgresql: bool, kept: Path | None = None) -> Iterator[Path]:
    """Set the environment for Django; everything is gone afterwards, unless it is to be `kept`."""
    folder = kept or Path(tempfile.mkdtemp(prefix="ismp-bench-", dir="/tmp"))
    folder.mkdir(exist_ok=True)
    prepare(folder / "home")
    os.environ["ISMP_HOME"] = str(folder / "home")
    os.environ["DJANGO_SETTINGS_MODULE"] = "ismp.config.settings"
    os.environ.pop("DATABASE_URL", None)
    try:
        with contextlib.ExitStack() as stack:
            if postgresql:
                os.environ["DATABASE_URL"] = stack.enter_context(running(folder))
            yield folder
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """The cluster's address for `DATABASE_URL`; all of it lies in `folder`."""
    folder.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    if not (folder / "data").exists():
        _as_postgres(
            f"{BINARIES}/initdb -D {folder}/data -A trust -U ismp -E UTF8 --locale=C.UTF-8"
        )
    where = f"-c listen_addresses= -c unix_socket_directories={folder} {_TUNING}"
    _as_postgres(f'{BINARIES}/pg_ctl -D {folder}/data -w -l {folder}/log -o "{where}" start')
    try:
        yield f"postgres://ismp@/postgres?host={folder}"
    finally:
        _as_postgres(f"{BINARIES}/pg_ctl -D {folder}/data -m fast stop")


def processor_seconds(folder: Path) -> float:
    """Processor seconds of the server and its children so far."""
    return tree_seconds(int((folder / "data/postmaster.pid").read_text().split()[0]))


def tree_seconds(pid: int) -> float:
    """Processor seconds of a process and its children, ended ones included."""
    root = psutil.Process(pid)
    times = [process.cpu_times() for process in [root, *root.children(recursive=True)]]
    return sum(t.user + t.system + t.children_user + t.children_system for t in times)


def _as_postgres(command: str) -> None:
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run(
        [*prefix, "sh", "-c", command], check=True, stdout=subprocess.DEVNULL, cwd="/tmp"
    )
