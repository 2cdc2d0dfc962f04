"""From the bytes of a file to what it holds: which kind of intelligence it is, or what else it is.

Files only, no network.  A file that cannot be read is refused with one sentence in Chinese that
names the entry; nothing of it is taken.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ismp.imports import archives
from ismp.security.intelligence import cve, kev, stix
from ismp.security.intelligence.found import Contents, Found, IntelligenceRejected
from ismp.security.intelligence.schema import Fault, Record, may_hold_unstorable
from ismp.ui import limits, reading
from ismp.ui.reading.faults import FileRejected
from ismp.ui.reading.raw import Limits

MAX_BYTES = 64 * 1024 * 1024
MAX_UNPACKED = 256 * 1024 * 1024
MAX_ENTRIES = 20_000
KINDS = "STIX 2.0 與 2.1（bundle、TAXII）、CVE JSON 5（單筆、清單、ZIP）、KEV（JSON、CSV）"
_UNKNOWN = f"看不出是哪一種情資檔案；可匯入 {KINDS}。"
_NOT_JSON = "檔案不是 JSON，請使用原始下載的檔案。"
_FOREIGN: tuple[tuple[Callable[[Mapping[str, Any]], bool], str], ...] = (
    (
        lambda one: "Event" in one or "response" in one,
        "這是 MISP 的事件 JSON；請在 MISP 改用 STIX 2.1 匯出。",
    ),
    (
        lambda one: "document" in one and "csaf_version" in str(one["document"])[:2_000],
        "這是 CSAF 公告；請改用同一弱點的 CVE JSON 5 紀錄。",
    ),
    (
        lambda one: one.get("data_type") == "CVE",
        "這是舊版（4.0）的 CVE 紀錄；請從 cve.org 下載 CVE JSON 5。",
    ),
    (
        lambda one: str(one.get("format", "")).startswith("NVD") or "resultsPerPage" in one,
        "這是 NVD 的查詢結果；請從 cve.org 下載 CVE JSON 5。",
    ),
    (
        lambda one: "schema_version" in one and "affected" in one,
        "這是 OSV 紀錄；請改用同一弱點的 CVE JSON 5 紀錄。",
    ),
)
"""Files of the same trade that we do not read, and what to do instead."""


def read(data: bytes) -> Contents:
    """Read the advisories of a file.  Raises IntelligenceRejected."""
    if len(data) > MAX_BYTES:
        raise IntelligenceRejected(f"檔案超過 {MAX_BYTES // 1048576} MB，請分成幾個檔案匯入。")
    if archives.is_zip(data):
        return _joined(_unpacked(data))
    return _content(data)


def _unpacked(data: bytes) -> Iterable[Contents]:
    most = Limits(max_bytes=MAX_UNPACKED, max_rows=0, max_columns=0)
    try:
        for name, content in archives.entries(data, (".json", ".csv"), most, MAX_ENTRIES):
            if name.rsplit("/", 1)[-1].casefold() in {"delta.json", "deltalog.json"}:
                continue  # the lists of changes that the CVE Program puts beside its records
            try:
                yield _content(content)
            except IntelligenceRejected as refusal:
                raise IntelligenceRejected(f"壓縮檔裡的 {name[-80:]}：{refusal}") from refusal
    except FileRejected as refusal:
        raise IntelligenceRejected(str(refusal)) from refusal


def _joined(parts: Iterable[Contents]) -> Contents:
    whole = Contents()
    for part in parts:
        whole.found += part.found
        whole.remarks += part.remarks
        whole.superseded |= part.superseded
    if not whole.found:
        raise IntelligenceRejected(f"壓縮檔裡沒有情資檔案；可匯入 {KINDS}。")
    whole.remarks = list(dict.fromkeys(whole.remarks))
    return whole


def _content(data: bytes) -> Contents:
    text = _decoded(data)
    if text is None:
        return _table(data)
    start = text.lstrip()[:1]
    if start == "<":
        raise IntelligenceRejected(
            "這是 XML 或網頁，不是 JSON；STIX 1.x 請向來源索取 STIX 2.1，網頁請改下載原始檔案。"
        )
    if start not in {"{", "["}:
        return _table(data)
    try:
        content = json.loads(text, parse_constant=_no_number, parse_float=_number)
    except (ValueError, RecursionError) as error:
        raise IntelligenceRejected(_NOT_JSON) from error
    return _of_json(content, is_suspect=may_hold_unstorable(text))


def _decoded(data: bytes) -> str | None:
    """None when it is no Unicode, and so no JSON."""
    is_wide = data[:2] in {b"\xff\xfe", b"\xfe\xff"}
    try:
        return data.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError:
        return None


def _number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(text)
    return number


def _no_number(text: str) -> float:
    raise ValueError(text)


def _table(data: bytes) -> Contents:
    """A CSV: KEV's is the only one that we read."""
    try:
        table = reading.read(
            data, kev.TITLES, required=kev.HEAD, missing=_NOT_JSON, limits=limits.of_tables()
        )
        contents = _catalogue(list(kev.csv_entries(table)), "")
    except IntelligenceRejected:
        raise
    except FileRejected as reason:
        raise IntelligenceRejected(str(reason)) from reason
    contents.remarks.append(
        "CSV 沒有目錄的版本日期，無法判斷新舊，已照這個檔案的內容更新；"
        "要避免舊檔蓋掉新檔，請改用 JSON。"
    )
    return contents


def _of_json(content: Any, *, is_suspect: bool) -> Contents:
    if isinstance(content, list):
        return _of_list(content, is_suspect=is_suspect)
    if not isinstance(content, dict):
        raise IntelligenceRejected(_UNKNOWN)
    if content.get("dataType") == "CVE_RECORD":
        return _records([content])
    if (
        content.get("type") == "bundle"
        or {"objects", "more"} <= set(content)
        or set(content) == {"objects"}
    ):
        return stix.read(_list_in(content, "objects"), may_hold_unstorable=is_suspect)
    if "vulnerabilities" in content and ("catalogVersion" in content or _is_catalogue(content)):
        return _catalogue(_list_in(content, "vulnerabilities"), kev.released(content))
    if isinstance(content.get("cveRecords"), list):
        return _records(content["cveRecords"])
    if isinstance(content.get("id"), str) and "--" in content["id"] and "type" in content:
        return stix.read([content], may_hold_unstorable=is_suspect)
    for is_it, sentence in _FOREIGN:
        if is_it(content):
            raise IntelligenceRejected(sentence)
    raise IntelligenceRejected(_UNKNOWN)


def _of_list(content: list[Any], *, is_suspect: bool) -> Contents:
    """An array: of CVE records, of STIX objects, of bundles."""
    if not content:
        raise IntelligenceRejected(f"檔案是空的清單，沒有任何情資；可匯入 {KINDS}。")
    if all(isinstance(one, dict) and one.get("dataType") == "CVE_RECORD" for one in content):
        return _records(content)
    if all(isinstance(one, dict) and isinstance(one.get("type"), str) for one in content):
        things: list[Any] = []
        for one in content:
            things += _list_in(one, "objects") if one["type"] == "bundle" else [one]
        return stix.read(things, may_hold_unstorable=is_suspect)
    raise IntelligenceRejected(_UNKNOWN)


def _list_in(content: Mapping[str, Any], name: str) -> list[Any]:
    if name not in content:
        raise IntelligenceRejected(f"檔案缺少必要的 {name}，請使用原始下載的檔案。")
    if not isinstance(found := content[name], list):
        raise IntelligenceRejected(f"檔案缺少必要的清單 {name}，請使用原始下載的檔案。")
    return found


def _is_catalogue(content: Mapping[str, Any]) -> bool:
    lines = content["vulnerabilities"]
    return (
        isinstance(lines, list)
        and bool(lines)
        and isinstance(lines[0], dict)
        and "cveID" in lines[0]
    )


def _records(content: list[Any]) -> Contents:
    return Contents([cve.read(one) for one in _checked(content, cve.SCHEMA, cve.called)])


def _catalogue(content: list[Any], modified: str) -> Contents:
    def called(entry: Any) -> str:
        name = entry.get("cveID") if isinstance(entry, dict) else None
        return name if isinstance(name, str) and len(name) <= 30 and name.isascii() else ""

    if not content:
        raise IntelligenceRejected("KEV 目錄裡沒有任何弱點，沒有匯入。")
    return Contents(list(kev.read(_checked(content, kev.ENTRY, called), modified)))


def _checked(content: list[Any], schema: Record, called: Callable[[Any], str]) -> list[Any]:
    for number, one in enumerate(content, start=1):
        try:
            schema.check(one)
        except Fault as fault:
            name = f"（{name}）" if (name := called(one)) else ""
            raise IntelligenceRejected(
                f"檔案的第 {number} 筆{name}：{fault}；請使用原始下載的檔案，或請來源單位更正。"
            ) from fault
    return content


def found_in(data: bytes) -> list[Found]:
    """The advisories of a file, without the remarks."""
    return read(data).found
