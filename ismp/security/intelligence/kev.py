"""CISA's Known Exploited Vulnerabilities catalogue, as JSON and as CSV."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ismp.security.intelligence.cve import CVE_ID
from ismp.security.intelligence.found import Found, IntelligenceRejected, day, moment, stix_id
from ismp.security.intelligence.schema import Many, Moment, Record, Text
from ismp.ui.reading import Table

_LINE = Text(1_000)
_LONG = Text(20_000)
ENTRY = Record(
    {
        "cveID": Text(30, CVE_ID, "CVE 編號（例如 CVE-2026-0001）"),
        "vendorProject": _LINE,
        "product": _LINE,
        "vulnerabilityName": _LINE,
        "dateAdded": Moment(),
        "dueDate": Moment(),
        "shortDescription": _LONG,
        "requiredAction": _LONG,
        "knownRansomwareCampaignUse": Text(50),
        "notes": _LONG,
        "cwes": Many(Text(30), 100),
    },
    (
        *("cveID", "vendorProject", "product", "vulnerabilityName", "dateAdded", "dueDate"),
        *("shortDescription", "requiredAction"),
    ),
)
HEAD = frozenset({"cveID", "vendorProject", "product", "vulnerabilityName", "dateAdded"})
"""Columns by which a CSV of the catalogue is known."""
TITLES = tuple(ENTRY.fields)
_EXCELS_DAY = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})", re.ASCII)
"""As Excel writes a day when it saves a CSV."""
_VERSION = re.compile(r"(\d{4})\.(\d{1,2})\.(\d{1,2})")
_RANSOMWARE = {"known": "已知", "unknown": "未知"}


def released(catalogue: Mapping[str, Any]) -> str:
    """The day of a catalogue, as `moment` writes it; empty when it says none.

    Its lines say when they were added, not when they were changed: all are of this day.
    """
    if found := _VERSION.fullmatch(str(catalogue.get("catalogVersion", "")).strip()):
        return _moment("{}-{:0>2}-{:0>2}".format(*found.groups()))
    released_on = catalogue.get("dateReleased")
    return _moment(released_on[:10]) if isinstance(released_on, str) else ""


def _moment(text: str) -> str:
    try:
        return moment(text)
    except (ValueError, OverflowError) as error:
        raise IntelligenceRejected("目錄的版本日期不合格式，請使用原始下載的檔案。") from error


def csv_entries(table: Table) -> Iterator[dict[str, Any]]:
    """The lines of the CSV, as the JSON has them.  Raises IntelligenceRejected, FileRejected."""
    for row in table.rows:
        if row.more:
            raise IntelligenceRejected(
                f"KEV 的 CSV 第 {row.line} 列的欄數比標題多，請使用原始下載的檔案。"
            )
        entry: dict[str, Any] = {title: row.cells[at] for title, at in table.place.items()}
        for name in ("dateAdded", "dueDate"):
            if found := _EXCELS_DAY.fullmatch(entry.get(name, "")):
                entry[name] = "{}-{:0>2}-{:0>2}".format(*found.groups())
        entry["cwes"] = [one.strip() for one in entry.get("cwes", "").split(",") if one.strip()]
        yield entry


def read(entries: Iterable[Mapping[str, Any]], modified: str) -> Iterator[Found]:
    """Lines that fit ENTRY: each is being used in attacks."""
    for entry in entries:
        used = entry.get("knownRansomwareCampaignUse", "").strip()
        details = [
            ["勒索軟體利用", _RANSOMWARE.get(used.casefold(), used)],
            ["CWE", "、".join(entry.get("cwes", []))],
            ["備註", entry.get("notes", "").strip()],
        ]
        yield Found(
            origin="kev",
            source="KEV",
            source_id=entry["cveID"],
            stix_id=stix_id("kev", entry["cveID"]),
            modified=modified,
            title=f"{entry['cveID']} {entry['vulnerabilityName'].strip()}"[:300],
            issued_on=day(entry["dateAdded"].strip()),
            due_on=day(entry["dueDate"].strip()),
            severity="critical",
            body=entry["shortDescription"].strip(),
            action=entry["requiredAction"].strip(),
            cves=[entry["cveID"]],
            products=[
                {
                    "vendor": entry["vendorProject"].strip(),
                    "product": entry["product"].strip(),
                    "versions": "",
                }
            ],
            details=[[title, text] for title, text in details if text],
        )
