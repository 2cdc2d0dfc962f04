"""Reading and writing intelligence: STIX 2.0 and 2.1, CVE records (JSON 5), the KEV catalogue.

Files only, no network, no Django.  Knows the formats, not what becomes of an advisory.

`opening`     which kind of file it is: JSON, CSV, ZIP
`stix`        bundles: reports, groupings, vulnerabilities, loose indicators
`cve`, `kev`  records and catalogues
`schema`      what JSON from outside may hold
`tlp`, `severity`, `versions`, `indicators`   what markings, scores, ranges and patterns mean
`writing`     a STIX 2.1 bundle of our own
`found`       what the readers give
"""

from ismp.security.intelligence.found import (
    Contents,
    Found,
    IntelligenceRejected,
    Ioc,
    day,
    moment,
    stix_id,
)
from ismp.security.intelligence.opening import KINDS, MAX_BYTES, found_in, read
from ismp.security.intelligence.writing import as_bundle

__all__ = [
    "KINDS",
    "MAX_BYTES",
    "Contents",
    "Found",
    "IntelligenceRejected",
    "Ioc",
    "as_bundle",
    "day",
    "found_in",
    "moment",
    "read",
    "stix_id",
]
