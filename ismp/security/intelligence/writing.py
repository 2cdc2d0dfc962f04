"""A STIX 2.1 bundle: what came as STIX goes out as it came, the rest as reports of our own.

Only TLP is never looser than here: where the platform (or a later version) made it stricter, every
object of the advisory carries the stricter marking.
"""

import json
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, time
from typing import Any

import stix2

from ismp.security.intelligence import tlp
from ismp.security.intelligence.found import NAMESPACE, TAIPEI, Found, moment
from ismp.security.intelligence.stix import EXTENSION, Thing

_UNMARKABLE = frozenset({"marking-definition", "extension-definition", "language-content"})


def as_bundle(found: Iterable[Found]) -> str:
    """The bundle as JSON; the same advisories give the same bytes."""
    objects: dict[str, Thing] = {}
    for one in found:
        parts = _as_it_came(one) if one.stix else _of_our_own(one)
        for part in parts:
            known = objects.get(part["id"])
            objects[part["id"]] = part if known is None else _stricter(known, part)
    identity = f"bundle--{uuid.uuid5(NAMESPACE, '|'.join(sorted(objects)))}"
    bundle = {"type": "bundle", "id": identity, "objects": list(objects.values())}
    return json.dumps(bundle, ensure_ascii=False, indent=2)


def _stricter(first: Thing, second: Thing) -> Thing:
    """Of one object in two advisories the more closed one."""
    levels = [tlp.LEVELS.index(_level(one)) for one in (first, second)]
    return second if levels[1] > levels[0] else first


def _level(one: Thing) -> str:
    found = tlp.strictest([one], {})
    return "red" if found == tlp.UNKNOWN else found


def _as_it_came(found: Found) -> Iterator[Thing]:
    parts = found.stix or []
    came = tlp.strictest(parts, {one["id"]: one for one in parts})
    if found.tlp == tlp.UNKNOWN or _is_as_open(found.tlp, came):
        yield from parts
        return
    marking = tlp.marking(found.tlp)
    known = {one["id"]: one for one in parts}
    for one in parts:
        if one["type"] in _UNMARKABLE:
            yield one
            continue
        others = [
            ref
            for ref in one.get("object_marking_refs", ())
            if not tlp.level_of(ref, known.get(ref))
        ]
        yield {**one, "object_marking_refs": [*others, marking["id"]]}
    yield marking


def _is_as_open(here: str, came: str) -> bool:
    return came != tlp.UNKNOWN and tlp.LEVELS.index(here) <= tlp.LEVELS.index(came)


def _of_our_own(found: Found) -> Iterator[Thing]:
    def identity(kind: str, name: str) -> str:
        return f"{kind}--{uuid.uuid5(NAMESPACE, f'{found.stix_id}|{name}')}"

    issued = moment(datetime.combine(found.issued_on, time(), TAIPEI).isoformat())
    modified = found.modified or issued
    marking = tlp.marking("clear" if found.tlp == tlp.UNKNOWN else found.tlp)
    common = {
        "spec_version": "2.1",
        "created": min(issued, modified),
        "modified": modified,
        "object_marking_refs": [marking["id"]],
    }
    author = {
        "type": "identity",
        "id": identity("identity", "author"),
        **common,
        "name": found.source,
        "identity_class": "organization",
    }
    flaws = [
        {
            "type": "vulnerability",
            "id": identity("vulnerability", cve),
            **common,
            "created_by_ref": author["id"],
            "name": cve,
            "external_references": [{"source_name": "cve", "external_id": cve}],
        }
        for cve in found.cves
    ]
    software = list({one["id"]: one for one in map(_software, found.products) if one}.values())
    body = "\n\n".join(filter(None, [found.body, found.action]))
    yield author
    yield marking
    yield from flaws
    for one in software:
        yield {**one, "object_marking_refs": [marking["id"]]}
    yield {
        "type": "report",
        "id": found.stix_id,
        **common,
        "created_by_ref": author["id"],
        "name": found.title,
        "description": body or found.title,
        "published": issued,
        "object_refs": [one["id"] for one in (*flaws, *software)] or [author["id"]],
        "extensions": {EXTENSION: {"extension_type": "property-extension", **_extension(found)}},
    }


def _software(product: dict[str, str]) -> Thing | None:
    """The library computes the id, which is made of what the object says."""
    name = product["product"] or product["vendor"]
    if not name:
        return None
    facts = (("vendor", product["vendor"]), ("version", product["versions"]))
    made = stix2.Software(name=name, **{key: value for key, value in facts if value})
    found: Thing = json.loads(made.serialize())
    return found


def _extension(found: Found) -> dict[str, Any]:
    values: dict[str, Any] = {
        "severity": found.severity,
        "body": found.body,
        "action": found.action,
        "issued_on": found.issued_on.isoformat(),
        "details": found.details,
        "products": found.products,
    }
    return values | ({"due_on": found.due_on.isoformat()} if found.due_on else {})
