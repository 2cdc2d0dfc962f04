"""How severe: by CVSS scores and vectors of any version, the highest of all that are given.

Vectors are computed by the `cvss` library (Red Hat); bands are those of FIRST (v3, v4) and NVD (v2,
which knows no 嚴重).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import cvss
from cvss.exceptions import CVSSError

UNRATED = "unrated"
_ORDER = (UNRATED, "low", "medium", "high", "critical")
_WORDS = {"none": "low", "low": "low", "medium": "medium", "moderate": "medium"}
_WORDS |= {"high": "high", "important": "high", "critical": "critical"}
_LONGEST = 400


def highest(severities: Iterable[str]) -> str:
    return max(severities, key=_ORDER.index, default=UNRATED)


def of_word(word: Any) -> str:
    """A severity by its English name; UNRATED for any other value."""
    return _WORDS.get(word.strip().casefold(), UNRATED) if isinstance(word, str) else UNRATED


def of_score(score: Any, *, version: str = "3") -> str:
    """A base score, 0 to 10, in the bands of its version of CVSS."""
    if isinstance(score, str):
        try:
            score = float(score)
        except ValueError:
            return UNRATED
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 10:
        return UNRATED
    if version.startswith("2"):
        return "low" if score < 4 else "medium" if score < 7 else "high"
    bands = ((9, "critical"), (7, "high"), (4, "medium"))
    return next((name for least, name in bands if score >= least), "low")


def of_vector(vector: Any, *, version: str = "") -> str:
    """Severity of a CVSS vector; UNRATED when it is none."""
    if not isinstance(vector, str) or len(vector) > _LONGEST:
        return UNRATED
    text = vector.strip().strip("()")
    try:
        if text.startswith("CVSS:4"):
            return of_score(float(cvss.CVSS4(text).base_score), version="4")
        if text.startswith("CVSS:3"):
            return of_score(float(cvss.CVSS3(text).base_score))
        if version.startswith(("", "2")) and "Au:" in text:
            return of_score(float(cvss.CVSS2(text).base_score), version="2")
    except (CVSSError, ArithmeticError, ValueError, KeyError, TypeError):
        return UNRATED
    return UNRATED


def of_metric(name: str, metric: Mapping[str, Any]) -> str:
    """One `cvssV3_1` (its name) of a CVE record: by vector, score or word, the highest of them."""
    version = name.removeprefix("cvssV")
    return highest(
        (
            of_vector(metric.get("vectorString"), version=version),
            of_score(metric.get("baseScore"), version=version),
            of_word(metric.get("baseSeverity")),
        )
    )


def of_properties(one: Mapping[str, Any]) -> str:
    """CVSS in the custom properties of a STIX object or its extensions, as OpenCTI and MISP have
    them: `x_opencti_cvss_base_score`, `cvss_v4_vector_string`, `x_misp_cvss_string` …"""
    found = []
    for name, value in one.items():
        if name == "extensions" and isinstance(value, Mapping):
            found += [of_properties(part) for part in value.values() if isinstance(part, Mapping)]
        elif "base_severity" in name or name.endswith(("cvss_severity", "x_opencti_severity")):
            found.append(of_word(value))
        elif "temporal" not in name and name.endswith(("base_score", "cvss_score")):
            version = "2" if "_v2" in name else "4" if "_v4" in name else "3"
            found.append(of_score(value, version=version))
        elif name.endswith(("cvss_vector", "vector_string", "cvss_string")):
            found.append(of_vector(value))
    return highest(found)
