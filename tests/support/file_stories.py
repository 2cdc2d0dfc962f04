"""Files that come again, as lists of steps with the numbers they end in."""

from django.utils import timezone

from ismp.accounts.models import Account
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.hours.models import Record
from ismp.hours.records.actions import records
from ismp.imports.models import ImportRun
from tests.support import oracle, scenarios
from tests.support.laws import COUNTS, announced, outcome, records_of, take, totals_are_true
from tests.support.scenarios import file, row

DELETE, UNDO = "delete all", "undo the last import"

ONE, TWO, THREE = (row(term=term) for term in "123")

CORRECTED = row(term="1", total="4", digital_hours="4")


def counts(created=0, updated=0, unchanged=0, rejected=0):
    return created + updated + unchanged + rejected, created, updated, unchanged, rejected


STORIES = {
    "the same bytes twice": [
        (file(ONE, TWO), counts(created=2)),
        (file(ONE, TWO), counts(unchanged=2)),
    ],
    "the same rows in other bytes": [
        (file(ONE, TWO), counts(created=2)),
        (scenarios.encode(scenarios.table([TWO, ONE], sep=";"), "utf-16-be"), counts(unchanged=2)),
        (scenarios.zip_plain({"a.csv": file(ONE, TWO, quote="all")}), counts(unchanged=2)),
    ],
    "overlapping ranges of dates": [
        (file(ONE, TWO), counts(created=2)),
        (file(TWO, THREE), counts(created=1, unchanged=1)),
    ],
    "another 期別 of the same course": [
        (file(ONE), counts(created=1)),
        (file(TWO), counts(created=1)),
    ],
    "hours corrected, and corrected back": [
        (file(ONE), counts(created=1)),
        (file(CORRECTED), counts(updated=1)),
        (file(CORRECTED), counts(unchanged=1)),
        (file(ONE), counts(updated=1)),
    ],
    "corrected together with a repeat": [
        (file(ONE), counts(created=1)),
        (file(CORRECTED, ONE, CORRECTED), counts(updated=1, rejected=2)),
    ],
    "a date corrected is another event": [
        (file(ONE), counts(created=1)),
        (file(row(ended_on="115-01-07")), counts(created=1)),
    ],
    "another spelling of the same numbers": [
        (file(ONE), counts(created=1)),
        (file(row(total="3.00", started_on="1150105", national_id=scenarios.WANG.lower())), counts(unchanged=1)),
    ],
    "blank is not zero": [
        (file(row(classroom_hours="")), counts(created=1)),
        (file(row(classroom_hours="0")), counts(updated=1)),
    ],
    "deleted, then imported again": [
        (file(ONE, TWO), counts(created=2)),
        DELETE,
        (file(TWO, THREE), counts(created=2)),
        (file(ONE, TWO), counts(created=1, unchanged=1)),
    ],
    "deleted, then imported with other contents": [
        (file(ONE), counts(created=1)),
        DELETE,
        (file(CORRECTED), counts(created=1)),
        (file(ONE), counts(updated=1)),
    ],
    "undone, then imported again": [
        (file(ONE), counts(created=1)),
        (file(CORRECTED, TWO), counts(created=1, updated=1)),
        UNDO,
        (file(ONE), counts(unchanged=1)),
        (file(CORRECTED, TWO), counts(created=1, updated=1)),
    ],
    "undone after a deletion came back": [
        (file(ONE), counts(created=1)),
        DELETE,
        (file(CORRECTED), counts(created=1)),
        UNDO,
        (file(ONE), counts(created=1)),
    ],
}  # fmt: skip


def follow(steps):
    clerk = Account.objects.get(username="a-wang")
    others = records_of(scenarios.AGENCY_B)
    store, before, runs = {}, {}, 0
    for step in steps:
        if step == DELETE:
            own = Record.objects.live().filter(agency__code=scenarios.AGENCY_A)
            records.delete(own, reason="試驗", by=clerk)
            store.clear()
        elif step == UNDO:
            records.undo(ImportRun.objects.filter(dry_run=False).latest("pk"), by=clerk)
            store = dict(before)
        else:
            before, (data, expected) = dict(store), step
            trial, run = take(data, dry_run=True), take(data)
            runs += 2
            assert outcome(trial) == outcome(run)
            assert tuple(getattr(run, name) for name in COUNTS) == expected
            assert outcome(run) == announced(asked_of_oracle(data, store))
        assert len(records_of(scenarios.AGENCY_A)) == len(store)
        assert records_of(scenarios.AGENCY_B) == others
        totals_are_true()
    assert Event.objects.filter(verb="import_hours", agency=scenarios.AGENCY_A).count() == runs
    assert not list(trail.faults())


def asked_of_oracle(data, store):
    return oracle.import_file(
        data,
        agency=scenarios.AGENCY_A,
        accounts=list(scenarios.ROSTER),
        store=store,
        today=timezone.localdate(),
    )
