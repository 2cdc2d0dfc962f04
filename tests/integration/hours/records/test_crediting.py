"""Hours that our own courses give: once, and never twice when the portal tells of them too."""

import random
from datetime import date

import pytest

from ismp.accounts.models import Account
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.errors import ActionRefused
from ismp.hours.models import Decision, Deletion, Duplicate, Record, RecordRevision
from ismp.hours.records.actions import crediting
from ismp.hours.records.actions import duplicates as duplicate_actions
from ismp.hours.records.actions import records as record_actions
from ismp.hours.records.actions.crediting import Credit
from ismp.imports.models import ImportRun
from tests.support import scenarios
from tests.support.crediting import clerk, credit
from tests.support.laws import records_of, take, totals_are_true

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("cities")]


def decide(pair, decision):
    pairs = Duplicate.objects.filter(pk=pair.pk)
    assert duplicate_actions.decide(pairs, decision=decision, by=clerk()) == 1


def live():
    return list(Record.objects.live().filter(agency__code=scenarios.AGENCY_A).order_by("pk"))


def other_row(**changes):
    """The same course as the portal may tell of it: another organizer and term."""
    return scenarios.row(organizer_code="A99", term="", **changes)


def test_what_is_credited_stands_as_a_record_of_this_platform():
    run = credit()
    run.refresh_from_db()
    (record,) = live()
    assert (record.hours, record.digital_hours, record.classroom_hours) == (3000, 3000, 0)
    assert (record.title, record.score, record.department) == ("資通安全概論", "90", "資訊科")
    assert (run.total, run.created, run.state, run.source) == (1, 1, "completed", "platform")
    assert not run.can_be_undone
    assert Event.objects.first().verb == "credit_hours"
    totals_are_true()


def test_crediting_again_changes_nothing_and_a_correction_keeps_the_history():
    credit()
    (first,) = live()
    again = credit()
    again.refresh_from_db()
    assert (again.created, again.unchanged) == (0, 1)
    assert records_of(scenarios.AGENCY_A) == [Record.objects.filter(pk=first.pk).values().get()]
    credit(digital_hours=2000)
    assert [record.hours for record in live()] == [2000]
    assert RecordRevision.objects.get().hours == 3000
    totals_are_true()


def test_the_same_event_from_the_portal_is_the_same_record():
    credit()
    run = take(scenarios.file(scenarios.row(learning_type="", kind="", fee="", degree="")))
    assert (run.created, run.updated, run.unchanged) == (0, 1, 0)
    assert len(live()) == 1
    assert not Duplicate.objects.exists()
    totals_are_true()


def test_what_looks_the_same_counts_once_until_somebody_decides():
    credit()
    (ours,) = live()
    run = take(scenarios.file(other_row(title="資通安全概論 ")))
    assert run.created == 1 and run.notes["aside"] == 1
    pair = Duplicate.objects.get()
    assert pair.credited == ours and pair.decision == Decision.PENDING
    assert live() == [pair.imported]
    totals_are_true()
    decide(pair, Decision.BOTH)
    assert live() == [ours, pair.imported]
    totals_are_true()
    decide(pair, Decision.ONE)
    assert live() == [pair.imported]
    take(scenarios.file(other_row()))
    assert live() == [pair.imported]
    assert Duplicate.objects.get().decision == Decision.ONE
    totals_are_true()
    assert not list(trail.faults())


def test_the_credited_record_returns_when_the_imported_one_goes_and_leaves_when_it_returns():
    credit()
    (ours,) = live()
    run = take(scenarios.file(other_row()))
    (theirs,) = live()
    deletion = record_actions.delete(Record.objects.filter(pk=theirs.pk), reason="誤植", by=clerk())
    assert live() == [ours]
    record_actions.restore(deletion, by=clerk())
    assert live() == [theirs]
    record_actions.undo(run, by=clerk())
    assert live() == [ours]
    totals_are_true()


def test_it_is_found_whichever_came_first():
    take(scenarios.file(other_row()))
    (theirs,) = live()
    credit()
    assert live() == [theirs]
    assert Duplicate.objects.count() == 1
    totals_are_true()


@pytest.mark.parametrize(
    "changes",
    [
        {"category": "523"},
        {"title": "資通安全進階"},
        {"started_on": "114-11-01", "ended_on": "114-11-02"},
        {"national_id": scenarios.XU, "name": "許功蓋"},
    ],
)
def test_what_differs_counts_twice(changes):
    credit()
    take(scenarios.file(other_row(**changes)))
    assert len(live()) == 2
    assert not Duplicate.objects.exists()


def test_a_trial_leaves_everything_as_it_was_and_predicts():
    credit()
    before = live()
    run = take(scenarios.file(other_row()), dry_run=True)
    assert run.notes["aside"] == 1
    assert live() == before
    assert not Duplicate.objects.exists()


def test_what_was_set_aside_is_no_deletion_that_one_restores(client):
    credit()
    take(scenarios.file(other_row()))
    deletion = Deletion.objects.get()
    assert not deletion.restorable
    with pytest.raises(ActionRefused):
        record_actions.restore(deletion, by=clerk())


def test_people_of_several_agencies_get_a_run_each():
    first, other = (Account.objects.get(username=name) for name in ("a-wang", "b-sun"))
    day = date(2026, 2, 3)
    credits = [
        Credit(one, 523, "X", "訓練所", "滲透測試", "2", day, day, classroom_hours=6500)
        for one in (other, first)
    ]
    runs = crediting.credit(credits, about="實體課程", by=clerk())
    agencies = sorted((first.agency, other.agency), key=lambda one: one.pk)
    assert [run.agency for run in runs] == agencies
    assert Record.objects.get(account=other, category=523).classroom_hours == 6500
    assert ImportRun.objects.of_files().filter(pk__in=[run.pk for run in runs]).count() == 0
    totals_are_true()


@pytest.mark.parametrize("seed", range(8))
def test_after_any_actions_each_counts_once_and_the_totals_are_true(seed):
    chance = random.Random(seed)
    people = {"a-wang": (scenarios.WANG, "王小明"), "a-xu": (scenarios.XU, "許功蓋")}

    def bring():
        number, name = people[chance.choice(list(people))]
        term = chance.choice(["", "7"])
        take(
            scenarios.file(
                scenarios.row(national_id=number, name=name, organizer_code="A99", term=term)
            )
        )

    def give():
        credit(chance.choice(list(people)), ended_on=date(2026, 1, chance.choice([6, 9])))

    def delete():
        if records := live():
            one = Record.objects.filter(pk=chance.choice(records).pk)
            record_actions.delete(one, reason="誤植", by=clerk())

    def restore():
        if deletions := [each for each in Deletion.objects.all() if each.restorable]:
            record_actions.restore(chance.choice(deletions), by=clerk())

    def undo():
        if runs := [each for each in ImportRun.objects.all() if each.can_be_undone]:
            record_actions.undo(chance.choice(runs), by=clerk())

    def say():
        if pairs := list(Duplicate.objects.all()):
            decide(chance.choice(pairs), chance.choice(list(Decision)))

    for _ in range(14):
        chance.choice([bring, give, give, delete, restore, undo, say])()
        for pair in Duplicate.objects.select_related("credited__run", "imported"):
            ours, theirs = pair.credited, pair.imported
            if pair.decision != Decision.BOTH and ours.run.source == "platform":
                assert ours.deletion_id or theirs.deletion_id
            others = Duplicate.objects.filter(credited=ours).exclude(decision=Decision.BOTH)
            if ours.deletion_id and ours.deletion.duplicates:
                assert any(other.imported.deletion_id is None for other in others)
        totals_are_true()
