"""CVE records, format 5 (CVE Program): what is affected, how severe, and what was taken back.

All containers count: the CNA's own and those that others add (`adp`, such as CISA's).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ismp.security.intelligence import severity, versions
from ismp.security.intelligence.found import Found, day, moment, stix_id, today
from ismp.security.intelligence.schema import Many, Moment, Number, Record, Text

CVE_ID = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")
"""As the CVE Program writes them; the sequence has at least four digits."""
_ID = Text(30, CVE_ID, "CVE 編號（例如 CVE-2026-0001）")
_LINE = Text(2_000)
_TEXTS = Many(Record({"lang": Text(20), "value": Text(65_536)}, ("value",)), 100)
_STATUS = Text(20, re.compile("affected|unaffected|unknown"), "affected、unaffected 或 unknown")
_VERSION = Record(
    {
        "version": _LINE,
        "status": _STATUS,
        "lessThan": _LINE,
        "lessThanOrEqual": _LINE,
        "versionType": Text(200),
        "changes": Many(Record({"at": _LINE, "status": _STATUS}, ("at", "status")), 1_000),
    },
    ("version", "status"),
)
_AFFECTED = Record(
    {
        "vendor": _LINE,
        "product": _LINE,
        "packageName": _LINE,
        "defaultStatus": _STATUS,
        "versions": Many(_VERSION, 10_000),
    }
)
_CVSS = Record(
    {"vectorString": Text(400), "baseScore": Number(0, 10), "baseSeverity": Text(20)},
)
_METRIC = Record(
    {
        **{f"cvssV{version}": _CVSS for version in ("2_0", "3_0", "3_1", "4_0")},
        "other": Record({"type": Text(300), "content": Record({})}),
    }
)
_CWES = Many(Record({"cweId": Text(20), "description": Text(4_096)}), 100)
_CONTAINER = Record(
    {
        "title": Text(4_096),
        "descriptions": _TEXTS,
        "solutions": _TEXTS,
        "workarounds": _TEXTS,
        "rejectedReasons": _TEXTS,
        "replacedBy": Many(_ID, 100),
        "datePublic": Moment(),
        "affected": Many(_AFFECTED, 10_000),
        "metrics": Many(_METRIC, 1_000),
        "problemTypes": Many(Record({"descriptions": _CWES}), 100),
        "references": Many(Record({"url": Text(4_096)}), 1_000),
        "providerMetadata": Record({"dateUpdated": Moment(), "shortName": Text(100)}),
    }
)
SCHEMA = Record(
    {
        "cveMetadata": Record(
            {
                "cveId": _ID,
                "state": Text(20),
                "datePublished": Moment(),
                "dateReserved": Moment(),
                "dateUpdated": Moment(),
                "dateRejected": Moment(),
            },
            ("cveId",),
        ),
        "containers": Record({"cna": _CONTAINER, "adp": Many(_CONTAINER, 100)}, ("cna",)),
    },
    ("cveMetadata", "containers"),
)
_SHOWN_LINKS = 20


def called(record: Any) -> str:
    """Name a record for a sentence about it."""
    meta = record.get("cveMetadata") if isinstance(record, Mapping) else None
    name = meta.get("cveId") if isinstance(meta, Mapping) else None
    return name if isinstance(name, str) and CVE_ID.fullmatch(name) else ""


def read(record: Mapping[str, Any]) -> Found:
    """One record that fits SCHEMA."""
    meta, cna = record["cveMetadata"], record["containers"]["cna"]
    containers = [cna, *record["containers"].get("adp", [])]
    name = meta["cveId"]
    found = Found(
        origin="cve",
        source="CVE",
        source_id=name,
        stix_id=stix_id("cve", name),
        modified=_modified(meta, containers),
        title=(cna.get("title", "").strip() or name)[:300],
        issued_on=_issued(meta, cna),
        severity=_severity(containers),
        body=_in_our_language(cna.get("descriptions", [])),
        action=_in_our_language([*cna.get("solutions", []), *cna.get("workarounds", [])]),
        cves=[name],
    )
    entries = [one for container in containers for one in container.get("affected", [])]
    found.products = list(_products(entries))
    found.details = [[title, text] for title, text in _details(containers, entries) if text]
    if meta.get("state", "").upper() == "REJECTED":
        replaced = cna.get("replacedBy", [])
        found.ended = "superseded" if replaced else "rejected"
        reason = _in_our_language(cna.get("rejectedReasons", []))
        instead = f"改用 {'、'.join(replaced)}。" if replaced else ""
        found.ended_because = f"{instead}{reason}"
    return found


def _modified(meta: Mapping[str, Any], containers: list[Mapping[str, Any]]) -> str:
    """The last change of any container."""
    moments = [meta.get("dateUpdated", ""), meta.get("dateRejected", "")]
    moments += [one.get("providerMetadata", {}).get("dateUpdated", "") for one in containers]
    return max(map(moment, moments))


def _issued(meta: Mapping[str, Any], cna: Mapping[str, Any]) -> Any:
    """`datePublished` is optional: else whatever comes nearest."""
    moments = [meta.get("datePublished"), cna.get("datePublic"), meta.get("dateUpdated")]
    moments += [meta.get("dateReserved"), meta.get("dateRejected")]
    first = next(filter(None, moments), None)
    return day(first) if first else today()


def _severity(containers: list[Mapping[str, Any]]) -> str:
    return severity.highest(
        severity.of_metric(name, metric)
        for container in containers
        for one in container.get("metrics", [])
        for name, metric in one.items()
        if name.startswith("cvssV") and isinstance(metric, Mapping)
    )


def _in_our_language(texts: list[Mapping[str, Any]]) -> str:
    """The Chinese text if there is one, else the first."""
    ordered = sorted(texts, key=lambda text: not text.get("lang", "").casefold().startswith("zh"))
    return ordered[0]["value"].strip() if ordered else ""


def _products(entries: list[Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    seen = set()
    for one in entries:
        vendor, product = _names(one)
        affected = versions.affected(one)
        key = (vendor.casefold(), product.casefold(), affected)
        if affected is None or not (vendor or product) or key in seen:
            continue
        seen.add(key)
        yield {"vendor": vendor, "product": product, "versions": affected}


def _names(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Vendor and product; a package is a product; `n/a` is none."""
    vendor = entry.get("vendor", "").strip()
    product = entry.get("product", "").strip()
    if product.casefold() in versions.NOT_SAID:
        product = entry.get("packageName", "").strip()
    named = ("" if one.casefold() in versions.NOT_SAID else one for one in (vendor, product))
    first, second = named
    return first, second


def _details(
    containers: list[Mapping[str, Any]], entries: list[Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    scores = [
        f"{metric['baseScore']}（CVSS {name.removeprefix('cvssV').replace('_', '.')}）"
        for container in containers
        for one in container.get("metrics", [])
        for name, metric in one.items()
        if name.startswith("cvssV") and isinstance(metric, Mapping) and "baseScore" in metric
    ]
    yield "CVSS", "、".join(dict.fromkeys(scores))
    yield "來源自評", "、".join(dict.fromkeys(_own_words(containers)))
    cwes = (
        part["cweId"]
        for container in containers
        for kind in container.get("problemTypes", [])
        for part in kind.get("descriptions", [])
        if "cweId" in part
    )
    yield "CWE", "、".join(dict.fromkeys(cwes))
    yield "不受影響的版本", _by_product(entries, versions.unaffected)
    yield "未說明是否受影響", _by_product(entries, _not_said)
    links = (
        one["url"]
        for container in containers
        for one in container.get("references", [])
        if "url" in one
    )
    yield "參考資料", "\n".join(list(dict.fromkeys(links))[:_SHOWN_LINKS])


def _own_words(containers: list[Mapping[str, Any]]) -> Iterator[str]:
    """A severity that is only said in words is no score, but worth knowing."""
    for container in containers:
        for one in container.get("metrics", []):
            text = one.get("other", {}).get("content", {}).get("text")
            if isinstance(text, str) and severity.of_word(text) != severity.UNRATED:
                yield text


def _by_product(entries: list[Mapping[str, Any]], tell: Any) -> str:
    lines = ((*_names(one), tell(one)) for one in entries)
    return "\n".join(dict.fromkeys(" ".join(filter(None, line)) for line in lines if line[2]))


def _not_said(entry: Mapping[str, Any]) -> str:
    """「狀態未知」 for a product of which no version is said to be affected or not."""
    is_stated = versions.affected(entry) is not None or versions.unaffected(entry)
    is_safe = entry.get("defaultStatus") == "unaffected"
    return "" if is_stated or is_safe else "狀態未知"
