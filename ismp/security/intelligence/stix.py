"""STIX 2.0 and 2.1: which objects of a bundle make one advisory, and what they say together.

A report or grouping is an advisory with all that it refers to; so is a vulnerability of no report;
so are the loose indicators and observations of one author (a MISP event without a report).  In time
linear in the file: objects are found by id, relationships by both of their ends.
"""

import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ismp.accounts.national_id import hide_within
from ismp.security.intelligence import indicators, severity, tlp
from ismp.security.intelligence.cve import CVE_ID
from ismp.security.intelligence.found import (
    NAMESPACE,
    Contents,
    Found,
    IntelligenceRejected,
    day,
    moment,
)
from ismp.security.intelligence.schema import (
    Fault,
    Flag,
    Many,
    Moment,
    Record,
    Text,
    refuse_unstorable,
)

Thing = dict[str, Any]
_ID = Text(200, re.compile(r"[A-Za-z0-9-]+--[A-Za-z0-9._-]+"), " STIX 的編號（型別--UUID）")
_REFS = Many(_ID)
_LINE, _LONG = Text(5_000), Text(500_000)
_COMMON = Record(
    {
        "type": Text(100, re.compile(r"[a-z0-9-]+"), " STIX 的型別"),
        "id": _ID,
        "spec_version": Text(10, re.compile(r"2\.[01]"), " 2.0 或 2.1"),
        "created": Moment(),
        "modified": Moment(),
        "created_by_ref": _ID,
        "revoked": Flag(),
        "labels": Many(_LINE),
        "extensions": Record({}),
        "name": _LINE,
        "description": _LONG,
        "object_refs": _REFS,
        "object_marking_refs": _REFS,
        "granular_markings": Many(Record({"marking_ref": _ID, "selectors": Many(_LINE)})),
        "external_references": Many(
            Record({"source_name": _LINE, "external_id": _LINE, "url": _LINE, "description": _LONG})
        ),
    },
    ("type", "id"),
)
_NAMED = ("name", "created")
_SCHEMAS = {
    "report": _COMMON.and_({"published": Moment()}, *_NAMED),
    "grouping": _COMMON.and_({"context": _LINE}, "created", "object_refs"),
    "vulnerability": _COMMON.and_({}, *_NAMED),
    "indicator": _COMMON.and_(
        {"pattern": _LONG, "pattern_type": Text(100), "valid_from": Moment()},
        *("created", "pattern"),
    ),
    "observed-data": _COMMON.and_({"first_observed": Moment(), "objects": Record({})}, "created"),
    "x-misp-attribute": _COMMON.and_({"x_misp_type": _LINE, "x_misp_value": _LONG}, "created"),
    "software": _COMMON.and_({"vendor": _LINE, "version": _LINE, "cpe": _LINE}, "name"),
    "identity": _COMMON.and_({}, "name"),
    "relationship": _COMMON.and_(
        {"source_ref": _ID, "target_ref": _ID, "relationship_type": Text(300)},
        *("source_ref", "target_ref", "relationship_type"),
    ),
    "marking-definition": _COMMON.and_({"definition_type": Text(100), "definition": Record({})}),
}
_ROOTS = ("report", "grouping")
_LOOSE = ("indicator", "observed-data", "x-misp-attribute")
_SILENT = frozenset(
    {"identity", "marking-definition", "extension-definition", "language-content", "relationship"}
)
"""Types that are no intelligence by themselves."""
_NAMES = {
    "campaign": "攻擊行動",
    "threat-actor": "威脅行為者",
    "intrusion-set": "入侵組織",
    "malware": "惡意程式",
    "tool": "工具",
    "attack-pattern": "攻擊手法",
    "infrastructure": "攻擊基礎設施",
    "sighting": "目擊紀錄",
    "incident": "事件",
    "location": "地點",
    "course-of-action": "建議措施",
    "note": "註記",
    "opinion": "意見",
    "malware-analysis": "惡意程式分析",
    "report": "報告",
    "grouping": "彙整",
    "vulnerability": "弱點",
    "indicator": "入侵指標",
    "observed-data": "觀察紀錄",
    "identity": "單位",
    "software": "軟體",
    "relationship": "關聯",
    "marking-definition": "標記",
    "ipv4-addr": "IPv4",
    "ipv6-addr": "IPv6",
    "domain-name": "網域",
    "url": "URL",
    "file": "檔案",
}
_DETAIL_KINDS = (
    *("campaign", "threat-actor", "intrusion-set", "malware", "tool"),
    *("attack-pattern", "infrastructure"),
)
_NO_PRODUCT = re.compile(r"not|fix|patch|remediat|mitigat")
"""Relationships between software and vulnerability that say that it is not affected."""
_SUPERSEDES = frozenset({"supersedes", "replaces"})
_SUPERSEDED = frozenset({"superseded-by", "replaced-by"})
_MACHINES = frozenset(
    {"type", "spec_version", "created", "modified", "published", "valid_from", "revoked"}
)
"""Properties whose schema leaves no room for a national ID."""
_UUID = re.compile(r"[a-z0-9-]{3,60}--[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST_PARTS = 500_000
"""Parts of all advisories together: a bundle in which each refers to everything is refused."""
_SHOWN_LINKS = 20


@dataclass
class _Bundle:
    objects: dict[str, Thing] = field(default_factory=dict)
    links: dict[str, list[Thing]] = field(default_factory=lambda: defaultdict(list))
    """Relationships by each of their ends."""
    pairs: dict[tuple[str, str], list[Thing]] = field(default_factory=lambda: defaultdict(list))
    """Relationships by their source and target."""
    parts: int = 0

    def count(self, parts: int) -> None:
        self.parts += parts
        if self.parts > _MOST_PARTS:
            raise IntelligenceRejected("這個 STIX 檔案的報告彼此引用太多物件，請分成幾個檔案匯入。")


def read(given: list[Any], *, may_hold_unstorable: bool = False) -> Contents:
    """The advisories of the objects of a bundle.  Raises IntelligenceRejected.

    `may_hold_unstorable`: look at every value that is kept, not only at those that we read.
    """
    bundle = _indexed(given, is_suspect=may_hold_unstorable)
    contents = Contents(superseded=_superseded(bundle))
    covered: set[str] = set()

    def take(root: Thing, about: dict[str, Thing]) -> None:
        covered.update(about)
        contents.found.append(_advisory(root, about, bundle))

    for one in list(bundle.objects.values()):
        if one["type"] in _ROOTS:
            take(one, _about(one, bundle))
    for root, about in _loose(bundle, covered):
        take(root, about)
    for one in bundle.objects.values():
        if one["type"] == "vulnerability" and one["id"] not in covered:
            take(one, _about(one, bundle))
    for found in contents.found:
        if found.stix_id in contents.superseded and not found.ended:
            found.ended = "superseded"
            found.ended_because = f"改用 {contents.superseded[found.stix_id]}"
    left = Counter(
        one["type"]
        for one in bundle.objects.values()
        if one["id"] not in covered and one["type"] not in _SILENT
    )
    if not contents.found:
        raise IntelligenceRejected(_nothing(bundle, left))
    if left:
        contents.remarks.append(f"檔案裡另有 {_counted(left)}，不屬於任何報告，沒有匯入。")
    return contents


def _nothing(bundle: _Bundle, left: Counter[str]) -> str:
    if not bundle.objects:
        return "STIX 檔案裡沒有任何物件。"
    held = left or Counter(one["type"] for one in bundle.objects.values())
    return (
        f"這個 STIX 檔案只有 {_counted(held)}，沒有報告、弱點或入侵指標，"
        "沒有可以發布給機關的情資；請向來源索取報告（report 或 grouping）。"
    )


def _counted(types: Counter[str]) -> str:
    return "、".join(
        f"{_NAMES.get(name, name)}（{name}）{count} 個" for name, count in types.most_common(10)
    )


# --- Objects -------------------------------------------------------------------------------------


def _indexed(given: list[Any], *, is_suspect: bool) -> _Bundle:
    bundle = _Bundle()
    for number, raw in enumerate(given, start=1):
        _check(raw, number, is_suspect=is_suspect)
        one = _masked(_as_2_1(raw))
        known = bundle.objects.get(one["id"])
        if known is None or _modified(known) < _modified(one):
            bundle.objects[one["id"]] = one
    for one in bundle.objects.values():
        if one["type"] == "relationship" and not one.get("revoked"):
            bundle.pairs[one["source_ref"], one["target_ref"]].append(one)
            for end in {one["source_ref"], one["target_ref"]}:
                bundle.links[end].append(one)
    return bundle


def _check(one: Any, number: int, *, is_suspect: bool) -> None:
    kind = one.get("type") if isinstance(one, dict) else None
    schema = _SCHEMAS.get(kind, _COMMON) if isinstance(kind, str) else _COMMON
    try:
        schema.check(one)
        if is_suspect:
            refuse_unstorable(one)
    except Fault as fault:
        name = one.get("id", "") if isinstance(one, dict) else ""
        called = f"（{name}）" if isinstance(name, str) and name.isascii() and name else ""
        raise IntelligenceRejected(
            f"STIX 檔案的第 {number} 個物件{called[:90]}：{fault}；請向來源單位確認後重新匯入。"
        ) from fault


def _masked(one: Thing) -> Thing:
    """The object without any national ID in its texts (ADR 4)."""
    masked = {
        name: hide_within(value)
        for name, value in one.items()
        if name not in _MACHINES and not _is_made_by_a_machine(name, value)
    }
    return {**one, **masked}


def _is_made_by_a_machine(name: str, value: Any) -> bool:
    """Whether a value is an identifier that can hold no national ID."""
    if name == "id" or name.endswith("_ref"):
        return bool(_UUID.fullmatch(value)) if isinstance(value, str) else False
    if name.endswith("_refs"):
        return all(isinstance(ref, str) and _UUID.fullmatch(ref) for ref in value)
    return False


def _modified(one: Thing) -> str:
    return moment(one.get("modified") or one.get("created", ""))


def _as_2_1(one: Thing) -> Thing:
    """The same object in STIX 2.1.  One of 2.0 says no version of its own, nor do the observables
    of 2.1, which are never `created`."""
    if one.get("spec_version", "2.0") != "2.0" or "created" not in one:
        return one
    more: Thing = {"spec_version": "2.1"}
    if one["type"] == "indicator":
        more |= {"pattern_type": "stix", "pattern_version": "2.0"}
    if one["type"] == "malware":
        more["is_family"] = False
    return {**more, **one, "spec_version": "2.1"}


# --- What belongs together -----------------------------------------------------------------------


def _about(root: Thing, bundle: _Bundle) -> dict[str, Thing]:
    """The object, what it refers to, and what is related to it, by id."""
    found: dict[str, Thing] = {}
    waiting = [root["id"]]
    while waiting:
        one = bundle.objects.get(id_ := waiting.pop())
        if one is None or id_ in found:
            continue
        found[id_] = one
        waiting += _refers(one, deep=id_ == root["id"] or one["type"] not in _ROOTS)
        if one["type"] == "vulnerability":
            links = bundle.links.get(id_, ())
            bundle.count(len(links))
            for link in links:
                if other := _related(link, id_, bundle):
                    found[link["id"]] = link
                    waiting.append(other)
        bundle.count(1)
    for id_ in list(found):
        for link in _links_within(id_, found, bundle):
            found[link["id"]] = link
    return found


def _refers(one: Thing, *, deep: bool) -> Iterator[str]:
    if deep:
        yield from one.get("object_refs", ())
    yield from one.get("object_marking_refs", ())
    for part in one.get("granular_markings", ()):
        if "marking_ref" in part:
            yield part["marking_ref"]
    for name in ("created_by_ref", "source_ref", "target_ref"):
        if name in one:
            yield one[name]


def _related(link: Thing, id_: str, bundle: _Bundle) -> str:
    """The software or the course of action that a relationship ties to a vulnerability, in either
    direction; empty for any other."""
    other: str = link["target_ref"] if link["source_ref"] == id_ else link["source_ref"]
    kind = bundle.objects.get(other, {}).get("type")
    if kind == "course-of-action":
        return other
    return other if kind == "software" and _affects(link) else ""


def _affects(link: Thing) -> bool:
    return not _NO_PRODUCT.search(link["relationship_type"])


def _links_within(id_: str, found: Mapping[str, Thing], bundle: _Bundle) -> Iterator[Thing]:
    links = bundle.links.get(id_, ())
    if len(links) > len(found):  # an author or a country, to which half of the file is related
        for other in found:
            yield from bundle.pairs.get((id_, other), ())
            yield from bundle.pairs.get((other, id_), ())
        return
    for link in links:
        if link["source_ref"] in found and link["target_ref"] in found:
            yield link


def _loose(bundle: _Bundle, covered: set[str]) -> Iterator[tuple[Thing, dict[str, Thing]]]:
    """The indicators and observations of no report, together by their author; with them what they
    are related to, and the vulnerabilities of the same event (MISP marks them by labels)."""
    groups: dict[str, list[Thing]] = defaultdict(list)
    of_misp: dict[str, set[str]] = defaultdict(set)
    for one in bundle.objects.values():
        if one["id"] in covered or one.get("revoked"):
            continue
        if one["type"] in _LOOSE:
            groups[one.get("created_by_ref", "")].append(one)
        elif one["type"] == "vulnerability" and _is_of_misp(one):
            of_misp[one.get("created_by_ref", "")].add(one["id"])
    for author, loose in groups.items():
        near = set().union(*(_neighbours(one, bundle) for one in loose), of_misp[author])
        ids = {one["id"] for one in loose} | (
            {one for one in near if one in bundle.objects and one not in covered}
        )
        yield _gathered(author, loose, ids, bundle)


def _neighbours(one: Thing, bundle: _Bundle) -> set[str]:
    links = bundle.links.get(one["id"], ())
    return {end for link in links for end in (link["source_ref"], link["target_ref"], link["id"])}


def _is_of_misp(one: Thing) -> bool:
    return any(label.startswith("misp:") for label in one.get("labels", ()))


def _gathered(
    author: str, loose: list[Thing], ids: set[str], bundle: _Bundle
) -> tuple[Thing, dict[str, Thing]]:
    """A grouping of our own round loose objects.  Its id is made of the author and of when the
    oldest was written, so that the same event with more indicators stays the same advisory."""
    created = min(one["created"] for one in loose)
    who = bundle.objects.get(author, {}).get("name", "")
    root: Thing = {
        "type": "grouping",
        "spec_version": "2.1",
        "id": f"grouping--{uuid.uuid5(NAMESPACE, f'loose|{author}|{created}')}",
        "created": created,
        "modified": max(one.get("modified", created) for one in loose),
        "name": f"{who or '未具名來源'} 的入侵指標",
        "context": "suspicious-activity",
        "object_refs": sorted(ids),
    }
    if author in bundle.objects:
        root["created_by_ref"] = author
    bundle.objects.setdefault(root["id"], root)
    return root, _about(root, bundle)


def _superseded(bundle: _Bundle) -> dict[str, str]:
    found = {}
    for one in bundle.objects.values():
        if one["type"] != "relationship" or one.get("revoked"):
            continue
        if one["relationship_type"] in _SUPERSEDES:
            found[one["target_ref"]] = one["source_ref"]
        if one["relationship_type"] in _SUPERSEDED:
            found[one["source_ref"]] = one["target_ref"]
    return found


# --- What they say -------------------------------------------------------------------------------


def _advisory(root: Thing, about: dict[str, Thing], bundle: _Bundle) -> Found:
    parts = list(about.values())
    own = root.get("extensions", {}).get(EXTENSION, {})
    flaws = [one for one in parts if one["type"] == "vulnerability" and not one.get("revoked")]
    author = bundle.objects.get(root.get("created_by_ref", ""), {})
    found = Found(
        origin="stix",
        source=author.get("name", "")[:100] or "STIX",
        source_id=root["id"],
        stix_id=root["id"],
        modified=_modified(root),
        parts_modified=max(map(_modified, parts)),
        title=(root.get("name") or root["id"])[:300],
        issued_on=day(root.get("published") or root["created"]),
        severity=severity.highest(map(severity.of_properties, (root, *flaws))),
        tlp=tlp.strictest(parts, bundle.objects),
        body=root.get("description", ""),
        action="\n".join(_actions(parts)),
        cves=sorted({identifier for one in flaws for identifier in _cves_of(one)}),
        products=list(_products(parts, flaws)),
        details=[[title, text] for title, text in _details(root, parts) if text],
        iocs=indicators.extract(parts),
        ended="revoked" if root.get("revoked") else "",
        stix=parts,
    )
    return _with_our_own(found, own) if isinstance(own, dict) and own else found


EXTENSION = "extension-definition--9c4f3c1e-2f43-5d0e-8a51-2b8d6e1f7a10"
"""What of an advisory STIX has no property for, in the report that we write (`writing`)."""
_OUR_OWN = Record(
    {
        "severity": Text(20, re.compile("unrated|low|medium|high|critical"), "嚴重程度"),
        "body": _LONG,
        "action": _LONG,
        "due_on": Moment(),
        "issued_on": Moment(),
        "details": Many(Many(_LONG, 2), 1_000),
        "products": Many(Record({"vendor": _LINE, "product": _LINE, "versions": _LONG}), 10_000),
    }
)


def _with_our_own(found: Found, own: Thing) -> Found:
    """Read the extension that another platform of this kind wrote."""
    try:
        _OUR_OWN.check(own)
    except Fault as fault:
        raise IntelligenceRejected(f"STIX 檔案的「{found.title[:50]}」：{fault}。") from fault
    found.severity = own.get("severity", found.severity)
    found.body, found.action = own.get("body", found.body), own.get("action", found.action)
    found.due_on = day(own["due_on"]) if "due_on" in own else None
    found.issued_on = day(own["issued_on"]) if "issued_on" in own else found.issued_on
    found.details = own.get("details", found.details)
    if "products" in own:
        names = ("vendor", "product", "versions")
        found.products = [{name: one.get(name, "") for name in names} for one in own["products"]]
    return found


def _cves_of(flaw: Thing) -> Iterator[str]:
    names = [flaw["name"]]
    for reference in flaw.get("external_references", ()):
        if reference.get("source_name", "").casefold() == "cve":
            names.append(reference.get("external_id", ""))
    yield from (one.upper() for one in map(str.strip, names) if CVE_ID.fullmatch(one.upper()))


def _actions(parts: Iterable[Thing]) -> Iterator[str]:
    for one in parts:
        if one["type"] == "course-of-action":
            yield "：".join(filter(None, (one.get("name", ""), one.get("description", ""))))


def _products(parts: list[Thing], flaws: list[Thing]) -> Iterator[dict[str, str]]:
    """Software that is named, unless all that ties it to a vulnerability says that it is fixed."""
    ids = {one["id"] for one in flaws}
    affected: dict[str, bool] = {}
    for one in parts:
        if one["type"] == "relationship" and ids & {one["source_ref"], one["target_ref"]}:
            for end in (one["source_ref"], one["target_ref"]):
                affected[end] = affected.get(end, False) or _affects(one)
    for one in parts:
        if one["type"] == "software" and affected.get(one["id"], True):
            cpe = one.get("cpe", "").split(":")
            vendor = one.get("vendor") or (cpe[3] if len(cpe) > 5 and cpe[0] == "cpe" else "")
            yield {
                "vendor": vendor,
                "product": one["name"],
                "versions": one.get("version", ""),
            }


def _details(root: Thing, parts: list[Thing]) -> Iterator[tuple[str, str]]:
    for kind in _DETAIL_KINDS:
        names = (one.get("name", "") for one in parts if one["type"] == kind)
        yield _NAMES[kind], "、".join(dict.fromkeys(filter(None, names)))
    flaws = (one["name"] for one in parts if one["type"] == "vulnerability")
    yield (
        "弱點",
        "、".join(dict.fromkeys(one for one in flaws if not CVE_ID.fullmatch(one.upper()))),
    )
    unknown = _unknown_markings(parts)
    yield "無法辨識的標記", "、".join(sorted(unknown))
    links = (one.get("url", "") for one in root.get("external_references", ()))
    yield "參考資料", "\n".join(list(dict.fromkeys(filter(None, links)))[:_SHOWN_LINKS])


def _unknown_markings(parts: list[Thing]) -> set[str]:
    known = {one["id"]: one for one in parts}
    refs = {ref for one in parts for ref in one.get("object_marking_refs", ())}
    refs |= {
        part.get("marking_ref", "") for one in parts for part in one.get("granular_markings", ())
    }
    return {ref for ref in refs if ref and tlp.level_of(ref, known.get(ref)) == tlp.UNKNOWN}
