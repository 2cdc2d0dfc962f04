"""Hours that are credited here (our own courses, certificates), written as the portal's file would
tell them.

They take the same way as the rows of a file (clean → keys → store), so that the same event from
either side is one record.  Knows no course: who completed what is told by the caller.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from ismp.accounts.models import Account
from ismp.hours import cleaning, matching, portal_file
from ismp.hours.models import ImportRun, in_hours
from ismp.hours.profile import NAMES
from ismp.hours.result import ResultOfHours
from ismp.ui import roc

_HOURS_UNIT = "1"
_DIGITAL, _CLASSROOM = "1", "2"


@dataclass(frozen=True)
class Credit:
    """One person's completion of one training; hours in thousandths."""

    account: Account
    category: int
    organizer_code: str
    organizer_name: str
    title: str
    term: str
    started_on: date
    ended_on: date
    digital_hours: int = 0
    classroom_hours: int = 0
    score: str = ""

    def cells(self) -> dict[str, str]:
        """The row of the portal's file that says the same."""
        department = self.account.department
        return dict.fromkeys(NAMES, "") | {
            "name": self.account.name,
            "organizer_code": self.organizer_code,
            "organizer_name": self.organizer_name,
            "department": department.name if department else "",
            "category": str(self.category),
            "title": self.title,
            "term": self.term,
            "started_on": roc.roc_date(self.started_on),
            "ended_on": roc.roc_date(self.ended_on),
            "total": in_hours(self.digital_hours + self.classroom_hours),
            "unit": _HOURS_UNIT,
            "score": self.score,
            "nature": _DIGITAL if self.digital_hours else _CLASSROOM,
            "digital_hours": in_hours(self.digital_hours),
            "classroom_hours": in_hours(self.classroom_hours),
        }


def store(credits: Sequence[Credit], run: ImportRun) -> dict[str, int]:
    """Write them as the records of a run of their agency, whose lock the caller holds.

    Returns the counts of the run.
    """
    frame = pl.DataFrame([credit.cells() for credit in credits], dict.fromkeys(NAMES, pl.String))
    frame = cleaning.clean(frame.with_row_index("line", offset=1)).with_columns(
        pl.Series("account", [credit.account.pk for credit in credits], pl.Int64),
        other_name=pl.lit(value=False),
        code=pl.lit(None, pl.String),
    )
    frames = iter([matching.add_keys(frame)])
    return portal_file.store(run, frames, ResultOfHours([]), lambda *_: None).counts()
