"""資安情資, 資通安全通報, 管制設備: what is known, what happened, what stands where.

Knows agencies and people (`ismp.accounts`), not what anybody has learned.  Nothing here is ever
deleted: an incident, an answer or a device ends by its state, because the law asks for it later.

`incidents`      資通安全通報: incidents, timelines, the clocks of the law, 資安長
`devices`        管制設備: inventory, restricted products, decisions, 年度盤點 and its signatures
`intelligence`   資安情資: advisories, and what each agency answered
`reminders`      which deadlines somebody was told of
`scoped`         whose rows somebody sees
"""

from ismp.accounts.models import SecurityOfficer
from ismp.security.models.devices import (
    Campaign,
    Decision,
    Device,
    DeviceKind,
    Network,
    RestrictedProduct,
    SignOff,
    asset_key,
    signing_agencies,
)
from ismp.security.models.incidents import (
    OVER,
    Cause,
    Incident,
    IncidentEntry,
    IncidentState,
    TimeLimit,
)
from ismp.security.models.intelligence import (
    BY_SOURCE,
    Address,
    Advisory,
    AgencyGroup,
    Answer,
    Ended,
    EvidenceFile,
    EvidencePiece,
    Indicator,
    IntelligenceFile,
    IntelligencePiece,
    Origin,
    Reply,
    Severity,
    Tlp,
    Vendor,
)
from ismp.security.models.reminders import Reminder

__all__ = [
    "BY_SOURCE",
    "OVER",
    "Address",
    "Advisory",
    "AgencyGroup",
    "Answer",
    "Campaign",
    "Cause",
    "Decision",
    "Device",
    "DeviceKind",
    "Ended",
    "EvidenceFile",
    "EvidencePiece",
    "Incident",
    "IncidentEntry",
    "IncidentState",
    "Indicator",
    "IntelligenceFile",
    "IntelligencePiece",
    "Network",
    "Origin",
    "Reminder",
    "Reply",
    "RestrictedProduct",
    "SecurityOfficer",
    "Severity",
    "SignOff",
    "TimeLimit",
    "Tlp",
    "Vendor",
    "asset_key",
    "signing_agencies",
]
