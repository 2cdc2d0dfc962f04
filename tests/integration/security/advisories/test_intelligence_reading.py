"""Files of intelligence as people really have them: what each says, or why nothing is taken."""

import csv
import io
import json
import time
import zipfile
from datetime import date
from uuid import UUID

import pytest
import stix2

from ismp.security import intelligence
from ismp.security.intelligence import IntelligenceRejected, indicators, severity, tlp, versions
from tests.support.intelligence import (
    AT,
    CVE,
    KEV,
    MISP,
    as_bytes,
    bundle,
    cve_record,
    link,
    misp_event,
    spoilt,
    stix,
    thing,
)

SHA = "ab12" * 16


def report(*about, **properties):
    values = {"name": "示範報告", "published": "2026-11-20T08:00:00Z"}
    return thing(
        "report", 9_000, **{**values, "object_refs": [one["id"] for one in about], **properties}
    )


def the_one(data):
    [found] = intelligence.found_in(data)
    return found


# --- STIX ----------------------------------------------------------------------------------------

PLACES = {
    "by reference only": lambda ref, made: [report(object_marking_refs=[ref])],
    "with its definition": lambda ref, made: [report(object_marking_refs=[ref]), made],
    "on a part of a text": lambda ref, made: [
        report(granular_markings=[{"marking_ref": ref, "selectors": ["name"]}])
    ],
    "on what it refers to": lambda ref, made: [
        report(one := thing("vulnerability", 5, name="x", object_marking_refs=[ref])),
        one,
    ],
    "on a grouping": lambda ref, made: [
        thing("grouping", 6, name="群組", object_refs=[MISP], object_marking_refs=[ref])
    ],
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("id_", "level"), tlp.BY_ID.items())
def test_tlp_of_either_version_by_its_well_known_id(place, id_, level):
    made = tlp.marking(level) if id_ in tlp.TLP_2.values() else {}
    objects = [one for one in PLACES[place](id_, made) if one]
    assert the_one(stix(*objects)).tlp == level


@pytest.mark.parametrize(
    ("definition", "level"),
    [
        ({"name": "TLP:AMBER+STRICT"}, "amber+strict"),
        ({"name": "tlp:amber-strict"}, "amber+strict"),
        ({"definition_type": "TLP", "x_opencti_definition": "TLP:RED"}, "red"),
        ({"definition_type": "tlp", "definition": {"tlp": "green"}}, "green"),
        ({"definition_type": "tlp", "definition": {"tlp": "white"}}, "clear"),
        ({"definition_type": "statement", "definition": {"statement": "tlp:red"}}, "red"),
        ({"extensions": {tlp.EXTENSION: {"tlp_2_0": "amber+strict"}}}, "amber+strict"),
        ({"definition_type": "statement", "definition": {"statement": "© 2026"}}, "clear"),
        ({"definition_type": "tlp", "definition": {"tlp": "ultraviolet"}}, "unknown"),
        ({"definition_type": "iep", "definition": {}}, "unknown"),
        ({"extensions": {"extension-definition--x": {"level": "secret"}}}, "unknown"),
        (None, "unknown"),
    ],
)
def test_tlp_by_what_a_definition_of_its_own_says(definition, level):
    own = f"marking-definition--{UUID(int=77)}"
    objects = [report(object_marking_refs=[own])]
    if definition is not None:
        made = {"type": "marking-definition", "spec_version": "2.1", "id": own}
        objects.append({**made, "created": AT["created"], **definition})
    found = the_one(stix(*objects))
    assert found.tlp == level
    assert (level == "unknown") == any(title == "無法辨識的標記" for title, _ in found.details)


def test_red_is_red_whatever_else_nobody_can_read():
    refs = [tlp.TLP_2["red"], f"marking-definition--{UUID(int=77)}"]
    assert the_one(stix(report(object_marking_refs=refs))).tlp == "red"


@pytest.mark.parametrize("order", [1, -1])
def test_software_tied_to_a_vulnerability_in_either_direction_is_affected(order):
    flaw = thing("vulnerability", 1, name="CVE-2026-0001")
    software = thing("software", 2, name="FortiOS", vendor="Fortinet", version="7.4.1")
    fixed = thing("software", 3, name="FortiOS", vendor="Fortinet", version="7.6.0")
    ends = (software, flaw)[::order]
    objects = [
        flaw,
        software,
        fixed,
        link(4, ends[0], "has", ends[1]),
        link(5, fixed, "fixes", flaw),
    ]
    for data in (stix(*objects), stix(*objects, report(flaw))):
        found = the_one(data)
        assert found.products == [{"vendor": "Fortinet", "product": "FortiOS", "versions": "7.4.1"}]
        assert found.cves == ["CVE-2026-0001"]


def test_severity_in_properties_of_opencti_and_misp():
    for properties, level in (
        ({"x_opencti_cvss_base_severity": "CRITICAL"}, "critical"),
        ({"x_opencti_base_severity": "HIGH"}, "high"),
        ({"x_opencti_cvss_base_score": 9.8}, "critical"),
        ({"x_opencti_cvss_v2_base_score": 9.8}, "high"),
        (
            {"x_opencti_cvss_vector_string": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"},
            "critical",
        ),
        ({"x_misp_cvss_score": "5.0"}, "medium"),
        ({"extensions": {"extension-definition--x": {"cvss_base_severity": "LOW"}}}, "low"),
        ({"x_opencti_cvss_base_score": [1]}, "unrated"),
        ({}, "unrated"),
    ):
        flaw = thing("vulnerability", 1, name="CVE-2026-0001", **properties)
        assert the_one(stix(flaw, report(flaw))).severity == level, properties


@pytest.mark.parametrize("kind", ["report", "grouping", "loose"])
def test_an_event_of_misp_is_one_advisory_with_its_iocs(kind):
    found = the_one(stix(*misp_event(kind)))
    assert found.title == ("MISP-Project 的入侵指標" if kind == "loose" else "魚叉式釣魚")
    assert (found.source, found.tlp, found.cves) == ("MISP-Project", "amber", ["CVE-2026-0001"])
    assert set(found.iocs) == {
        ("網域", "evil.example", "2026-11-18T00:00:00.000000Z", True),
        ("IPv4", "192.0.2.7", "2026-11-19T00:00:00.000000Z", False),
    }


def test_an_event_of_stix_2_0_is_the_same_and_goes_out_as_2_1():
    made = [
        {"type": "identity", "id": MISP, **AT, "name": "MISP", "identity_class": "organization"},
        {
            "type": "indicator",
            "id": f"indicator--{UUID(int=2, version=4)}",
            **AT,
            "pattern": f"[file:hashes.'SHA-256' = '{SHA}']",
            "valid_from": AT["created"],
            "labels": ["malicious-activity"],
        },
        {
            "type": "observed-data",
            "id": f"observed-data--{UUID(int=3, version=4)}",
            **AT,
            "first_observed": AT["created"],
            "last_observed": AT["created"],
            "number_observed": 1,
            "objects": {"0": {"type": "domain-name", "value": "evil.example"}},
        },
    ]
    refs = [one["id"] for one in made]
    made.append(
        {
            "type": "report",
            "id": f"report--{UUID(int=4, version=4)}",
            **AT,
            "name": "事件",
            "published": AT["created"],
            "labels": ["threat-report"],
            "object_refs": refs,
        }
    )
    found = the_one(stix(*made, spec_version="2.0"))
    assert found.title == "事件"
    assert {(one.kind, one.value) for one in found.iocs} == {
        ("SHA-256", SHA),
        ("網域", "evil.example"),
    }
    out = intelligence.as_bundle([found])
    assert all(one["spec_version"] == "2.1" for one in json.loads(out)["objects"])
    stix2.parse(out)
    assert the_one(out.encode()) == found


def test_loose_indicators_with_more_of_them_stay_the_same_advisory():
    first = the_one(stix(*misp_event("loose")))
    more = thing(
        "indicator", 30, pattern="[url:value = 'http://evil.example/']", created_by_ref=MISP
    )
    later = {**more, "created": "2026-11-25T00:00:00Z", "modified": "2026-11-25T00:00:00Z"}
    second = the_one(stix(*misp_event("loose"), later))
    assert first.stix_id == second.stix_id and second.modified > first.modified
    assert len(second.iocs) == 3


def test_what_is_no_advisory_by_itself_is_named():
    campaign, actor = thing("campaign", 1, name="甲"), thing("threat-actor", 2, name="乙")
    with pytest.raises(
        IntelligenceRejected, match=r"攻擊行動（campaign）1 個、威脅行為者（threat-actor）1 個"
    ):
        intelligence.read(stix(campaign, actor))
    sighting = thing("sighting", 3, sighting_of_ref=campaign["id"])
    with pytest.raises(IntelligenceRejected, match="目擊紀錄"):
        intelligence.read(stix(sighting))
    contents = intelligence.read(stix(report(actor), campaign, actor))
    assert contents.remarks == ["檔案裡另有 攻擊行動（campaign）1 個，不屬於任何報告，沒有匯入。"]
    assert ["威脅行為者", "乙"] in contents.found[0].details
    with pytest.raises(IntelligenceRejected, match="沒有任何物件"):
        intelligence.read(stix())


def test_the_author_is_no_part_of_the_identity_of_a_report():
    author = thing("identity", 1, name="示範中心", identity_class="organization")
    written = report(created_by_ref=author["id"])
    with_author, without = the_one(stix(author, written)), the_one(stix(written))
    assert with_author.stix_id == without.stix_id
    assert (with_author.source, without.source) == ("示範中心", "STIX")


def test_revoked_and_superseded_are_said():
    old, new = report(), {**report(), "id": f"report--{UUID(int=8)}"}
    assert the_one(stix({**old, "revoked": True})).ended == "revoked"
    contents = intelligence.read(stix(old, new, link(4, new, "supersedes", old)))
    assert {one.stix_id: one.ended for one in contents.found} == {
        old["id"]: "superseded",
        new["id"]: "",
    }
    gone = {**old, "id": f"report--{UUID(int=99)}"}
    contents = intelligence.read(stix(new, link(4, gone, "superseded-by", new)))
    assert contents.superseded == {gone["id"]: new["id"]}
    flaw = thing("indicator", 2, pattern="[url:value = 'x']", revoked=True)
    assert the_one(stix(flaw, report(flaw))).iocs == []


@pytest.mark.parametrize(
    "wrap",
    [
        lambda objects: {"more": False, "objects": objects},
        lambda objects: {"objects": objects},
        lambda objects: objects,
        lambda objects: [{"type": "bundle", "id": "bundle--x", "objects": objects}],
        lambda objects: objects[0],
    ],
)
def test_envelopes_of_taxii_and_bare_objects(wrap):
    assert the_one(as_bytes(wrap([report()]))).title == "示範報告"


def test_a_day_is_taipeis():
    late = report(published="2026-12-31T17:00:00Z")
    assert the_one(stix(late)).issued_on == date(2027, 1, 1)
    record = cve_record()
    record["cveMetadata"]["datePublished"] = "2025-12-31T16:00:00Z"
    assert the_one(as_bytes(record)).issued_on == date(2026, 1, 1)
    record["cveMetadata"]["datePublished"] = "2025-12-31T15:59:59.9"
    assert the_one(as_bytes(record)).issued_on == date(2025, 12, 31)


def test_a_large_bundle_is_read_in_time_linear_in_its_size():
    """Looks at how the work grows, not at the clock: hubs of relationships are the worst case."""

    def work(count):
        hub = thing("identity", 1, name="中心", identity_class="organization")
        objects = [hub]
        for n in range(10, 10 + count):
            flaw = thing("vulnerability", n, name=f"CVE-2026-{n:05}", created_by_ref=hub["id"])
            software = thing("software", n, name="x", vendor="y")
            tied = [link(2 * n, software, "has", flaw), link(2 * n + 1, flaw, "targets", hub)]
            objects += [flaw, software, *tied]
        started = time.process_time()
        assert len(intelligence.found_in(stix(*objects))) == count
        return time.process_time() - started

    work(100)
    assert work(4_000) < 30 * work(400)  # quadratic would be 100 times


def test_reports_that_refer_to_everything_again_and_again_are_refused():
    flaw = thing("vulnerability", 5, name="CVE-2026-00005")
    software = [thing("software", n, name="x") for n in range(10, 2_010)]
    tied = [link(n, one, "has", flaw) for n, one in enumerate(software, start=10_000)]
    reports = [{**report(flaw), "id": f"report--{UUID(int=n, version=4)}"} for n in range(300)]
    with pytest.raises(IntelligenceRejected, match="引用太多"):
        intelligence.read(stix(flaw, *software, *tied, *reports))


@pytest.mark.parametrize(
    ("pattern", "language", "found"),
    [
        ("[ipv4-addr:value = '198.51.100.1/32']", "stix", [("IPv4", "198.51.100.1/32")]),
        ("[domain-name:value IN ('a.example', 'b.example')]", "stix", [("網域", "a.example"), ("網域", "b.example")]),
        ("[file:hashes.MD5 = 'aa' OR file:hashes.'SHA-1' = 'bb']", "stix", [("MD5", "aa"), ("SHA-1", "bb")]),
        ("[file:name = 'it\\'s.exe']", "stix", [("檔名", "it's.exe")]),
        ("[url:value NOT = 'http://good.example/']", "stix", [("STIX 樣式", "[url:value NOT = 'http://good.example/']")]),
        ("[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '192.0.2.1' AND network-traffic:dst_port = 443]", "stix", [("IPv4", "192.0.2.1"), ("連接埠", "443")]),
        ("[email-message:from_ref.value = 'x@evil.example']", "stix", [("電子郵件", "x@evil.example")]),
        ("rule x { condition: true }", "yara", [("YARA", "rule x { condition: true }")]),
        ("[x-custom:field EXISTS]", "stix", [("STIX 樣式", "[x-custom:field EXISTS]")]),
    ],
)  # fmt: skip
def test_iocs_of_a_pattern(pattern, language, found):
    assert list(indicators.of_pattern(pattern, language)) == found


def test_a_hostile_pattern_takes_time_linear_in_its_length():
    for part in ("a", "a:b='", "a:b=(", "a:" + "x" * 50, "a:b " + " " * 50, "\\'", "a-"):
        started = time.process_time()
        list(indicators.of_pattern(part * (200_000 // len(part)), "stix"))
        assert time.process_time() - started < 20, part  # quadratic would take hours


# --- CVE -----------------------------------------------------------------------------------------


def entry(*given, **more):
    return {"vendor": "示範商", "product": "路由器", "versions": list(given), **more}


def span(version, status="affected", **more):
    return {"version": version, "status": status, **more}


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (entry(span("1.0", lessThan="2.0"), span("2.0", "unaffected")), "1.0 到 2.0（不含）"),
        (entry(span("0", lessThan="1.2")), "所有 到 1.2（不含）"),
        (entry(span("unspecified", lessThan="*")), "所有版本"),
        (entry(span("*")), "所有版本"),
        (entry(span("all")), "所有版本"),
        (entry(span("3.1", lessThanOrEqual="*")), "3.1 起的所有版本"),
        (entry(span("n/a")), ""),
        (entry(span("5.4")), "5.4"),
        (entry(span("1", "unknown"), span("2", "unaffected")), None),
        (entry(), None),
        (entry(defaultStatus="unaffected"), None),
        (entry(defaultStatus="unknown"), None),
        (entry(defaultStatus="affected"), "所有版本"),
        (
            entry(span("5.4"), span("6.1.90", "unaffected", lessThanOrEqual="6.1.*"), span("6.9", "unaffected", lessThanOrEqual="*"), defaultStatus="affected"),
            "5.4、所有版本（另列不受影響者除外）",
        ),
        (
            entry(span("1.0", lessThan="3.0", changes=[{"at": "2.3", "status": "unaffected"}, {"at": "2.5", "status": "affected"}])),
            "1.0 到 2.3（不含）、2.5 到 3.0（不含）",
        ),
        (
            entry(span("7.0", lessThan="7.*", changes=[{"at": "7.0.5", "status": "unaffected"}])),
            "7.0 到 7.0.5（不含）",
        ),
        (
            entry(span("0", "unaffected", lessThan="*", changes=[{"at": "1.2", "status": "affected"}])),
            "1.2 起的所有版本",
        ),
    ],
)  # fmt: skip
def test_what_is_not_affected_is_never_shown_as_affected(one, words):
    found = the_one(as_bytes(cve_record(affected=[one])))
    if words is None:
        assert found.products == []
    else:
        assert [product["versions"] for product in found.products] == [words]
    for given in one.get("versions", ()):
        if given["status"] != "affected" and given["version"] not in {"0", "1", "2"}:
            assert given["version"] not in (words or "").replace("（不含）", "").split("、")


def test_what_is_said_to_be_unaffected_stands_beside():
    one = entry(span("1.0"), span("2.0", "unaffected"))
    details = dict(the_one(as_bytes(cve_record(affected=[one]))).details)
    assert details["不受影響的版本"] == "示範商 路由器 2.0"
    unknown = entry(span("1.0", "unknown"))
    details = dict(the_one(as_bytes(cve_record(affected=[unknown]))).details)
    assert details["未說明是否受影響"] == "示範商 路由器 狀態未知"


V31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
V4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:N"


@pytest.mark.parametrize(
    ("cna", "adp", "level"),
    [
        ([], [], "unrated"),
        ([], [{"cvssV3_1": {"baseScore": 9.8, "baseSeverity": "CRITICAL"}}], "critical"),
        ([{"cvssV3_1": {"baseScore": 5.0, "baseSeverity": "MEDIUM"}}], [{"cvssV3_1": {"vectorString": V31}}], "critical"),
        ([{"cvssV2_0": {"baseScore": 10.0, "vectorString": "AV:N/AC:L/Au:N/C:C/I:C/A:C"}}], [], "high"),
        ([{"cvssV2_0": {"vectorString": "(AV:N/AC:L/Au:N/C:P/I:N/A:N)"}}], [], "medium"),
        ([{"cvssV3_1": {"baseSeverity": "LOW"}}, {"cvssV4_0": {"vectorString": V4}}], [], "critical"),
        ([{"cvssV3_0": {"baseScore": 7}}], [], "high"),
        ([{"cvssV3_1": {"vectorString": "nonsense"}}], [], "unrated"),
        ([{"other": {"type": "Textual description of severity", "content": {"text": "important"}}}], [], "unrated"),
        ([{"other": {"type": "ssvc", "content": {"id": "x", "options": []}}}], [], "unrated"),
    ],
)  # fmt: skip
def test_severity_is_the_highest_of_all_containers(cna, adp, level):
    record = cve_record(metrics=cna)
    record["containers"]["adp"] = [{"title": "CISA ADP Vulnrichment", "metrics": adp}]
    found = the_one(as_bytes(record))
    assert (found.severity, found.title) == (level, "Router flaw")
    if cna and "other" in cna[0] and "Textual" in cna[0]["other"]["type"]:
        assert ["來源自評", "important"] in found.details


def test_scores_in_their_bands():
    assert [severity.of_score(one) for one in (0, 3.9, 4, 6.9, 7, 8.9, 9, 10)] == [
        *("low", "low", "medium", "medium", "high", "high", "critical", "critical")
    ]
    assert severity.of_score(10, version="2") == "high"
    assert {severity.of_score(one) for one in (True, None, -1, 11, "x", [])} == {"unrated"}


def test_packages_and_names_that_are_none():
    package = {"packageName": "left-pad", "collectionURL": "https://npm", "versions": [span("1")]}
    nobody = {"vendor": "n/a", "product": "n/a", "versions": [span("n/a")]}
    found = the_one(as_bytes(cve_record(affected=[package, nobody])))
    assert found.products == [{"vendor": "", "product": "left-pad", "versions": "1"}]


def test_a_record_without_the_day_of_its_publishing():
    record = cve_record()
    del record["cveMetadata"]["datePublished"]
    assert the_one(as_bytes(record)).issued_on == date(2026, 10, 3)
    del record["cveMetadata"]["dateUpdated"]
    assert the_one(as_bytes(record)).source_id == "CVE-2026-1111"


def test_a_rejected_record_and_what_took_its_place():
    record = {
        **CVE,
        "cveMetadata": {"cveId": "CVE-2026-1111", "state": "REJECTED"},
        "containers": {"cna": {"rejectedReasons": [{"lang": "en", "value": "duplicate"}]}},
    }
    found = the_one(as_bytes(record))
    assert (found.ended, found.ended_because) == ("rejected", "duplicate")
    record["containers"]["cna"]["replacedBy"] = ["CVE-2026-2222"]
    found = the_one(as_bytes(record))
    assert found.ended == "superseded" and "CVE-2026-2222" in found.ended_because


def zipped(**files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_json", ".json"), content)
    return data.getvalue()


def test_lists_and_archives_of_cve_records():
    other = cve_record()
    other["cveMetadata"] = {**other["cveMetadata"], "cveId": "CVE-2026-1112"}
    both = {"CVE-2026-1111", "CVE-2026-1112"}
    assert {one.source_id for one in intelligence.found_in(as_bytes([CVE, other]))} == both
    archive = zipped(
        cves__1_json=as_bytes(CVE),
        cves__2_json=as_bytes(other),
        cves__delta_json=b"[]",
        README=b"x",
    )
    assert {one.source_id for one in intelligence.found_in(archive)} == both
    with pytest.raises(IntelligenceRejected, match=r"2\.json.*看不出"):
        intelligence.read(zipped(cves__1_json=as_bytes(CVE), cves__2_json=b"{}"))
    with pytest.raises(IntelligenceRejected, match="別的資料夾"):
        intelligence.read(zipped(**{"..__x_json": b"{}"}))
    with pytest.raises(IntelligenceRejected, match="沒有情資檔案"):
        intelligence.read(zipped(readme=b"x"))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"<?xml version='1.0'?><stix:STIX_Package/>", "XML"),
        (as_bytes({"Event": {"info": "x"}}), "MISP"),
        (as_bytes({"document": {"csaf_version": "2.0"}}), "CSAF"),
        (as_bytes({"data_type": "CVE", "data_version": "4.0"}), "舊版"),
        (as_bytes({"resultsPerPage": 1, "vulnerabilities": [{"cve": {}}]}), "NVD"),
        (as_bytes({"schema_version": "1.0", "id": "GHSA-1", "affected": []}), "OSV"),
        (as_bytes({"catalogVersion": "2026.11.20", "vulnerabilities": []}), "沒有任何弱點"),
        (as_bytes({"catalogVersion": "x", "vulnerabilities": [1]}), "要是物件"),
        (b"name,address\n1,2\n", "不是 JSON"),
        (b'{"a": NaN}', "不是 JSON"),
        (b'{"a": 1e999}', "不是 JSON"),
        ("{}".encode("utf-16"), "看不出"),
    ],
)
def test_other_files_of_the_trade_are_called_by_their_names(data, sentence):
    with pytest.raises(IntelligenceRejected, match=sentence):
        intelligence.read(data)


# --- KEV -----------------------------------------------------------------------------------------


def kev_csv(*lines):
    text = io.StringIO()
    head = [*KEV["vulnerabilities"][0], "knownRansomwareCampaignUse", "notes", "cwes"]
    writer = csv.DictWriter(text, head)
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().encode()


def test_the_catalogue_as_csv_says_what_the_json_says():
    line = {
        **KEV["vulnerabilities"][0],
        "knownRansomwareCampaignUse": "Known",
        "notes": "https://a.example/ ; https://b.example/",
    }
    as_json = the_one(as_bytes({**KEV, "vulnerabilities": [{**line, "cwes": ["CWE-1", "CWE-2"]}]}))
    as_csv = the_one(kev_csv({**line, "cwes": "CWE-1, CWE-2"}))
    as_json.modified = as_csv.modified = ""
    assert as_csv == as_json
    assert dict(as_csv.details)["勒索軟體利用"] == "已知"
    with pytest.raises(IntelligenceRejected, match="欄數比標題多"):
        intelligence.read(kev_csv(line).rstrip() + b",x,y,z,1,2,3\n")
    with pytest.raises(IntelligenceRejected, match="引號不成對"):
        intelligence.read(kev_csv(line) + b'"unclosed')


# --- Every leaf ----------------------------------------------------------------------------------

BAD_LEAVES = [None, 5, -1, 1.5, True, [], {}, [1], {"a": 1}, "", "x\0", "\ud800", "x" * 600_000]


def leaves(value, path=()):
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in items:
            yield (*path, key)
            yield from leaves(one, (*path, key))


def everything():
    """One file of each kind, with everything in it that we read."""
    record = cve_record(
        affected=[entry(span("1", lessThan="3", changes=[{"at": "2", "status": "unaffected"}]))],
        metrics=[{"cvssV3_1": {"baseScore": 5, "vectorString": V31}}],
        problemTypes=[{"descriptions": [{"cweId": "CWE-1"}]}],
        references=[{"url": "https://a.example/"}],
        solutions=[{"lang": "en", "value": "x"}],
    )
    record["containers"]["adp"] = [{"metrics": [{"cvssV4_0": {"vectorString": V4}}]}]
    kev = {
        **KEV["vulnerabilities"][0],
        "cwes": ["CWE-1"],
        "notes": "x",
        "knownRansomwareCampaignUse": "Known",
    }
    event = misp_event("report")
    event.append(thing("software", 20, name="x", vendor="y", version="1", cpe="cpe:2.3:a:y:x:1"))
    event.append(link(21, event[-1], "has", event[4]))
    event.append(tlp.marking("amber"))
    event[-4] = {
        **event[-4],
        "external_references": [{"source_name": "x", "url": "y"}],
        "description": "z",
    }
    return {
        "cve": record,
        "kev": {**KEV, "vulnerabilities": [kev]},
        "stix": {"type": "bundle", "id": f"bundle--{UUID(int=1)}", "objects": event},
    }


def is_sound(found):
    texts = [found.source, found.source_id, found.stix_id, found.title, found.body, found.action]
    texts += [found.modified, found.parts_modified, found.severity, found.tlp, *found.cves]
    texts += [one for product in found.products for one in product.values()]
    texts += [one for pair in found.details for one in pair]
    texts += [one for ioc in found.iocs for one in ioc[:3]]
    assert all(isinstance(one, str) for one in texts)
    assert all("\0" not in one for one in texts)
    "".join(texts).encode()
    json.dumps(found.stix, ensure_ascii=False).encode()
    assert len(found.source) <= 100 and len(found.title) <= 300 and len(found.source_id) <= 200
    assert isinstance(found.issued_on, date)


@pytest.mark.parametrize("kind", ["cve", "kev", "stix"])
def test_whatever_stands_in_a_place_is_read_as_text_or_refused_with_a_sentence(kind):
    whole = everything()[kind]
    assert intelligence.found_in(as_bytes(whole))
    for path in leaves(whole):
        for bad in BAD_LEAVES:
            copy = json.loads(json.dumps(whole))
            place = copy
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = bad
            try:
                for found in intelligence.found_in(as_bytes(copy)):
                    is_sound(found)
            except IntelligenceRejected as refusal:
                assert str(refusal).endswith("。") and len(str(refusal)) < 400, (path, bad)


def test_an_unstorable_text_is_refused_wherever_it_stands():
    for bad in ("x\0", "\ud800"):
        for hidden in ({"x_note": {"deep": [bad]}}, {"x_note": {bad: 1}}):
            with pytest.raises(IntelligenceRejected, match=r"第 1 個物件.*不能儲存的字元"):
                intelligence.read(stix(report(**hidden)))
    assert the_one(stix(report(x_note="\U0001f600"))).title == "示範報告"  # a whole pair


# --- Out and in ----------------------------------------------------------------------------------


@pytest.mark.parametrize("level", tlp.LEVELS)
@pytest.mark.parametrize("kind", ["cve", "kev", "stix"])
def test_tlp_goes_out_as_it_is_here_and_comes_back(kind, level):
    [found] = intelligence.found_in(as_bytes(everything()[kind]))
    came = found.tlp
    found.tlp = level
    out = intelligence.as_bundle([found])
    stix2.parse(out)
    [back] = intelligence.found_in(out.encode())
    assert back.tlp == max(came, level, key=tlp.LEVELS.index)
    names = ("stix_id", "title", "severity", "body", "action", "cves", "products", "details")
    assert [getattr(back, name) for name in names] == [getattr(found, name) for name in names]
    assert (back.issued_on, back.due_on, back.modified) == (
        found.issued_on,
        found.due_on,
        found.modified,
    )


@pytest.mark.parametrize(
    ("words", "version", "is_it"),
    [
        ("1.0 到 2.0（不含）", "1.5", True),
        ("1.0 到 2.0（不含）", "2.0", False),
        ("1.0 到 2.0", "2.0", True),
        ("所有 到 1.2（不含）", "1.1.9", True),
        ("所有版本", "0.1", True),
        ("3.1 起的所有版本", "3.0", False),
        ("3.1 起的所有版本", "10", True),
        ("1.0、2.0", "2.0.0", True),
        ("7.4.1", "v7.4.1", True),
        ("6.1 到 6.1.*", "6.1.95", True),
        ("< 1.2.3", "1.0", None),
        ("", "1.0", None),
        ("1.0", "台北版", None),
        ("1.0 到 1.5", "1.5rc1", None),
    ],
)
def test_whether_a_version_is_affected(words, version, is_it):
    assert versions.covers(words, version) is is_it


def test_the_bundle_of_the_other_tests_comes_back_as_it_was():
    found = intelligence.found_in(bundle().serialize().encode())
    assert intelligence.found_in(intelligence.as_bundle(found).encode()) == found
    assert spoilt(CVE, "cveMetadata", "state", value="PUBLISHED")
