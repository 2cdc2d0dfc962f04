"""The same bytes again, and nothing has changed since: the outcome is known without reading them.

What becomes of a file depends on its bytes, on the people and the records of its agency, on the
rules, and, where a row lies in the future, on the day.  An import that is finished keeps a digest
of all these but the bytes, as they are now that its own rows are stored.  A later import of the
same bytes that finds the same digest knows: what was imported then is unchanged, and every other
row has the fault that it had.  Whatever differs, if only a line of our own code, the file goes the
long way (`importing`); `tests/integration/hours/portal_import/test_unchanged_file.py` holds the
one against the other.
"""

import hashlib
import sys
from datetime import date
from functools import cache
from pathlib import Path

import polars as pl
from django.conf import settings
from django.utils import timezone

import ismp
from ismp.accounts.models import Agency
from ismp.hours.models import RecordsVersion
from ismp.hours.portal_import.matching import People
from ismp.hours.portal_import.result import ResultOfHours
from ismp.imports.models import ImportRun, State


def fingerprint(agency: Agency, people: People, today: date | None) -> str:
    """64 hex digits for all that an outcome depends on beside the file; `today` if that too.

    To be asked for under the lock of the agency.
    """
    edition = RecordsVersion.objects.filter(agency=agency).values_list("number", flat=True).first()
    limits = [getattr(settings, name) for name in sorted(dir(settings)) if "UPLOAD_MAX" in name]
    all_of_it = (_rules(), people.digest, edition, limits, today)
    return hashlib.sha256(repr(all_of_it).encode()).hexdigest()


def known(run: ImportRun, people: People, today: date) -> ResultOfHours | None:
    """Return the outcome of the rows of `run`, or None when it is not known."""
    same_bytes = ImportRun.objects.filter(
        agency=run.agency, sha256=run.sha256, state=State.COMPLETED, dry_run=False
    )
    if not same_bytes.exists():
        return None
    now = [fingerprint(run.agency, people, day) for day in (None, today)]
    former = same_bytes.filter(fingerprint__in=now).first()
    # With a clock put back, what was past then may lie in the future now.
    if former is None or former.finished_at is None:
        return None
    if timezone.localdate(former.finished_at) > today:
        return None
    return ResultOfHours.of_same_bytes(former)


@cache
def _rules() -> str:
    """A digest of our code and of what it leans on."""
    digest = hashlib.sha256(f"{sys.version} {pl.__version__}".encode())
    for path in sorted(Path(ismp.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
