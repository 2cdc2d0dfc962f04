"""Where a benchmark runs: a home of its own and, if so asked, a throw-away PostgreSQL in it."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

BINARIES = Path("/usr/lib/postgresql/15/bin")
_TUNING = "-c shared_buffers=512MB -c max_wal_size=4GB -c maintenance_work_mem=256MB"


@contextlib.contextmanager
def home(*, postgresql: bool, kept: Path | None = None) -> Iterator[Path]:
    """Set the environment for Django; everything is gone afterwards, unless it is to be `kept`."""
    folder = kept or Path(tempfile.mkdtemp(prefix="ismp-bench-", dir="/tmp"))
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    os.environ["ISMP_HOME"] = str(folder / "home")
    os.environ["DJANGO_SETTINGS_MODULE"] = "ismp.settings"
    os.environ.pop("DATABASE_URL", None)
    try:
        if postgresql:
            _start(folder)
            os.environ["DATABASE_URL"] = f"postgres://ismp@/postgres?host={folder}"
        yield folder
    finally:
        if postgresql:
            _as_postgres(f"{BINARIES}/pg_ctl -D {folder}/data -m fast stop")
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    if not (folder / "data").exists():
        _as_postgres(
            f"{BINARIES}/initdb -D {folder}/data -A trust -U ismp -E UTF8 --locale=C.UTF-8"
        )
    where = f"-c listen_addresses= -c unix_socket_directories={folder} {_TUNING}"
    _as_postgres(f'{BINARIES}/pg_ctl -D {folder}/data -w -l {folder}/log -o "{where}" start')


def _as_postgres(command: str) -> None:
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run(
        [*prefix, "sh", "-c", command], check=True, stdout=subprocess.DEVNULL, cwd="/tmp"
    )
