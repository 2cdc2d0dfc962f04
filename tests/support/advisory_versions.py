"""A source that reports an advisory again, and the platform that edits it."""

import json
from datetime import timedelta

from django.utils import timezone

from ismp.security.advisories.actions import advisories as advisory_actions
from tests.support.intelligence import CVE, as_bytes

RED = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"

AMBER = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"

GREEN = "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"

TLP_1 = {RED: "red", AMBER: "amber", GREEN: "green", "": "clear"}


def days(count):
    return timezone.localdate() + timedelta(days=count)


def cve(day, **changes):
    """CVE's record as of a day of October, with other texts."""
    made = json.loads(as_bytes(CVE))
    made["cveMetadata"]["dateUpdated"] = f"2026-10-{day:02}T00:00:00Z"
    made["containers"]["cna"].update(changes)
    return as_bytes(made)


def report(day, title="示範情資", *, marking="", body="說明", hour=8):
    made = {
        "type": "report",
        "spec_version": "2.1",
        "id": "report--b7476d3a-9118-4dce-8b3f-3523fbb428b1",
        "created": "2026-11-01T08:00:00.000Z",
        "modified": f"2026-11-{day:02}T{hour:02}:00:00.000Z",
        "name": title,
        "description": body,
        "published": "2026-11-01T08:00:00.000Z",
        "object_refs": ["identity--6df2f38a-324a-4693-a46a-ed1e2d7c1678"],
    }
    definition = {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": marking,
        "created": "2017-01-20T00:00:00.000Z",
        "definition_type": "tlp",
        "definition": {"tlp": TLP_1[marking]},
    }
    return [made | {"object_marking_refs": [marking]}, definition] if marking else [made]


def bundle(*versions):
    objects = [one for version in versions for one in version]
    return as_bytes(
        {"type": "bundle", "id": f"bundle--{'0' * 8}-0000-4000-8000-{'0' * 12}"}
        | {"objects": objects}
    )


def edit(advisory, platform, **changes):
    for name, value in changes.items():
        setattr(advisory, name, value)
    return advisory_actions.save(advisory, by=platform)
