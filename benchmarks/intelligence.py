"""A large STIX bundle comes in, somebody saves meanwhile: `python benchmarks/intelligence.py`.

A bundle of vulnerabilities, software and relationships is read and stored as the worker does it;
beside it another process saves a device again and again.  Prints the seconds of the import and the
longest save, alone and beside it; asserts nothing.
"""

import argparse
import json
import multiprocessing
import time
from uuid import UUID

import cluster


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=40_000)
    parser.add_argument("--postgresql", action="store_true")
    options = parser.parse_args()
    with cluster.home(postgresql=options.postgresql):
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        from ismp.accounts import demo_data
        from ismp.accounts.actions import postings
        from ismp.accounts.models import Account
        from ismp.security.advisories.actions import importing as advisory_importing
        from ismp.security.devices.actions import devices as device_actions
        from ismp.security.models import Device

        postings.import_roster(demo_data.roster_csv(demo_data.city()).encode(), by="benchmark")
        by = Account.objects.select_related("agency").first()
        device = Device(agency=by.agency, asset_no="1", kind="hardware", network="official")
        device_actions.save_device(device, by=by)
        alone = saves(until=time.monotonic() + 3)
        context = multiprocessing.get_context("spawn")
        ended, found = context.Event(), context.Queue()
        process = context.Process(target=save_until, args=(ended, found))
        process.start()
        found.get()  # it is up
        data = bundle(options.objects)
        began = time.monotonic()
        taken = advisory_importing.import_advisories(data, by=by)
        took = time.monotonic() - began
        ended.set()
        beside = found.get()
        process.join()
        print(
            f"{options.objects:,} objects ({len(data) / 1e6:.1f} MB), {taken.created:,} advisories:"
            f" {took:.1f} s; longest save of a device alone {max(alone):.2f} s,"
            f" beside it {max(beside):.2f} s ({len(beside)} saves)"
        )


def save_until(ended: object, found: object) -> None:
    import django

    django.setup()
    found.put("up")
    found.put(saves(ended=ended))


def saves(until: float = 0, ended: object = None) -> list[float]:
    """Seconds of each save of the device, one after the other."""
    from ismp.accounts.models import Account
    from ismp.security.devices import actions as device_actions
    from ismp.security.models import Device

    by, seconds = Account.objects.select_related("agency").first(), []
    while not ended.is_set() if ended else time.monotonic() < until:
        began = time.monotonic()
        device = Device.objects.get()
        device.place = f"{len(seconds)} 樓"
        device_actions.save_device(device, by=by)
        seconds.append(time.monotonic() - began)
        time.sleep(0.05)
    return seconds


def bundle(count: int) -> bytes:
    """One vulnerability, its software and two relationships for each four objects."""
    objects: list[dict] = [thing("identity", 1, name="中心", identity_class="organization")]
    hub = objects[0]["id"]
    for number in range(10, 10 + count // 4):
        flaw = thing(
            "vulnerability",
            number,
            name=f"CVE-2026-{number:05}",
            created_by_ref=hub,
            description="說明" * 50,
        )
        software = thing("software", number, name=f"產品{number}", vendor="示範牌")
        objects += [flaw, software]
        for offset, target, verb in ((0, software["id"], "has"), (1, hub, "targets")):
            objects.append(
                thing(
                    "relationship",
                    2 * number + offset,
                    relationship_type=verb,
                    source_ref=flaw["id"],
                    target_ref=target,
                )
            )
    whole = {"type": "bundle", "id": f"bundle--{UUID(int=1, version=4)}", "objects": objects}
    return json.dumps(whole, ensure_ascii=False).encode()


def thing(kind: str, number: int, **values: str) -> dict:
    moment = (
        {}
        if kind == "software"
        else {"created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z"}
    )
    identity = f"{kind}--{UUID(int=number, version=4)}"
    return {"type": kind, "spec_version": "2.1", "id": identity, **moment, **values}


if __name__ == "__main__":
    main()
