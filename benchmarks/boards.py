"""How long boards take, kept and counted: `python benchmarks/boards.py --postgresql`.

Prints for one agency (the biggest) and for the city: reading what is kept, and counting anew after
a deed; beside the whole time, what of it the database took.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import cluster


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--people", type=int, default=60_000)
    parser.add_argument("--agencies", type=int, default=500)
    parser.add_argument("--rows", type=int, default=1_200_000, help="of ten years")
    options = parser.parse_args()
    with cluster.home(postgresql=options.postgresql):
        import django

        django.setup()
        import filled

        filled.AGENCIES = options.agencies
        filled.fill(options.rows, options.people)
        measure(filled.BIGGEST)


def measure(biggest: str) -> None:
    from django.utils import timezone

    from ismp.accounts.models import Agency, Service
    from ismp.compliance import board_pages, boards
    from ismp.compliance.models import Board

    today = timezone.localdate()
    everywhere = list(Agency.objects.all())
    one = [agency for agency in everywhere if agency.code == biggest]
    year = [*board_pages.year_of(today), today]
    people = Service.objects.on(today).filter(status="active")
    print(f"{people.count():,} people in {len(everywhere)} agencies", end="; ")
    print(f"{people.filter(agency__in=one).count():,} in the biggest")

    def forgotten(agencies: list[Agency], days: list[Any]) -> Callable[[], object]:
        def count() -> None:
            Board.objects.filter(agency__in=agencies, on__in=days).delete()
            boards.of(agencies, days)

        return count

    show("one agency, counted anew", forgotten(one, [today]), 5)
    show("one agency, its year counted anew", forgotten(one, year), 3)
    show("city, counted anew", forgotten(everywhere, [today]), 3)
    show("one agency with its year, kept", lambda: boards.of(one, year), 50)
    show("city, kept", lambda: boards.of(everywhere, [today], whole=False), 50)


def show(name: str, ask: Callable[[], object], times: int) -> None:
    from django.db import connection

    whole, inside = [], []

    def timed(execute: Any, *args: Any) -> Any:
        begun = time.perf_counter()
        try:
            return execute(*args)
        finally:
            inside[-1] += time.perf_counter() - begun

    for _ in range(times):
        inside.append(0.0)
        begun = time.perf_counter()
        with connection.execute_wrapper(timed):
            ask()
        whole.append(time.perf_counter() - begun)
    ms, database = median(whole) * 1000, median(inside) * 1000
    print(f"{name:40}{ms:9.1f} ms, of which the database {database:8.1f} ms", flush=True)


if __name__ == "__main__":
    main()
