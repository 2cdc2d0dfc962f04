"""待認領時數: rows without an account wait, encrypted, and become records when their person comes."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.utils import timezone

from ismp.accounts.actions import accounts as account_actions
from ismp.accounts.actions import postings as accounts
from ismp.accounts.models import Account, Agency, Status
from ismp.audit.models import Event
from ismp.hours.models import Record, Waiting
from ismp.hours.records import unclaimed
from ismp.hours.records.actions import records
from ismp.imports import actions as import_actions
from ismp.imports.models import ImportRun, RunFile
from tests.support import scenarios
from tests.support.concurrency import at_once
from tests.support.laws import COUNTS, take, totals_are_true

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("cities")]
WHO = {"national_id": scenarios.NOBODY, "name": "新同仁"}
FILE = scenarios.file(
    scenarios.row(), scenarios.row(**WHO), scenarios.row(**WHO, term="2", total="9")
)
"""A row of 王小明, one of somebody unknown, and a faulty one of the latter."""


def agency(code=scenarios.AGENCY_A):
    return Agency.objects.get(code=code)


def admin():
    admin = Account.objects.select_related("agency").get(username="a-wang")
    admin.role = "platform_admin"
    return admin


def by_hand(number=scenarios.NOBODY, code=scenarios.AGENCY_A):
    account = Account(username="a-new", name="新同仁", agency=agency(code))
    account.national_id = number
    return account_actions.save_account(account, by=admin())


def by_roster():
    line = f"{scenarios.AGENCY_A},測試市政府資訊局,,a-new,新同仁,{scenarios.NOBODY},,,在職"
    head = ",".join(scenarios.ROSTER_HEADER)
    accounts.import_roster(f"{head}\n{line}\n".encode(), by="test")


def by_transfer():
    new = by_hand(code=scenarios.AGENCY_B)
    assert unclaimed.attach_due() == 0  # what waits in A is none of B's business
    accounts.assign(new, agency=agency(), since=timezone.localdate(), by="test")


def by_coming_back():
    new = by_hand()
    accounts.assign(new, status=Status.LEFT, since=timezone.localdate(), by="test")
    assert unclaimed.attach_due() == 0
    accounts.assign(new, status=Status.ACTIVE, since=timezone.localdate(), by="test")


def by_a_number_put_right():
    by_hand(number="")
    assert unclaimed.attach_due() == 0
    new = Account.objects.filter(username="a-new")
    account_actions.set_national_id(new, number=scenarios.NOBODY, by=admin())


def counts(run):
    run.refresh_from_db()
    return {name: getattr(run, name) for name in COUNTS}


def test_the_outcome_of_the_import_is_as_ever_and_the_rows_wait(cities):
    run = take(FILE)
    assert counts(run) == dict(zip(COUNTS, (3, 1, 0, 0, 2), strict=True))
    assert run.reasons == {"no-account": 2}
    waiting = Waiting.objects.get()
    assert (waiting.agency, waiting.run, waiting.rows) == (agency(), run, 2)
    assert unclaimed.attach_due() == 0


@pytest.mark.parametrize(
    "come", [by_hand, by_roster, by_transfer, by_coming_back, by_a_number_put_right]
)
def test_they_become_records_however_their_person_comes(cities, come):
    run = take(FILE)
    before = counts(run)
    come()
    assert unclaimed.attach_due() == 1
    record = Record.objects.live().get(account__username="a-new")
    assert (record.run_id, record.line, record.agency) == (run.pk, 3, agency())
    assert counts(run) == before
    assert not Waiting.objects.filter(claimed_at=None).exists()
    assert not RunFile.objects.filter(kind=RunFile.Kind.WAITING).exists()
    totals_are_true()
    event = Event.objects.get(verb="attach_hours")
    assert (event.subject, event.detail) == (f"run:{run.pk}", {"people": 1, "count": 1})
    assert unclaimed.attach_due() == 0
    again = take(FILE)
    assert counts(again) == dict(zip(COUNTS, (3, 0, 0, 2, 1), strict=True))


def test_of_two_files_the_later_knows_better(cities):
    take(scenarios.file(scenarios.row(**WHO, score="60"), scenarios.row(**WHO, term="3")))
    later = take(scenarios.file(scenarios.row(**WHO, score="90")))
    by_hand()
    assert unclaimed.attach_due() == 2
    record = Record.objects.live().get(account__username="a-new", term="1")
    assert (record.score, record.run_id) == ("90", later.pk)
    totals_are_true()


def test_what_the_records_know_by_then_is_newer(cities):
    take(scenarios.file(scenarios.row(**WHO, score="60"), scenarios.row(**WHO, term="3")))
    by_hand()
    take(scenarios.file(scenarios.row(**WHO, score="90")))
    records.delete(Record.objects.filter(score="90"), reason="x", by=admin())
    assert unclaimed.attach_due() == 1
    stored = Record.objects.filter(account__username="a-new").order_by("term")
    assert [(one.score, one.deletion is None) for one in stored] == [("90", False), ("90", True)]
    totals_are_true()


def test_the_same_bytes_again_wait_again_and_for_each_run_by_itself(cities):
    first, second = take(FILE), take(FILE)
    assert Waiting.objects.count() == 2
    records.undo(first, by=admin())
    by_hand()
    assert unclaimed.attach_due() == 1
    assert Record.objects.live().get(account__username="a-new").run_id == second.pk


def test_only_whose_person_has_come(cities):
    other = {"national_id": scenarios.LEFT, "name": "李離職"}
    take(
        scenarios.file(
            scenarios.row(**WHO), scenarios.row(**other), scenarios.row(**other, term="2")
        )
    )
    by_hand()
    assert unclaimed.attach_due() == 1
    assert Waiting.objects.get(claimed_at=None).rows == 2
    left = Account.objects.get(username="a-left")
    accounts.assign(left, status=Status.ACTIVE, since=timezone.localdate(), by="test")
    assert unclaimed.attach_due() == 2


def test_a_trial_lets_nothing_wait_and_undoing_lets_nothing_wait_on(cities):
    take(FILE, dry_run=True)
    assert not Waiting.objects.exists()
    run = take(FILE)
    records.undo(run, by=admin())
    by_hand()
    assert (unclaimed.attach_due(), Waiting.objects.count()) == (0, 0)
    assert not RunFile.objects.filter(kind=RunFile.Kind.WAITING).exists()


def test_undoing_takes_what_was_attached_too(cities):
    run = take(FILE)
    by_hand()
    unclaimed.attach_due()
    assert records.undo(run, by=admin())["removed"] == 2
    assert not Record.objects.live().filter(account__username="a-new").exists()
    totals_are_true()


def test_they_wait_longer_than_the_upload_and_not_for_ever(cities, settings):
    run = take(FILE)
    ImportRun.objects.update(created_at=timezone.now() - timedelta(days=399))
    import_actions.purge()
    assert set(run.files.values_list("kind", flat=True)) == {"waiting"}
    by_hand()
    assert unclaimed.attach_due() == 1
    take(scenarios.file(scenarios.row(**{**WHO, "national_id": scenarios.LEFT})))
    ImportRun.objects.update(created_at=timezone.now() - timedelta(days=401))
    import_actions.purge()
    unclaimed.purge()
    assert not Waiting.objects.exists()
    assert Event.objects.get(verb="purge_waiting").detail == {"runs": 2, "count": 1}


def test_no_number_stands_in_the_database_in_clear(cities):
    take(FILE)
    by_hand()
    unclaimed.attach_due()
    models = apps.get_models(include_auto_created=True)
    everything = "\n".join(str(row) for model in models for row in model._base_manager.values())
    assert scenarios.NOBODY not in everything


def test_the_page_counts_and_names_nobody(client, cities):
    person = admin()
    person.role = "agency_admin"
    person.save()
    take(FILE)
    take(FILE)
    client.force_login(person)
    page = client.get("/manage/learning-map/waiting/").content.decode()
    assert "共有 <strong>1</strong> 人" in page
    assert page.count('data-label="待認領筆數">2<') == 2
    assert "新同仁" not in page and scenarios.NOBODY[:6] not in page
    window = client.get(f"/manage/learning-map/runs/{Waiting.objects.first().run_id}/")
    assert "待認領時數" in window.content.decode()
    theirs = Account.objects.get(username="b-sun")
    theirs.role = "agency_admin"
    theirs.save()
    client.force_login(theirs)
    assert "沒有待認領" in client.get("/manage/learning-map/waiting/").content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
def test_two_workers_at_once_attach_each_row_once(cities):
    take(FILE)
    by_hand()
    made = at_once(unclaimed.attach_due, unclaimed.attach_due)
    assert sum(made) == 1
    assert Record.objects.live().filter(account__username="a-new").count() == 1
    assert Event.objects.filter(verb="attach_hours").count() == 1
