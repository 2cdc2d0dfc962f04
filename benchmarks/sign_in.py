"""How long a sign-in takes while a roster comes in: `python benchmarks/sign_in.py`.

A city's roster is brought in, then once more with another e-mail for everybody, which writes every
account; meanwhile people who stand in it sign in, one after the other, on another connection.  Both
in a throw-away PostgreSQL.  Prints how long the roster took, and p50, p95 and the longest of the
sign-ins without it and beside it; asserts nothing.
"""

import argparse
import multiprocessing
import time
from statistics import median

import cluster

PASSWORD = "a long pass phrase of 2026"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=60_000)
    options = parser.parse_args()
    with cluster.home(postgresql=True):
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        from ismp.accounts import actions, invented
        from ismp.accounts.models import Account

        people = invented.people(options.people, 100)
        roster = invented.roster_csv(people)
        actions.import_roster(roster.encode(), by="bench")
        somebody = list(Account.objects.filter(status="active").order_by("pk")[:200])
        somebody[0].set_password(PASSWORD)
        named = Account.objects.filter(pk__in=[one.pk for one in somebody])
        named.update(password=somebody[0].password)
        names = list(named.values_list("username", flat=True))
        print("alone:", spread(sign_in(name) for name in names[:40]))
        changed = roster.replace("@", "@new.").encode()
        process = multiprocessing.get_context("spawn").Process(target=bring_in, args=(changed,))
        process.start()
        found = []
        while process.is_alive():
            found.append(sign_in(names[len(found) % len(names)]))
            time.sleep(0.1)
        print("beside the roster:", spread(found))


def bring_in(roster: bytes) -> None:
    import django

    django.setup()
    from ismp.accounts import actions

    began = time.monotonic()
    result = actions.import_roster(roster, by="bench")
    print(f"roster: {result.updated:,} accounts changed in {time.monotonic() - began:.1f} s")


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
