"""The same bytes again: known without reading them, and always what reading them would say."""

import shutil
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from ismp.accounts.models import Account, Status
from ismp.hours.models import Deletion, Record
from ismp.hours.portal_import import reading as portal_reading
from ismp.hours.portal_import import unchanged_file
from ismp.hours.records.actions import records
from ismp.imports import run_files, running
from ismp.imports.models import ImportRun, RunFile
from ismp.ui.text import roc_dates
from tests.support import scenarios
from tests.support.laws import COUNTS, outcome, take
from tests.support.scenarios import file, row

pytestmark = pytest.mark.django_db

FUTURE = roc_dates.roc_date(scenarios.TODAY + timedelta(days=2))
SAME = file(
    row(term="1"),
    row(term="2", name="王大明"),
    row(term="1"),
    row(national_id=scenarios.NOBODY),
    row(category="501"),
)
CORRECTED = file(row(term="1", total="4", digital_hours="4"))
OTHER = file(row(term="9"))


def whole(run):
    """All that a run tells: counts, reasons, notes, and each row of its pages and its report."""
    rows = run_files.load_frame(run, RunFile.Kind.ROWS).drop(_TRIED_ONLY, strict=False)
    refused = run_files.load_frame(run, RunFile.Kind.REJECTED)
    return outcome(run), run.reasons, run.notes, rows.rows(), refused.rows()


_TRIED_ONLY = ("category_code", "end", "event_key")
"""What a trial keeps to tell what it would change; one that is known changes nothing."""


@pytest.fixture
def unread(monkeypatch):
    """Call it, and reading a file is an error from then on."""

    def forbid():
        monkeypatch.setattr(
            portal_reading, "read", lambda *_: pytest.fail("the file was read again")
        )

    return forbid


@pytest.fixture
def read_again(monkeypatch):
    """Count how often a file is read."""
    calls, read = [], portal_reading.read
    monkeypatch.setattr(portal_reading, "read", lambda *given: calls.append(1) or read(*given))
    return calls


def long_way(data, **options):
    """Return the outcome of reading the file, rolled back at once."""
    with transaction.atomic(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(unchanged_file, "known", lambda *_: None)
        reported = whole(take(data, **options))
        transaction.set_rollback(True)
    return reported


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_same_bytes_are_not_read_again(cities, unread, dry_run):
    first = take(SAME)
    expected = long_way(SAME, dry_run=dry_run)
    unread()
    for _ in range(2):
        run = take(SAME, dry_run=dry_run)
        assert whole(run) == expected
        assert [getattr(run, name) for name in COUNTS] == [5, 0, 0, 2, 3]
        assert run.reasons == first.reasons and run.notes == {"names": 1, "ignored": []}
    assert Record.objects.filter(run=first).count() == 2


def left(clerk):
    Account.objects.filter(name="王小明", agency=clerk.agency).update(status=Status.LEFT)


def renamed(clerk):
    Account.objects.filter(name="王小明", agency=clerk.agency).update(name="王大明")


def came(clerk):
    nobody = Account(username="nobody", name="某人", agency=clerk.agency)
    nobody.national_id = scenarios.NOBODY
    nobody.save()


def deleted(clerk):
    records.delete(Record.objects.filter(agency=clerk.agency), reason="試驗", by=clerk)


def deleted_and_restored(clerk):
    before = Deletion.objects.count()
    deleted(clerk)
    if Deletion.objects.count() > before:  # of nothing there is no deletion
        records.restore(Deletion.objects.latest("pk"), by=clerk)


def undone(clerk):
    records.undo(ImportRun.objects.latest("pk"), by=clerk)


def corrected(clerk):
    take(CORRECTED)


def other_imported_and_undone(clerk):
    undone_run = take(OTHER)
    records.undo(undone_run, by=clerk)


def purged(clerk):
    RunFile.objects.all().delete()


def half_purged(clerk):
    RunFile.objects.filter(kind=RunFile.Kind.REJECTED).delete()


@pytest.mark.parametrize(
    "change",
    [
        left,
        renamed,
        came,
        deleted,
        deleted_and_restored,
        undone,
        corrected,
        other_imported_and_undone,
        purged,
        half_purged,
    ],
)
def test_after_any_change_the_file_is_read(cities, read_again, change):
    take(SAME)
    change(Account.objects.get(username="a-wang"))
    before = len(read_again)
    expected = long_way(SAME)
    assert whole(take(SAME)) == expected
    assert len(read_again) == before + 2


def test_what_changes_nothing_is_no_change(cities, unread):
    take(SAME)
    take(CORRECTED, dry_run=True)
    take(OTHER, agency=scenarios.AGENCY_B)
    take(file(row(national_id=scenarios.NOBODY)))
    unread()
    assert take(SAME).unchanged == 2


def test_a_trial_tells_nothing_about_later_files(cities, read_again):
    take(SAME, dry_run=True)
    assert take(SAME).created == 2
    assert len(read_again) == 2


def test_rows_of_the_future_are_read_on_another_day(cities, monkeypatch, read_again):
    data = file(row(), row(term="2", ended_on=FUTURE))
    take(data)
    assert take(data).reasons == {"date-future": 1}
    assert len(read_again) == 1
    later = scenarios.TODAY + timedelta(days=3)
    monkeypatch.setattr(running.timezone, "localdate", lambda *_: later)
    assert take(data).created == 1


def test_with_the_clock_put_back_the_file_is_read(cities, monkeypatch, read_again):
    data = file(row(ended_on=roc_dates.roc_date(scenarios.TODAY)))
    take(data)
    yesterday = scenarios.TODAY - timedelta(days=1)
    real = timezone.localdate
    monkeypatch.setattr(
        running.timezone, "localdate", lambda *moment: real(*moment) if moment else yesterday
    )
    assert take(data).reasons == {"date-future": 1}


def test_other_limits_or_other_rules_are_a_change(cities, settings, monkeypatch, read_again):
    take(SAME)
    settings.UPLOAD_MAX_CELL = 3
    assert take(SAME).reasons["too-long"] == 4
    take(SAME)
    assert len(read_again) == 2
    monkeypatch.setattr(unchanged_file, "_rules", lambda: "new")
    take(SAME)
    assert len(read_again) == 3


def test_every_line_of_our_code_is_a_rule(tmp_path, monkeypatch):
    copy = tmp_path / "ismp"
    shutil.copytree(unchanged_file.Path(unchanged_file.ismp.__file__).parent, copy)
    monkeypatch.setattr(unchanged_file.ismp, "__file__", str(copy / "__init__.py"))
    unchanged_file._rules.cache_clear()
    before = unchanged_file._rules()
    with (copy / "ui" / "roc.py").open("a") as source:
        source.write("\n# another rule\n")
    unchanged_file._rules.cache_clear()
    assert unchanged_file._rules() != before
    unchanged_file._rules.cache_clear()


POOL = [SAME, CORRECTED, OTHER, file(row(term="1"), row(term="9", score="90"))]
ACTIONS = [left, renamed, came, deleted, deleted_and_restored, purged]


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(POOL), st.booleans()) | st.sampled_from([*ACTIONS, "undo"]),
        min_size=3,
        max_size=9,
    )
)
def test_known_and_read_are_the_same_after_whatever_happened(cities, steps):
    clerk = Account.objects.get(username="a-wang")
    with transaction.atomic():
        for step in steps:
            if step == "undo":
                undoable = [run for run in ImportRun.objects.all() if run.can_be_undone]
                for run in undoable[:1]:
                    records.undo(run, by=clerk)
            elif step is came and Account.objects.filter(username="nobody").exists():
                continue
            elif callable(step):
                step(clerk)
            else:
                data, dry_run = step
                expected = long_way(data, dry_run=dry_run)
                assert whole(take(data, dry_run=dry_run)) == expected
        transaction.set_rollback(True)
