"""A list of restricted products against a city's inventory: how long `restrict` takes.

    python benchmarks/devices.py [--postgresql] [--devices 100000] [--patterns 200]

Prints the time beside that of one plain UPDATE of the devices hit, in the same run.
"""

import argparse
import random
import sys
import time
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import cluster  # noqa: E402

MODELS = 30
"""Models of a brand; so 100,000 devices are a few thousand products."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--patterns", type=int, default=200)
    options = parser.parse_args()
    with cluster.home(postgresql=options.postgresql):
        measure(options)


def measure(options: argparse.Namespace) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from ismp.accounts import demo_data
    from ismp.accounts.actions import postings as accounts
    from ismp.accounts.models import Account, Agency
    from ismp.security.devices.actions import products as product_actions
    from ismp.security.models import Device, RestrictedProduct

    call_command("migrate", verbosity=0)
    accounts.import_roster(demo_data.roster_csv(demo_data.city()).encode(), by="benchmark")
    by = Account.objects.first()
    agencies, chance = list(Agency.objects.all()), random.Random(1)
    brands = [f"示範牌{number}" for number in range(options.patterns // 2)] + [
        f"Brand {number}" for number in range(options.patterns)
    ]
    Device.objects.bulk_create(
        (
            Device(
                agency=agencies[number % len(agencies)],
                asset_no=f"{number:07}",
                kind="hardware",
                brand=chance.choice(brands),
                model=f"M-{chance.randrange(MODELS)}",
                network="official",
            )
            for number in range(options.devices)
        ),
        batch_size=5_000,
    )
    listed = [
        RestrictedProduct(brand=brand, letter="示範字第1號", issued_on=date(2026, 1, 1))
        for brand in brands[-options.patterns :]
    ]
    begun = time.perf_counter()
    hit = product_actions.restrict(listed, by=by)
    took = time.perf_counter() - begun
    begun = time.perf_counter()
    Device.objects.exclude(restriction=None).update(place="三樓")
    plain = time.perf_counter() - begun
    products = Device.objects.values("brand", "model").distinct().count()
    print(
        f"{options.patterns} patterns, {options.devices:,} devices of {products:,} products:"
        f" {hit:,} hit in {took:.2f} s, {took / plain:.1f} × one plain UPDATE ({plain:.2f} s)"
    )


if __name__ == "__main__":
    main()
