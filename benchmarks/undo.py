"""Undoing an import, deleting and restoring as many records, in a database that was never analysed.

    python benchmarks/undo.py --postgresql                  200,000 rows, brought by 2 imports
    python benchmarks/undo.py --postgresql --imports 6      1,000,000 revisions
    python benchmarks/undo.py                                SQLite

Each import changes all rows of the one before.  Prints what the page and what the action takes,
with the goal beside it, and never asserts.  PostgreSQL runs in a throw-away cluster without
autovacuum.
"""

import argparse
import csv
import io
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import cluster  # noqa: E402

PAGE, ACTION = 3, 15
"""Goals in seconds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--imports", type=int, default=2)
    parser.add_argument("--statements", action="store_true", help="what each statement takes, too")
    options = parser.parse_args()
    with cluster.home(postgresql=options.postgresql):
        measure(options)


def measure(options: argparse.Namespace) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from ismp.accounts import demo_data
    from ismp.accounts.actions import postings as accounts
    from ismp.accounts.models import Account, Agency
    from ismp.hours.models import Record
    from ismp.hours.portal_export import ExportChoices, export
    from ismp.hours.records.actions import records
    from ismp.imports import actions as import_actions
    from ismp.ui.text import roc_dates

    call_command("migrate", verbosity=0)
    if options.postgresql:
        with connection.cursor() as cursor:
            cursor.execute("ALTER SYSTEM SET autovacuum = off")
            cursor.execute("SELECT pg_reload_conf()")
    people = demo_data.people(options.rows // 10, 1)
    accounts.import_roster(demo_data.roster_csv(people).encode(), by="benchmark")
    agency, by = Agency.objects.get(), Account.objects.earliest("pk")
    year = ExportChoices(
        roc_dates.parse("115-01-01"), roc_dates.parse("115-10-31"), encoding="utf-8"
    )
    head, *rows = csv.reader(io.StringIO(export(people, options.rows, year).decode("utf-8-sig")))
    score = head.index("訓練總成績")
    runs = []
    for number in range(options.imports):
        text = io.StringIO()
        scored = ([*row[:score], str(number + 1), *row[score + 1 :]] for row in rows)
        csv.writer(text).writerows([head, *scored])
        file = [text.getvalue().encode()]
        timed(
            f"import {number + 1}",
            lambda file=file: runs.append(
                import_actions.import_file(file, agency=agency, filename="a.csv")
            ),
        )
    live_records = Record.objects.filter(agency=agency, deletion=None)
    with Statements(connection, shown=options.statements):
        timed("undo of changes: page", lambda: print(records.undo_effects(runs[-1])), PAGE)
        timed("undo of changes: action", lambda: records.undo(runs[-1], by=by), ACTION)
        timed("deletion: page", lambda: print(records.delete_effects(live_records)), PAGE)
        deletions: list[Any] = []
        timed(
            "deletion: action",
            lambda: deletions.append(records.delete(live_records, reason="x", by=by)),
            ACTION,
        )
        timed("restoring: action", lambda: records.restore(deletions[0], by=by), ACTION)
        for run in reversed(runs[1:-1]):
            records.undo(run, by=by)
        timed("undo of what it brought: page", lambda: print(records.undo_effects(runs[0])), PAGE)
        timed("undo of what it brought: action", lambda: records.undo(runs[0], by=by), ACTION)


def timed(name: str, do: Callable[[], Any], goal: int = 0) -> None:
    begun, used = time.perf_counter(), time.process_time()
    do()
    taken, own = time.perf_counter() - begun, time.process_time() - used
    late = "" if not goal else f" (goal {goal}{' *' if taken > goal else ''})"
    print(
        f"{name:32}{taken:7.1f} s, of it in Python {own:5.1f}{late}; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


class Statements:
    """Prints every statement that takes longer than a tenth of a second."""

    def __init__(self, connection: Any, *, shown: bool) -> None:
        self._wrapped = connection.execute_wrapper(self._time) if shown else None

    def __enter__(self) -> None:
        if self._wrapped:
            self._wrapped.__enter__()

    def __exit__(self, *error: object) -> None:
        if self._wrapped:
            self._wrapped.__exit__(*error)

    @staticmethod
    def _time(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        begun = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            if (taken := time.perf_counter() - begun) > 0.1:
                words = " ".join(str(sql).split())
                print(f"    {taken:6.2f} s  {words[:90]} … {words[-90:]}")


if __name__ == "__main__":
    main()
