"""Queries by which tests compare the product with the oracle and the laws."""

from collections import Counter
from datetime import timedelta

from ismp.accounts.models import Agency
from ismp.hours.models import (
    DAYS_OF_A_MONTH,
    MonthlyCount,
    PersonYear,
    Record,
    RecordsVersion,
    SearchText,
)
from ismp.imports import actions as import_actions
from ismp.imports import report
from tests.support import scenarios

COUNTS = ("total", "created", "updated", "unchanged", "rejected")


def take(data, *, agency=scenarios.AGENCY_A, filename="成績.csv", **options):
    found = Agency.objects.get(code=agency)
    return import_actions.import_file([data], agency=found, filename=filename, **options)


def outcome(run):
    """State, counts, rejections and name notes: what the oracle tells too."""
    faults = [(fault["line"], fault["code"]) for fault in report.rejections(run)]
    counts = tuple(getattr(run, name) for name in COUNTS)
    return run.state, counts, faults, run.notes.get("names", 0)


def announced(answer):
    counts = tuple(answer.counts[name] for name in COUNTS)
    return answer.state, counts, answer.rejections, len(answer.name_notes)


def records_of(agency):
    own = Record.objects.live().filter(agency__code=agency).order_by("pk")
    return list(own.values())


def totals_are_true():
    """Each tally is what the live records add up to now; a line that fell to 0 says nothing."""
    months, people, texts = Counter(), Counter(), set()
    for record in Record.objects.live():
        agency, day = record.agency_id, record.ended_on
        months[agency, "", "", day] += 1
        for field in ("department", "title"):
            text = getattr(record, field)
            months[agency, field, text, day] += 1
            texts.add((agency, field, text))
        year = agency, record.account_id, record.category, day.year
        people[(*year, "records")] += 1
        people[(*year, "hours")] += record.hours
    wordings = {(w.agency_id, w.wording): (w.field, w.text) for w in SearchText.objects.all()}
    assert texts <= {(agency, *text) for (agency, _), text in wordings.items()}
    stored_months, stored_people = Counter(), Counter()
    for line in MonthlyCount.objects.all():
        wording = wordings.get((line.agency_id, line.wording), ("", ""))
        days = [getattr(line, name) for name in DAYS_OF_A_MONTH]
        assert line.live == sum(days)
        for number, live in enumerate(days):
            day = line.month + timedelta(days=number)
            stored_months[line.agency_id, *wording, day] += live
    for line in PersonYear.objects.all():
        year = line.agency_id, line.account_id, line.category, line.year
        stored_people[(*year, "records")] += line.live
        stored_people[(*year, "hours")] += line.hours
    values = {key[0] for key in (*wordings, *stored_months, *stored_people)}
    assert values <= set(
        RecordsVersion.objects.values_list("agency_id", flat=True)
    )  # else taken for new
    assert +months == +stored_months
    assert +people == +stored_people
