"""終身學習時數: records (one per learning event), their history, who waits (待認領).

Knows people and agencies (`ismp.accounts`), not what hours anybody owes.

`records`      learning events, their former contents, deletions, the columns that a person hides
`sums`         months and years as they are kept for lists and duties
`duplicates`   可能重複
`unclaimed`    待認領: people of a file whom the agency did not know
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
from ismp.hours.models.sums import (
    DAYS_OF_A_MONTH,
    MonthlyCount,
    PersonYear,
    RecordsVersion,
    SearchText,
)
from ismp.hours.models.unclaimed import Waiting

__all__ = [
    "DAYS_OF_A_MONTH",
    "SEARCH_FIELDS",
    "ColumnChoice",
    "Contents",
    "Decision",
    "Deletion",
    "Duplicate",
    "MonthlyCount",
    "PersonYear",
    "Record",
    "RecordQuerySet",
    "RecordRevision",
    "RecordsVersion",
    "SearchText",
    "Waiting",
    "Withdrawal",
    "in_hours",
]
