"""Reading and writing intelligence: STIX 2.1 bundles, CVE records (JSON 5), the KEV catalogue.

Files only, no network.  Knows the formats, not what becomes of an advisory.  A file that cannot be
read is refused with one sentence in Chinese; nothing of it is taken.
"""

import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import stix2
from stix2.exceptions import STIXError

MAX_BYTES = 64 * 1024 * 1024
_NAMESPACE = uuid.UUID("6f0f4b5e-3c1d-5f0a-9d55-1a1c7a5d9f10")
"""Objects that we make ourselves keep their id from export to export."""
_TLP = {"white": "clear", "clear": "clear", "green": "green", "amber": "amber", "red": "red"}
_MARKINGS = {
    "clear": stix2.TLP_WHITE,
    "green": stix2.TLP_GREEN,
    "amber": stix2.TLP_AMBER,
    "amber+strict": stix2.TLP_AMBER,
    "red": stix2.TLP_RED,
}
_STRICTNESS = ["clear", "green", "amber", "amber+strict", "red"]
_DEFAULT_SEVERITY = "medium"
_SEVERITIES = {"none": "low", "low": "low", "medium": "medium", "high": "high"}
_SEVERITIES |= {"critical": "critical"}


_TAIPEI = timezone(timedelta(hours=8))


class IntelligenceRefused(ValueError):
    """The file as a whole is refused; the text is one sentence in Chinese."""


@dataclass
class Found:
    """One advisory as a file tells it."""

    origin: str
    """stix, cve, kev, hand."""
    source: str
    source_id: str
    stix_id: str
    title: str
    issued_on: date
    modified: str = ""
    """When its source changed it last, as `moment` writes it; empty: not said."""
    parts_modified: str = ""
    """The same of the newest object of which it is made."""
    severity: str = _DEFAULT_SEVERITY
    tlp: str = "clear"
    body: str = ""
    action: str = ""
    due_on: date | None = None
    cves: list[str] = field(default_factory=list)
    products: list[dict[str, str]] = field(default_factory=list)
    details: list[list[str]] = field(default_factory=list)
    """[[title, text]]."""
    stix: list[dict[str, Any]] | None = None


def stix_id(origin: str, source_id: str) -> str:
    """The id of the report that an advisory goes out as when it did not come as STIX.

    Always the same one, so that what goes out is known when it comes back.
    """
    return f"report--{uuid.uuid5(_NAMESPACE, f'{origin}|{source_id}|report')}"


def moment(text: str) -> str:
    """A moment in ISO 8601 as UTC in one length, so that later ones sort later; empty stays so.

    One without a zone is in UTC, as CVE records write it.  Raises ValueError.
    """
    if not text:
        return ""
    found = datetime.fromisoformat(text)
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def day(text: str) -> date:
    """The day of a moment in Taipei; a day without a time is that day.  Raises ValueError."""
    if len(text) == len("2026-11-20"):
        return date.fromisoformat(text)
    return datetime.fromisoformat(moment(text)).astimezone(_TAIPEI).date()


def read(data: bytes) -> list[Found]:
    """The advisories of a file of any of the three kinds.  Raises IntelligenceRefused."""
    if len(data) > MAX_BYTES:
        raise IntelligenceRefused(f"檔案超過 {MAX_BYTES // 1048576} MB，請分成幾個檔案匯入。")
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise IntelligenceRefused("檔案不是 JSON，請使用原始下載的檔案。") from error
    if not isinstance(content, dict):
        raise IntelligenceRefused("看不出是哪一種情資檔案；可匯入 STIX 2.1、CVE JSON 5 與 KEV。")
    try:
        if content.get("type") == "bundle":
            return list(_bundle(content))
        if content.get("dataType") == "CVE_RECORD":
            return [_cve(content)]
        if "vulnerabilities" in content and "catalogVersion" in content:
            return _catalogue(content)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise IntelligenceRefused("檔案缺少必要的欄位，請使用原始下載的檔案。") from error
    except ValueError as error:
        if isinstance(error, IntelligenceRefused):
            raise
        raise IntelligenceRefused("檔案裡有日期或內容不合格式，請使用原始下載的檔案。") from error
    raise IntelligenceRefused("看不出是哪一種情資檔案；可匯入 STIX 2.1、CVE JSON 5 與 KEV。")


# --- STIX 2.1 ----------------------------------------------------------------------------------


def _bundle(content: dict[str, Any]) -> Iterator[Found]:
    """Each report is an advisory with all that it refers to; so is a vulnerability of no report."""
    objects: dict[str, dict[str, Any]] = {}
    for number, one in _numbered(content):
        known = objects.get(_checked(number, one)["id"])
        if known is None or moment(known.get("modified", "")) < moment(one.get("modified", "")):
            objects[one["id"]] = one
    told: set[str] = set()
    for one in objects.values():
        if one["type"] == "report":
            about = _about(one, objects)
            told.update(part["id"] for part in about)
            yield _from_stix(one, about, objects)
    for one in objects.values():
        if one["type"] == "vulnerability" and one["id"] not in told:
            yield _from_stix(one, _about(one, objects), objects)


def _numbered(content: dict[str, Any]) -> Iterable[tuple[int, dict[str, Any]]]:
    return enumerate(content.get("objects", []), start=1)


def _checked(number: int, one: dict[str, Any]) -> dict[str, Any]:
    """The object as it came, once the library has found it in order."""
    try:
        stix2.parse(one, allow_custom=True, version=one.get("spec_version", "2.1"))
    except (STIXError, ValueError, KeyError, TypeError) as error:
        raise IntelligenceRefused(
            f"STIX 檔案的第 {number} 個物件不合 STIX 2.1，請向來源單位確認後重新匯入。"
        ) from error
    return one


def _about(root: dict[str, Any], objects: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The object, what it refers to, and the relations between these."""
    wanted, seen = [root["id"]], {root["id"]}
    while wanted:
        one = objects.get(wanted.pop())
        if one is None:
            continue
        refers = [*one.get("object_refs", []), *one.get("object_marking_refs", [])]
        refers += [
            one[name] for name in ("created_by_ref", "source_ref", "target_ref") if name in one
        ]
        for other in refers:
            if other not in seen:
                seen.add(other)
                wanted.append(other)
    related = [
        one
        for one in objects.values()
        if one["type"] == "relationship" and {one["source_ref"], one["target_ref"]} <= seen
    ]
    known = [one for one in objects.values() if one["id"] in seen]
    return known + [one for one in related if one["id"] not in seen]


def _from_stix(
    root: dict[str, Any], about: list[dict[str, Any]], objects: dict[str, dict[str, Any]]
) -> Found:
    author = objects.get(root.get("created_by_ref", ""), {})
    flaws = [one for one in about if one["type"] == "vulnerability"]
    software = [one for one in about if one["type"] == "software"]
    return Found(
        origin="stix",
        source=author.get("name", "STIX")[:100],
        source_id=root["id"],
        stix_id=root["id"],
        modified=moment(root.get("modified", "")),
        parts_modified=max(moment(one.get("modified", "")) for one in about),
        title=root["name"][:300],
        issued_on=day(root.get("published") or root["created"]),
        tlp=max(map(_tlp_of, about), key=_STRICTNESS.index, default="clear"),
        body=root.get("description", ""),
        cves=sorted({identifier for one in flaws for identifier in _cves_of(one)}),
        products=[
            {
                "vendor": one.get("vendor", ""),
                "product": one["name"],
                "versions": one.get("version", ""),
            }
            for one in software
        ],
        stix=about,
    )


def _tlp_of(one: dict[str, Any]) -> str:
    if one["type"] != "marking-definition":
        return "clear"
    word = one.get("name", "") or one.get("definition", {}).get("tlp", "")
    return _TLP.get(word.casefold().removeprefix("tlp:").split("+")[0], "clear")


def _cves_of(flaw: dict[str, Any]) -> Iterator[str]:
    if flaw["name"].upper().startswith("CVE-"):
        yield flaw["name"].upper()
    for reference in flaw.get("external_references", []):
        if reference.get("source_name") == "cve" and "external_id" in reference:
            yield reference["external_id"].upper()


def as_bundle(found: Iterable[Found]) -> str:
    """A STIX 2.1 bundle: what came as STIX goes out as it came, the rest as reports of our own."""
    objects: dict[str, dict[str, Any]] = {}
    for one in found:
        for part in one.stix or map(_plain, _objects_of(one)):
            objects[part["id"]] = part
    identity = f"bundle--{uuid.uuid5(_NAMESPACE, '|'.join(sorted(objects)))}"
    bundle = {"type": "bundle", "id": identity, "objects": list(objects.values())}
    return json.dumps(bundle, ensure_ascii=False, indent=2)


def _plain(one: Any) -> dict[str, Any]:
    return json.loads(one.serialize())


def _objects_of(found: Found) -> Iterator[Any]:
    def identity(kind: str, name: str) -> str:
        return f"{kind}--{uuid.uuid5(_NAMESPACE, f'{found.stix_id}|{name}')}"

    moment = f"{found.issued_on.isoformat()}T00:00:00Z"
    stamps = {"created": moment, "modified": moment}
    author = stix2.Identity(
        id=identity("identity", "author"),
        name=found.source,
        identity_class="organization",
        **stamps,
    )
    flaws = [
        stix2.Vulnerability(
            id=identity("vulnerability", cve),
            name=cve,
            external_references=[{"source_name": "cve", "external_id": cve}],
            **stamps,
        )
        for cve in found.cves
    ]
    software = [
        stix2.Software(
            name=one["product"],
            **{
                name: one[key]
                for name, key in (("vendor", "vendor"), ("version", "versions"))
                if one[key]
            },
        )
        for one in found.products
    ]
    marking = _MARKINGS[found.tlp]
    yield author
    yield marking
    yield from flaws
    yield from software
    yield stix2.Report(
        id=found.stix_id,
        created_by_ref=author.id,
        name=found.title,
        description="\n\n".join(filter(None, [found.body, found.action])) or found.title,
        published=moment,
        object_refs=[one.id for one in (*flaws, *software)] or [author.id],
        object_marking_refs=[marking.id],
        **stamps,
    )


# --- CVE and KEV -------------------------------------------------------------------------------


def _cve(content: dict[str, Any]) -> Found:
    """A CVE record, format 5 (CVE Program)."""
    meta, cna = content["cveMetadata"], content["containers"]["cna"]
    if meta.get("state") == "REJECTED":
        raise IntelligenceRefused(f"{meta['cveId']} 已被撤銷，沒有匯入。")
    published = meta.get("datePublished") or meta["dateReserved"]
    return Found(
        origin="cve",
        source="CVE",
        source_id=meta["cveId"],
        stix_id=stix_id("cve", meta["cveId"]),
        modified=moment(meta.get("dateUpdated", "")),
        title=(cna.get("title") or meta["cveId"])[:300],
        issued_on=day(published),
        severity=_severity(cna.get("metrics", [])),
        body=_in_our_language(cna.get("descriptions", [])),
        action=_in_our_language(cna.get("solutions", [])),
        cves=[meta["cveId"]],
        products=[
            {
                "vendor": one.get("vendor", ""),
                "product": one.get("product", ""),
                "versions": "、".join(map(_versions, one.get("versions", []))),
            }
            for one in cna.get("affected", [])
        ],
    )


def _severity(metrics: list[dict[str, Any]]) -> str:
    for metric in metrics:
        for scores in metric.values():
            if isinstance(scores, dict) and "baseSeverity" in scores:
                return _SEVERITIES.get(scores["baseSeverity"].casefold(), _DEFAULT_SEVERITY)
    return _DEFAULT_SEVERITY


def _in_our_language(texts: list[dict[str, Any]]) -> str:
    """The Chinese text if there is one, else the first."""
    ordered = sorted(texts, key=lambda text: not text.get("lang", "").casefold().startswith("zh"))
    return ordered[0].get("value", "") if ordered else ""


def _versions(one: dict[str, Any]) -> str:
    start = "" if one["version"] in {"0", "*", "unspecified"} else one["version"]
    if before := one.get("lessThan"):
        return f"{start or '所有'} 到 {before}（不含）"
    if last := one.get("lessThanOrEqual"):
        return f"{start or '所有'} 到 {last}"
    return one["version"]


def _catalogue(content: dict[str, Any]) -> list[Found]:
    """CISA's Known Exploited Vulnerabilities catalogue.  Its lines say when they were added, not
    when they were changed: all are of the day of the catalogue."""
    released = moment(day(content["catalogVersion"].replace(".", "-")).isoformat())
    return [_known_exploited(entry, released) for entry in content["vulnerabilities"]]


def _known_exploited(entry: dict[str, Any], released: str) -> Found:
    """A line of the catalogue: it is being used in attacks."""
    ransom = {"Known": "已知", "Unknown": "未知"}
    used = entry.get("knownRansomwareCampaignUse", "")
    details = [
        ["勒索軟體利用", ransom.get(used, used)],
        ["CWE", "、".join(entry.get("cwes", []))],
        ["備註", entry.get("notes", "")],
    ]
    return Found(
        origin="kev",
        source="KEV",
        source_id=entry["cveID"],
        stix_id=stix_id("kev", entry["cveID"]),
        modified=released,
        title=f"{entry['cveID']} {entry['vulnerabilityName']}"[:300],
        issued_on=day(entry["dateAdded"]),
        due_on=day(entry["dueDate"]),
        severity="critical",
        body=entry["shortDescription"],
        action=entry["requiredAction"],
        cves=[entry["cveID"]],
        products=[{"vendor": entry["vendorProject"], "product": entry["product"], "versions": ""}],
        details=[[title, text] for title, text in details if text],
    )
