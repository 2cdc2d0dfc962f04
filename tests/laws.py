"""What a test asks of the product to hold it against the oracle and the laws."""

import world

from ismp.accounts.models import Agency
from ismp.hours import actions, report
from ismp.hours.models import Record

COUNTS = ("total", "created", "updated", "unchanged", "rejected")


def take(data, *, agency=world.AGENCY_A, filename="成績.csv", **options):
    found = Agency.objects.get(code=agency)
    return actions.import_file([data], agency=found, filename=filename, **options)


def outcome(run):
    """State, counts, rejections and name notes: what the oracle tells too."""
    faults = [(fault["line"], fault["code"]) for fault in report.rejections(run)]
    counts = tuple(getattr(run, name) for name in COUNTS)
    return run.state, counts, faults, run.notes.get("names", 0)


def told(answer):
    counts = tuple(answer.counts[name] for name in COUNTS)
    return answer.state, counts, answer.rejections, len(answer.name_notes)


def records_of(agency):
    mine = Record.objects.live().filter(agency__code=agency).order_by("pk")
    return list(mine.values())
