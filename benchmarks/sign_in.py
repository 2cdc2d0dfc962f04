"""How long a sign-in takes while a roster comes in: `python benchmarks/sign_in.py`.

A city's roster is brought in, then once more with another e-mail for everybody, which writes every
account; meanwhile people who stand in it sign in, one after the other, on another connection.  In a
throw-away database of each kind.  Prints how long the roster took, with nobody beside it and with
them, and p50, p95 and the longest of the sign-ins without it and beside it; asserts nothing.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import time
from statistics import median

import cluster

PASSWORD = "a long pass phrase of 2026"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=60_000)
    parser.add_argument("--on", choices=("sqlite", "postgresql"), help="one of the two only")
    options = parser.parse_args()
    if options.on:
        with cluster.home(postgresql=options.on == "postgresql"):
            measure(options.people, options.on)
        return
    for each in ("sqlite", "postgresql"):  # Django knows one database a process
        arguments = ["--people", str(options.people), "--on", each]
        subprocess.run([sys.executable, __file__, *arguments], check=True)


def measure(number: int, on: str) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    from ismp.accounts import demo_data
    from ismp.accounts.actions import postings
    from ismp.accounts.models import Account

    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"{on}, {number:,} people, {os.cpu_count()} processors, load average {load}", flush=True)
    people = demo_data.people(number, 100)
    roster = demo_data.roster_csv(people)
    began = time.monotonic()
    postings.import_roster(roster.encode(), by="bench")
    print(f"roster of new people: {time.monotonic() - began:.1f} s", flush=True)
    somebody = list(Account.objects.filter(status="active").order_by("pk")[:200])
    somebody[0].set_password(PASSWORD)
    named = Account.objects.filter(pk__in=[one.pk for one in somebody])
    named.update(password=somebody[0].password)
    names = list(named.values_list("username", flat=True))
    sign_in(names[-1])  # the first loads templates
    print("alone:", spread(sign_in(name) for name in names[:40]), flush=True)
    bring_in(roster.replace("@", "@first.").encode(), "with nobody beside it")
    described = (roster.replace("@", "@then.").encode(), "beside sign-ins")
    process = multiprocessing.get_context("spawn").Process(target=bring_in, args=described)
    process.start()
    found = []
    while process.is_alive():
        found.append(sign_in(names[len(found) % len(names)]))
        time.sleep(0.1)
    print("beside the roster:", spread(found), flush=True)


def bring_in(roster: bytes, how: str) -> None:
    import django

    django.setup()
    from ismp.accounts.actions import postings

    began = time.monotonic()
    result = postings.import_roster(roster, by="bench")
    took = time.monotonic() - began
    print(f"roster, {how}: {result.updated:,} accounts changed in {took:.1f} s", flush=True)


def sign_in(username: str) -> float:
    """Seconds from sending the name and the password to the first page."""
    from django.test import Client

    client = Client(SERVER_NAME="localhost")
    began = time.monotonic()
    client.post("/accounts/login/", {"username": username, "password": PASSWORD})
    answer = client.get("/")
    assert answer.status_code == 200, answer.status_code
    return time.monotonic() - began


def spread(seconds: object) -> str:
    found = sorted(seconds)  # type: ignore[call-overload]
    p95 = found[int(len(found) * 0.95)]
    return (
        f"{len(found)} sign-ins with the first page, p50 {median(found) * 1000:.0f} ms,"
        f" p95 {p95 * 1000:.0f} ms, longest {found[-1] * 1000:.0f} ms"
    )


if __name__ == "__main__":
    main()
