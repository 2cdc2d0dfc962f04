"""How long the standing of people takes: `python benchmarks/standing.py --postgresql`.

60,000 people with 20 records each in the two years that count (ten years: 6,000,000 records), 60
agencies.  Prints the whole time to the table in memory, medians of five; asserts nothing.
"""

import argparse
import time
from collections.abc import Callable
from datetime import date, timedelta
from statistics import median

import cluster


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--people", type=int, default=60_000)
    parser.add_argument("--rows", type=int, default=6_000_000, help="of ten years")
    options = parser.parse_args()
    with cluster.home(postgresql=options.postgresql):
        import django

        django.setup()
        import filled

        filled.fill(options.rows, options.people)
        measure(filled.BIGGEST)


def measure(biggest: str) -> None:
    from django.db.models import Q
    from django.utils import timezone

    from ismp.accounts.models import Account, Agency
    from ismp.compliance.standing import explanation
    from ismp.compliance.standing import table as standing_table

    today, now = timezone.localdate(), timezone.now()
    mid_year, agency = date(today.year, 6, 30), Agency.objects.get(code=biggest)
    person = Account.objects.filter(agency=agency, status="active")[0]
    lines = standing_table.table()
    print(f"{lines['account'].n_unique():,} people, {len(lines):,} lines")
    show("city, today", standing_table.table)
    show(
        "city, 12-31 if nothing changes", lambda: standing_table.table(on=date(today.year, 12, 31))
    )
    show("city, on 06-30", lambda: standing_table.table(on=mid_year))
    show("city, as known now", lambda: standing_table.table(known_at=now - timedelta(seconds=1)))
    show("biggest agency, today", lambda: standing_table.table(Q(agency=agency)))
    show("biggest agency, on 06-30", lambda: standing_table.table(Q(agency=agency), on=mid_year))
    show("one person, today", lambda: standing_table.table(Q(account=person)))
    show("one person, with every reason", lambda: explanation.of_person(person))


def show(name: str, ask: Callable[[], object]) -> None:
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - begun)
    print(f"{name:36}{median(taken) * 1000:9.1f} ms", flush=True)


if __name__ == "__main__":
    main()
