"""The whole import beside the plain load of the same, already clean rows, and beside its peers.

    python benchmarks/import.py                          SQLite, 100,000 rows, 5 rounds
    python benchmarks/import.py --postgresql --rows 1000000 --rounds 3
    python benchmarks/import.py --peers                  with django-import-export and bulk_create

Sides take turns within a round, so that noise of the machine meets all of them; medians and their
ratios are printed, and never asserted.  PostgreSQL runs in a throw-away cluster with fsync on.
"""

import argparse
import gc
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import cluster  # noqa: E402
import psutil  # noqa: E402

from ismp.config.cli import one_heap  # noqa: E402

AGENCIES = 60
_LOOK_SECONDS = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--filled", type=int, default=0, help="records that stand there before")
    parser.add_argument("--peers", action="store_true")
    options = parser.parse_args()
    one_heap()  # as every command
    with cluster.home(postgresql=options.postgresql):
        measure(options)


def measure(options: argparse.Namespace) -> None:
    import django

    django.setup()
    from sides import World

    world = World(rows=options.rows, agencies=AGENCIES, filled=options.filled)
    sides: dict[str, Callable[[], None]] = {
        "limit: plain load of clean rows": world.load_clean_rows,
        "the whole import": world.import_new,
        "the same bytes again": world.import_again,
        "the same rows again, other bytes": world.import_again_read,
    }
    if options.peers:
        sides["bulk_create, maps in memory"] = world.bulk_create
        sides["django-import-export, new rows"] = world.import_export_new
        sides["django-import-export, upsert"] = world.import_export_upsert
        sides["django-import-export, the whole job"] = world.import_export_whole
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(options.rounds):
        for name, side in sides.items():
            if number and name.startswith("django"):
                continue  # minutes each: once is enough for a factor of thirty
            world.prepare(name)
            gc.collect()
            begun = time.perf_counter()
            side()
            times[name].append(time.perf_counter() - begun)
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    report(options, {name: statistics.median(taken) for name, taken in times.items()})
    memory(world)


def report(options: argparse.Namespace, medians: dict[str, float]) -> None:
    database = "PostgreSQL" if options.postgresql else "SQLite"
    filled = f" into {options.filled:,}" if options.filled else ""
    print(f"{database}, {options.rows:,} rows{filled}, medians of {options.rounds} rounds")
    limit, whole = list(medians.values())[:2]
    for name, median in medians.items():
        print(
            f"  {name:<38}{median:8.2f} s   {median / limit:6.2f} × limit"
            f"   {median / whole:6.2f} × the import"
        )


def memory(world: Any) -> None:
    """The most memory that the command takes for each import, report included."""
    world.prepare("memory")
    for name, data in {
        "the whole import": world.data,
        "the same bytes again": world.data,
        "the same rows again, other bytes": world.data + b"\r\n",
    }.items():
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            file.write(data)
            file.flush()
            command = [sys.executable, str(HERE.parent / "manage.py"), "import_hours", file.name]
            print(f"  {name:<38}{peak([*command, '--agency', world.agency.code]):8} MB at most")


def peak(command: list[str]) -> int:
    """Megabytes that a process had in memory when it had most."""
    most = 0
    with psutil.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            most = max(most, process.memory_info().rss)
            time.sleep(_LOOK_SECONDS)
    assert process.returncode == 0, command
    return most // 2**20


if __name__ == "__main__":
    main()
