"""How long boards take, kept and counted: `python benchmarks/boards.py --postgresql`.

Prints for one agency (the biggest) and for the city: reading what is kept, and counting anew after
an action; beside the whole time, what of it was waiting for the database and what our own work.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import cluster


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--people", type=int, default=60_000)
    parser.add_argument("--agencies", type=int, default=500)
    parser.add_argument("--kept", type=Path, help="a folder to keep the filled database in")
    parser.add_argument("--rows", type=int, default=1_200_000, help="of ten years")
    options = parser.parse_args()
    filled_before = options.kept is not None and options.kept.exists()
    with cluster.home(postgresql=options.postgresql, kept=options.kept):
        import django

        django.setup()
        import filled

        filled.AGENCIES = options.agencies
        if not filled_before:
            filled.fill(options.rows, options.people)
        measure(filled.BIGGEST)


def measure(biggest: str) -> None:
    from django.utils import timezone

    from ismp.accounts.models import Agency, Posting
    from ismp.compliance.dashboards import cached
    from ismp.compliance.dashboards import views as dashboard_views
    from ismp.compliance.models import Board

    today = timezone.localdate()
    everywhere = list(Agency.objects.all())
    one = [agency for agency in everywhere if agency.code == biggest]
    year = [*dashboard_views.year_of(today), today]
    people = Posting.objects.on(today).filter(status="active")
    print(f"{people.count():,} people in {len(everywhere)} agencies", end="; ")
    print(f"{people.filter(agency__in=one).count():,} in the biggest")

    def forgotten(agencies: list[Agency], days: list[Any]) -> Callable[[], object]:
        def count() -> None:
            Board.objects.filter(agency__in=agencies, on__in=days).delete()
            cached.board_counts(agencies, days)

        return count

    show("one agency, counted anew", forgotten(one, [today]), 5)
    show("one agency, its year counted anew", forgotten(one, year), 3)
    show("city, counted anew", forgotten(everywhere, [today]), 3)
    show("one agency with its year, kept", lambda: cached.board_counts(one, year), 50)
    show("city, kept", lambda: cached.board_counts(everywhere, [today], whole=False), 50)


def show(name: str, ask: Callable[[], object], times: int) -> None:
    from django.db import connection

    whole, inside, processor = [], [], []

    def timed(execute: Any, *args: Any) -> Any:
        begun = time.perf_counter()
        try:
            return execute(*args)
        finally:
            inside[-1] += time.perf_counter() - begun

    for _ in range(times):
        inside.append(0.0)
        begun, used = time.perf_counter(), time.process_time()
        with connection.execute_wrapper(timed):
            ask()
        whole.append(time.perf_counter() - begun)
        processor.append(time.process_time() - used)
    ms, database, own = (median(each) * 1000 for each in (whole, inside, processor))
    print(f"{name:40}{ms:9.1f} ms; waiting for the database {database:8.1f} ms", end="")
    print(f", own processor time {own:8.1f} ms", flush=True)


if __name__ == "__main__":
    main()
