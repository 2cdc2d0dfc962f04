"""終身學習時數: runs (one per uploaded file), records (one per learning event), their history.

Knows people and agencies (`ismp.accounts`), not what hours anybody owes.

`runs`         a file from its first byte to its result, its sealed pieces, who waits (待認領)
`records`      learning events, their former contents, deletions, the columns that a person hides
`sums`         months and years as they are kept for lists and duties
`duplicates`   可能重複
`scoped`       whose rows somebody sees
"""

from ismp.hours.models.duplicates import Decision, Duplicate
from ismp.hours.models.records import (
    SEARCH_FIELDS,
    ColumnChoice,
    Contents,
    Deletion,
    Record,
    RecordQuerySet,
    RecordRevision,
    Withdrawal,
    in_hours,
)
from ismp.imports.models import CREDITED, ImportRun, RunFile, Source, State, Waiting
from ismp.hours.models.sums import (
    DAYS_OF_A_MONTH,
    MonthlyCount,
    PersonYear,
    RecordsVersion,
    SearchText,
)

__all__ = [
    "CREDITED",
    "DAYS_OF_A_MONTH",
    "SEARCH_FIELDS",
    "ColumnChoice",
    "Contents",
    "Decision",
    "Deletion",
    "Duplicate",
    "ImportRun",
    "MonthlyCount",
    "PersonYear",
    "Record",
    "RecordQuerySet",
    "RecordRevision",
    "RecordsVersion",
    "RunFile",
    "SearchText",
    "Source",
    "State",
    "Waiting",
    "Withdrawal",
    "in_hours",
]
