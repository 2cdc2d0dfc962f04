"""Intelligence files: STIX, CVE, KEV and MISP, built field by field."""

import json
from uuid import UUID

import stix2

from ismp.security.intelligence import tlp


def bundle():
    author = stix2.Identity(name="示範資安中心", identity_class="organization")
    flaw = stix2.Vulnerability(
        name="CVE-2026-0001",
        external_references=[{"source_name": "cve", "external_id": "CVE-2026-0001"}],
    )
    software = stix2.Software(name="DS-2CD2042 Firmware", vendor="Hikvision", version="5.4")
    link = stix2.Relationship(software.id, "related-to", flaw.id)
    report = stix2.Report(
        name="攝影機韌體弱點",
        description="請更新韌體",
        published="2026-11-20T08:00:00Z",
        created_by_ref=author.id,
        object_refs=[flaw.id, software.id],
        object_marking_refs=[stix2.TLP_AMBER.id],
    )
    alone = stix2.Vulnerability(name="CVE-2026-0002")
    return stix2.Bundle(author, flaw, software, link, report, alone, stix2.TLP_AMBER)


CVE = {
    "dataType": "CVE_RECORD",
    "dataVersion": "5.1",
    "cveMetadata": {
        "cveId": "CVE-2026-1111",
        "state": "PUBLISHED",
        "datePublished": "2026-10-02T00:00:00Z",
        "dateUpdated": "2026-10-03T00:00:00Z",
    },
    "containers": {
        "cna": {
            "title": "Router flaw",
            "descriptions": [{"lang": "en", "value": "bad"}, {"lang": "zh-TW", "value": "弱點"}],
            "affected": [
                {
                    "vendor": "TP-Link",
                    "product": "Archer C6",
                    "versions": [{"version": "0", "lessThan": "1.2", "status": "affected"}],
                }
            ],
            "metrics": [{"cvssV3_1": {"baseSeverity": "HIGH", "baseScore": 8.1}}],
        }
    },
}

KEV = {
    "catalogVersion": "2026.11.20",
    "vulnerabilities": [
        {
            "cveID": "CVE-2026-2222",
            "vendorProject": "Example",
            "product": "Server",
            "vulnerabilityName": "Example Server RCE",
            "dateAdded": "2026-11-18",
            "shortDescription": "遭利用",
            "requiredAction": "更新",
            "dueDate": "2026-12-09",
        }
    ],
}


def as_bytes(content):
    return json.dumps(content).encode()


def spoilt(content, *path, value=None):
    copy = json.loads(json.dumps(content))
    place = copy
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return as_bytes(copy)


AT = {"created": "2026-11-20T08:00:00.000Z", "modified": "2026-11-20T08:00:00.000Z"}

MISP = "identity--a0c22599-9e58-4da4-96ac-7051603fa951"


def thing(kind, number, **properties):
    """An object of STIX 2.1; observable objects have no dates."""
    stamps = {} if kind in {"software", "domain-name", "ipv4-addr", "file"} else AT
    id_ = f"{kind}--{UUID(int=number, version=4)}"
    return {"type": kind, "spec_version": "2.1", "id": id_, **stamps, **properties}


def link(number, source, how, target):
    ends = {"source_ref": source["id"], "target_ref": target["id"]}
    return thing("relationship", number, relationship_type=how, **ends)


def stix(*objects, **envelope):
    return as_bytes(
        {"type": "bundle", "id": f"bundle--{UUID(int=1)}", "objects": objects, **envelope}
    )


def cve_record(**cna):
    made = json.loads(as_bytes(CVE))
    made["containers"]["cna"] |= cna
    return made


def misp_event(kind):
    """An event with a domain, an address, a flaw: as a report, a grouping, or without either."""
    author = {**thing("identity", 1, name="MISP-Project"), "id": MISP}
    by = {"created_by_ref": MISP, "labels": ['misp:category="Network activity"']}
    domain = thing(
        "indicator",
        2,
        pattern="[domain-name:value = 'evil.example']",
        pattern_type="stix",
        valid_from="2026-11-18T00:00:00Z",
        object_marking_refs=[tlp.TLP_2["amber"]],
        **by,
    )
    address = thing("ipv4-addr", 3, value="192.0.2.7")
    seen = thing(
        "observed-data",
        4,
        first_observed="2026-11-19T00:00:00Z",
        last_observed="2026-11-19T00:00:00Z",
        number_observed=1,
        object_refs=[address["id"]],
        **by,
    )
    flaw = thing("vulnerability", 5, name="CVE-2026-0001", **by)
    parts = [domain, seen, address, flaw]
    whole = {
        "name": "魚叉式釣魚",
        "object_refs": [one["id"] for one in parts],
        "created_by_ref": MISP,
    }
    if kind == "loose":
        return [author, *parts]
    more = {"published": AT["created"]} if kind == "report" else {"context": "suspicious-activity"}
    return [author, *parts, thing(kind, 6, **whole, **more)]
