"""Every case of the corpus, and after each of them every law (docs/explain/laws.md)."""

import csv
import io
import re

import openpyxl
import pytest

from ismp.audit import trail
from ismp.audit.models import Event
from ismp.imports import report
from ismp.imports.models import ImportRun, RunFile
from tests.support import oracle, oracle_reading, scenarios
from tests.support.corpus import CASES
from tests.support.laws import announced, outcome, records_of, take, totals_are_true

pytestmark = pytest.mark.django_db
CHINESE = re.compile(r"[\u4e00-\u9fff]")
OURS_NOT_THEIRS = re.compile(r"Error|Exception|Traceback|None|polars|codec", re.IGNORECASE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_law_after(cities, case):
    others = records_of(scenarios.AGENCY_B)
    options = {"password": case.password, "filename": case.filename}

    trial = take(case.data, dry_run=True, **options)
    assert not records_of(scenarios.AGENCY_A)
    run = take(case.data, **options)
    assert outcome(trial) == outcome(run)
    check_expected(case, run)
    check_oracle(case, run)
    check_footprint(run, others)
    check_speech(run)
    if case.refused:
        as_sent = (RunFile.Kind.UPLOAD, RunFile.Kind.CONTENT)
        assert not RunFile.objects.filter(run=run).exclude(kind__in=as_sent).exists()
    else:
        check_counted_by_hand(case, run)
        check_report(run)
        check_again(case, run)
    totals_are_true()
    runs = ImportRun.objects.count()
    assert Event.objects.filter(verb="import_hours").count() == runs
    assert not list(trail.faults())


def check_expected(case, run):
    if case.refused:
        assert run.state == "refused"
        assert case.refused in run.reason
        return
    assert run.state == "completed", run.reason
    faults = tuple((fault["line"], fault["code"]) for fault in report.rejections(run))
    assert faults == case.rejections
    assert (run.total, run.created) == (case.total, case.total - len(case.rejections))
    assert run.notes["names"] == case.notes


def check_oracle(case, run):
    answer = oracle.import_file(
        case.data,
        agency=scenarios.AGENCY_A,
        accounts=list(scenarios.ROSTER),
        store={},
        today=scenarios.TODAY,
        password=case.password,
    )
    assert outcome(run) == announced(answer)


def check_counted_by_hand(case, run):
    assert run.total == run.created + run.updated + run.unchanged + run.rejected
    assert run.total == oracle_reading.count_rows(case.data, case.password)


def check_footprint(run, others):
    assert len(records_of(scenarios.AGENCY_A)) == run.created
    assert records_of(scenarios.AGENCY_B) == others


def check_speech(run):
    sentences = [run.reason] if run.reason else []
    sentences += [fault["message"] for fault in report.rejections(run)]
    for sentence in sentences:
        assert CHINESE.search(sentence)
        assert not OURS_NOT_THEIRS.search(sentence)


def check_report(run):
    buffer = io.BytesIO(b"".join(report.rejected_workbook(run)))
    rows = list(openpyxl.load_workbook(buffer).active.iter_rows())
    assert len(rows) == 1 + run.rejected
    assert {cell.data_type for row in rows for cell in row} <= {"s", "n"}
    assert not any(cell.hyperlink for row in rows for cell in row)
    assert not any(number in str(cell.value) for row in rows for cell in row for number in IDS)


IDS = [person["身分證字號"] for person in scenarios.ROSTER if person["身分證字號"]]


def check_again(case, run):
    """The same rows again, as they were and in another order, encoding and separator."""
    before = records_of(scenarios.AGENCY_A)
    files = [case.data]
    if not any(code == "conflict-in-file" for _, code in case.rejections):
        files.append(turned_round(case))
    for data in files:
        again = take(data, password=case.password)
        assert (again.created, again.updated) == (0, 0)
        assert (again.total, again.unchanged) == (run.total, run.created)
    assert records_of(scenarios.AGENCY_A) == before


def turned_round(case):
    parsed = oracle_reading.read(case.data, case.password)
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="\t", quoting=csv.QUOTE_ALL)
    writer.writerow(scenarios.TITLES.get(name, "") for name in parsed.columns)
    writer.writerows(reversed(parsed.records))
    return text.getvalue().encode("utf-16")
