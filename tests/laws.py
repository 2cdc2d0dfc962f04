"""What a test asks of the product to hold it against the oracle and the laws."""

from collections import Counter

import world

from ismp.accounts.models import Agency
from ismp.hours import actions, report
from ismp.hours.models import DayTally, MonthTally, PersonYear, Record, Wording

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


def tallies_are_true():
    """Each tally is what the live records add up to now; a line that fell to 0 says nothing."""
    days, months, people, texts = Counter(), Counter(), Counter(), set()
    for record in Record.objects.live():
        agency, month = record.agency_id, record.ended_on.replace(day=1)
        days[agency, record.ended_on] += 1
        months[agency, "", "", month] += 1
        for field in ("department", "title"):
            text = getattr(record, field)
            months[agency, field, text, month] += 1
            texts.add((agency, field, text))
        year = agency, record.account_id, record.category, record.ended_on.year
        people[(*year, "records")] += 1
        people[(*year, "hours")] += record.hours
    wordings = {(w.agency_id, w.wording): (w.field, w.text) for w in Wording.objects.all()}
    assert len(set(wordings.values())) >= len({text[1:] for text in texts})
    told_days = {(t.agency_id, t.ended_on): t.live for t in DayTally.objects.all()}
    told_months = {
        (t.agency_id, *wordings.get((t.agency_id, t.wording), ("", "")), t.month): t.live
        for t in MonthTally.objects.all()
    }
    assert len(told_months) == MonthTally.objects.count()
    told_people = {}
    for line in PersonYear.objects.all():
        year = line.agency_id, line.account_id, line.category, line.year
        told_people |= {(*year, "records"): line.live, (*year, "hours"): line.hours}
    for truth, kept in ((days, told_days), (months, told_months), (people, told_people)):
        assert +truth == +Counter(kept)
