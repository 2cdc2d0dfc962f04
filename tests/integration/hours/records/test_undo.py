"""Undo: in whatever order, it ends in the state in which the undone files had never come.

The model keeps what was done as a list and does it all again, without what was undone.
"""

import re
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

import polars as pl
import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from ismp.accounts.models import Account
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.hours.models import Decision, Deletion, Duplicate, Record, RecordRevision
from ismp.hours.records import bulk_read
from ismp.hours.records.actions import crediting
from ismp.hours.records.actions import duplicates as duplicate_actions
from ismp.hours.records.actions import records as record_actions
from ismp.hours.records.actions.crediting import Credit
from ismp.imports import actions as import_actions
from ismp.imports.models import ImportRun
from ismp.ui.text import roc_dates
from tests.support import scenarios
from tests.support.laws import take, totals_are_true

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("cities")]
PEOPLE = {"a-wang": (scenarios.WANG, "王小明"), "a-xu": (scenarios.XU, "許功蓋")}
EVENTS = [(who, term) for who in PEOPLE for term in "12"]


def clerk():
    return Account.objects.get(username="a-xu")


# --- The model -------------------------------------------------------------------------------------


@dataclass
class Model:
    """Every action as it was done: (kind, number, what)."""

    done: list = field(default_factory=list)
    undone: set = field(default_factory=set)

    def state(self):
        """{event: [contents, deletion or None]} after all actions but those of undone files.

        What was credited, deleted by somebody and then withdrawn is deleted again when it is
        credited again (`held`): it returns only when restored.
        """
        now = {}
        withdrawn, taken_back, held = {}, set(), {}
        for place, (kind, _, what) in enumerate(self.done):
            if kind == "withdraw":
                withdrawn[what] = place
        for place, (kind, number, what) in enumerate(self.done):
            if kind == "import" and number not in self.undone:
                now |= {event: [contents, None] for event, contents in what.items()}
                held = {event: deletion for event, deletion in held.items() if event not in what}
            elif kind == "credit":
                event, contents = what
                if place > withdrawn.get(event, -1):
                    now[event] = [contents, now[event][1] if event in now else held.get(event)]
                else:
                    taken_back.add(event)
            elif kind == "delete":
                for event in what:
                    if event in now and now[event][1] is None:
                        now[event][1] = number
                    elif event not in now and event in taken_back:
                        held[event] = number
            elif kind == "restore":
                for one in now.values():
                    if one[1] == number:
                        one[1] = None
                held = {event: deletion for event, deletion in held.items() if deletion != number}
        return now


# --- The actions ------------------------------------------------------------------------------------------


def file_of(rows):
    lines = []
    for (who, term), contents in rows.items():
        number, name = PEOPLE[who]
        own = {"national_id": number, "name": name, "title": f"課程 {term}"}
        lines.append(scenarios.row(**own, term=term, score=contents))
    return scenarios.file(*lines)


def bring(model, rows):
    run = take(file_of(rows))
    assert run.succeeded == run.total == len(rows)
    model.done.append(("import", run.pk, dict(rows)))
    return run


def undo(model, run):
    shown = record_actions.undo_effects(run)
    before = live()
    assert record_actions.undo(run, shown=shown, by=clerk()) == shown
    model.undone.add(run.pk)
    gone = before.keys() - live().keys()
    assert len(gone) == shown["removed"] + shown.get("deleted", 0)
    assert len(live().keys() - before.keys()) == shown.get("revived", 0)
    changed = [key for key in before.keys() & live().keys() if before[key] != live()[key]]
    assert len(changed) == shown["restored"]


def delete(model, events):
    records = Record.objects.live().filter(agency__code=scenarios.AGENCY_A)
    keys = [one.pk for one in records.select_related("account") if event_of(one) in events]
    there = [event_of(one) for one in records.filter(pk__in=keys).select_related("account")]
    if keys:
        deletion = record_actions.delete(
            Record.objects.filter(pk__in=keys), reason="誤植", by=clerk()
        )
        model.done.append(("delete", deletion.pk, there))
        return deletion


def restore(model, deletion):
    if record_actions.restore(deletion, by=clerk()):
        model.done.append(("restore", deletion.pk, None))


def credit(model, event, contents):
    who, term = event
    account = Account.objects.select_related("agency", "department").get(username=who)
    facts = {"organizer_code": scenarios.AGENCY_A, "organizer_name": "測試市政府資訊局"}
    days = {"started_on": date(2026, 1, 5), "ended_on": date(2026, 1, 6)}
    one = Credit(account, 522, title=f"課程 {term}", term=term, digital_hours=3000, score=contents,
                 **facts, **days)  # fmt: skip
    crediting.credit([one], about="線上課程", by=clerk())
    [record] = crediting.records_of([one])
    assert Record.objects.get(pk=record).score == contents
    model.done.append(("credit", None, (event, contents)))


def withdraw(model, event):
    records = Record.objects.filter(agency__code=scenarios.AGENCY_A, account__username=event[0])
    crediting.withdraw(records.filter(term=event[1]), about="課程", reason="未出席", by=clerk())
    model.done.append(("withdraw", None, event))


# --- What must hold --------------------------------------------------------------------------------


def event_of(record):
    return record.account.username, record.term


def live():
    own = Record.objects.live().filter(agency__code=scenarios.AGENCY_A).select_related("account")
    return {event_of(one): one.score for one in own}


def known_at(moment):
    found = {}
    for one in Record.objects.unchanged_since(moment).select_related("account"):
        if one.agency_id == agency_a():
            found[event_of(one)] = one.score
    for one in RecordRevision.objects.known_at(moment).select_related("record__account"):
        if one.agency_id == agency_a():
            found[one.record.account.username, one.term] = one.score
    return found


def agency_a():
    return Account.objects.get(username="a-wang").agency_id


def agrees(model):
    state = model.state()
    assert live() == {event: one[0] for event, one in state.items() if one[1] is None}
    by_hand = {}
    deleted = Record.objects.filter(agency=agency_a(), deletion__run=None).select_related("account")
    for one in deleted.exclude(deletion=None):
        by_hand[event_of(one)] = (one.score, one.deletion_id)
    assert by_hand == {event: tuple(one) for event, one in state.items() if one[1] is not None}
    of_undone = Record.objects.live().exclude(run__released_at=None)
    assert not of_undone.exists()
    totals_are_true()


rows = st.dictionaries(st.sampled_from(EVENTS), st.sampled_from("123"), min_size=1)
STEPS = st.one_of(
    st.tuples(st.just("bring"), rows),
    st.tuples(st.just("bring"), rows),
    st.tuples(st.just("again"), st.integers(0, 9)),
    st.tuples(st.just("undo"), st.integers(0, 9)),
    st.tuples(st.just("undo"), st.integers(0, 9)),
    st.tuples(st.just("delete"), st.sets(st.sampled_from(EVENTS), min_size=1)),
    st.tuples(st.just("restore"), st.integers(0, 9)),
    st.tuples(st.just("credit"), st.tuples(st.sampled_from(EVENTS), st.sampled_from("78"))),
    st.tuples(st.just("withdraw"), st.sampled_from(EVENTS)),
)


def do(model, step, what):
    if step == "bring":
        bring(model, what)
    elif step == "again":
        if brought := [one for kind, _, one in model.done if kind == "import"]:
            bring(model, brought[what % len(brought)])
    elif step == "undo":
        runs = [one for one in ImportRun.objects.of_files().order_by("pk") if one.can_be_undone]
        own = [one for one in runs if one.agency_id == agency_a() and not one.released_at]
        if own:
            undo(model, own[what % len(own)])
    elif step == "delete":
        delete(model, what)
    elif step == "restore":
        if deletions := [one for one in Deletion.objects.order_by("pk") if one.restorable]:
            restore(model, deletions[what % len(deletions)])
    elif step == "credit":
        credit(model, *what)
    else:
        withdraw(model, what)


A, B = EVENTS[0], EVENTS[1]


@example([("bring", {A: "1", B: "1"}), ("bring", {A: "2", B: "1"}), ("undo", 0), ("undo", 0)])
@example([("bring", {A: "1"}), ("again", 0), ("undo", 0), ("undo", 0)])
@example([("bring", {A: "1"}), ("again", 0), ("bring", {A: "2"}), ("undo", 0), ("undo", 1)])
@example([("bring", {A: "1"}), ("delete", {A}), ("again", 0), ("undo", 1), ("restore", 0)])
@example([("bring", {A: "1"}), ("delete", {A}), ("undo", 0), ("restore", 0)])
@example([("credit", (A, "7")), ("bring", {A: "1"}), ("withdraw", A), ("undo", 0)])
@example([("credit", (A, "7")), ("delete", {A}), ("credit", (A, "8")), ("restore", 0)])
@example([("credit", (A, "7")), ("delete", {A}), ("withdraw", A), ("restore", 0)])
@example([("credit", (A, "7")), ("delete", {A}), ("withdraw", A), ("credit", (A, "7"))])
@settings(phases=[Phase.explicit, Phase.reuse, Phase.generate])  # a failing case is short enough
@given(st.lists(STEPS, max_size=9))
def test_undoing_in_any_order_ends_where_the_undone_files_had_never_come(steps):
    model, seen = Model(), []
    with transaction.atomic():
        for step, what in steps:
            do(model, step, what)
            agrees(model)
            seen.append((timezone.now(), live()))
        for moment, then in seen:
            assert known_at(moment) == then
        assert not list(trail.faults())
        transaction.set_rollback(True)


# --- What was found from outside ---------------------------------------------------------------------


@pytest.fixture
def page(client):
    admin = Account.objects.get(username="a-xu")
    admin.role = "agency_admin"
    admin.save(update_fields=["role"])
    client.force_login(admin)
    return client


UNDO = "/manage/learning-map/runs/{}/undo/"
RUN = "/manage/learning-map/runs/{}/"


def shown_in(answer):
    return re.search(r'name="shown" value="([^"]*)"', answer.content.decode())[1].replace(
        "&quot;", '"'
    )


def confirm(page, run):
    """Open the page of the undo and press the button."""
    address = UNDO.format(run.pk)
    return page.post(address, {"shown": shown_in(page.get(address))}, follow=True)


def test_two_files_undone_in_the_natural_order_leave_nothing(page):
    first = bring(Model(), {A: "1", B: "1"})
    second = bring(Model(), {A: "2", B: "1"})
    shown = page.get(UNDO.format(first.pk)).content.decode()
    assert "<b>1</b> 筆也在" in shown and f'href="{RUN.format(second.pk)}"' in shown
    assert "現在復原不會改變任何時數" in shown
    assert "沒有改變任何時數" in confirm(page, first).content.decode()
    assert live() == {A: "2", B: "1"}
    assert Record.objects.get(term="2", account__username=B[0]).run == second
    confirm(page, second)
    assert live() == {}
    assert (
        not Record.objects.filter(deletion__run=None, agency=agency_a())
        .exclude(deletion=None)
        .exists()
    )


def test_an_undo_that_changes_nothing_is_not_used_up(page):
    first = bring(Model(), {A: "1"})
    second = bring(Model(), {A: "2"})
    confirm(page, first)
    first.refresh_from_db()
    assert first.undone_at is None and first.can_be_undone
    assert "已按過復原，沒有改變任何時數" in page.get(RUN.format(first.pk)).content.decode()
    assert Event.objects.filter(verb="undo_import").count() == 1
    assert record_actions.undo(first, by=clerk()) == {"removed": 0, "restored": 0, "kept": 1}
    assert Event.objects.filter(verb="undo_import").count() == 1
    confirm(page, second)
    assert live() == {}


def test_an_undo_asks_again_when_its_effect_is_another_one(page):
    run = bring(Model(), {A: "1", B: "1"})
    address = UNDO.format(run.pk)
    before = shown_in(page.get(address))
    bring(Model(), {A: "2"})
    asked = page.post(address, {"shown": before})
    assert "資料有了變動" in asked.content.decode()
    run.refresh_from_db()
    assert run.released_at is None and live() == {A: "2", B: "1"}
    page.post(address, {"shown": shown_in(asked)})
    assert live() == {A: "2"}


def test_what_was_deleted_before_is_deleted_again_and_can_be_restored(page):
    bring(Model(), {A: "1"})
    deletion = delete(Model(), {A})
    second = bring(Model(), {A: "2"})
    assert "會再回到「已刪除」" in page.get(UNDO.format(second.pk)).content.decode()
    confirm(page, second)
    assert live() == {}
    page.post(f"/manage/learning-map/hours/deleted/{deletion.pk}/restore/")
    assert live() == {A: "1"}


def test_a_run_that_cannot_be_undone_leads_back_and_says_why(page):
    run = bring(Model(), {A: "1"})
    confirm(page, run)
    for pk, words in ((run.pk, ""), (credited_run().pk, "不能整批復原")):
        answer = page.get(UNDO.format(pk), follow=True)
        assert answer.redirect_chain == [(RUN.format(pk), 302)]
        assert words in answer.content.decode() and "確定復原" not in answer.content.decode()


def credited_run():
    credit(Model(), B, "7")
    return ImportRun.objects.get(source="platform")


def test_a_pair_that_waits_is_not_shown_when_its_file_is_undone(page):
    credit(Model(), A, "7")
    number, name = PEOPLE[A[0]]
    other = scenarios.row(
        national_id=number, name=name, title="課程 1", organizer_code="A99", term=""
    )
    run = take(scenarios.file(other))
    pending = "/manage/learning-map/duplicates/?decision=pending"
    pair = Duplicate.objects.get()
    assert "課程 1" in page.get(pending).content.decode()
    confirm(page, run)
    assert "課程 1" not in page.get(pending).content.decode()
    assert page.get(f"/manage/learning-map/duplicates/{pair.pk}/").status_code == 404
    take(scenarios.file(other))
    assert "課程 1" in page.get(pending).content.decode()
    assert Duplicate.objects.count() == 1


def test_what_somebody_decided_about_a_pair_stays_decided(page):
    credit(Model(), A, "7")
    number, name = PEOPLE[A[0]]
    other = {"national_id": number, "name": name, "title": "課程 1", "organizer_code": "A99"}
    first = take(scenarios.file(scenarios.row(**other, term="")))
    duplicate_actions.decide(Duplicate.objects.all(), decision=Decision.ONE, by=clerk())
    second = take(scenarios.file(scenarios.row(**other, term="9")))
    assert Record.objects.live().filter(agency=agency_a()).count() == 2
    confirm(page, first)
    assert [one.run for one in Record.objects.live().filter(agency=agency_a())] == [second]
    confirm(page, second)
    assert live() == {A: "7"}
    take(scenarios.file(scenarios.row(**other, term="")))
    assert Duplicate.objects.filter(decision=Decision.ONE).count() == 1
    assert Record.objects.live().filter(agency=agency_a()).count() == 1


def test_a_deletion_takes_what_was_shown_or_asks_again(page):
    bring(Model(), {A: "1"})
    place = "/manage/learning-map/hours/delete/"
    everything = {"everything": "1", "start": "115-01-01", "end": "115-12-31"}
    shown = shown_in(page.post(place, everything))
    bring(Model(), {B: "1"})
    sent = everything | {"confirmed": "1", "reason": "誤植", "shown": shown}
    asked = page.post(place, sent)
    assert "資料有了變動" in asked.content.decode() and "刪除 2 筆時數？" in asked.content.decode()
    assert 'value="誤植"' in asked.content.decode()
    assert live() == {A: "1", B: "1"}
    page.post(place, sent | {"shown": shown_in(asked)})
    assert live() == {} and Deletion.objects.get().count == 2


def test_a_deletion_of_nothing_is_none(page):
    bring(Model(), {A: "1"})
    place = "/manage/learning-map/hours/delete/"
    ids = {"ids": [Record.objects.live().get(agency=agency_a()).pk]}
    sent = ids | {"confirmed": "1", "reason": "誤植", "shown": shown_in(page.post(place, ids))}
    assert "已刪除 1 筆" in page.post(place, sent, follow=True).content.decode()
    again = page.post(place, sent, follow=True).content.decode()
    assert "已刪除 0 筆" not in again
    assert (
        record_actions.delete(Record.objects.filter(pk__in=ids["ids"]), reason="x", by=clerk())
        is None
    )
    assert Deletion.objects.count() == 1
    assert Event.objects.filter(verb="delete_hours").count() == 1


def test_a_restoring_of_nothing_is_none(page):
    bring(Model(), {A: "1"})
    deletion = delete(Model(), {A})
    bring(Model(), {A: "1"})
    place = f"/manage/learning-map/hours/deleted/{deletion.pk}/restore/"
    assert "沒有可以還原的" in page.post(place, follow=True).content.decode()
    assert not Event.objects.filter(verb="restore_hours").exists()


def test_until_when_a_deletion_can_be_restored_is_a_day_of_ours(page):
    bring(Model(), {A: "1"})
    deletion = delete(Model(), {A})
    early = datetime.combine(timezone.localdate(), time(3, 16))  # yesterday still, in UTC
    deletion.at = timezone.make_aware(early)
    deletion.save()
    until = roc_dates.roc_date(timezone.localdate() + timedelta(days=30))
    assert f"還原（{until} 前）" in page.get("/manage/learning-map/hours/deleted/").content.decode()


def test_what_a_file_found_unchanged_is_kept_for_long(settings):
    first = bring(Model(), {A: "1"})
    second = bring(Model(), {A: "1", B: "1"})
    ImportRun.objects.update(created_at=timezone.now() - timedelta(days=400))
    import_actions.purge()
    record_actions.undo(first, by=clerk())
    assert live() == {A: "1", B: "1"}
    record_actions.undo(second, by=clerk())
    assert live() == {}


ODD_TEXTS = ["", '"', '""', "a,b", "a\nb\r\nc", "\\", "'", "許功蓋", " x ", "%s", "{1}"]


@pytest.mark.django_db
def test_rows_that_are_read_at_once_are_what_is_stored():
    kinds = {"number": pl.Int64, "day": pl.Date, "text": pl.String, "none": pl.Int64}
    one = "SELECT CAST(%s AS bigint), CAST(%s AS date), CAST(%s AS text), CAST(NULL AS bigint)"
    if connection.vendor == "sqlite":
        one = one.replace("AS date", "AS text")
    statement = " UNION ALL ".join([one] * len(ODD_TEXTS))
    rows = [(number, date(2026, 1, 5), text, None) for number, text in enumerate(ODD_TEXTS)]
    values = [value for row in rows for value in row[:3]]
    read = bulk_read.frame_at_once(kinds, statement, values, using="default")
    assert sorted(read.rows()) == rows
    nothing = bulk_read.frame_at_once(kinds, f"{one} WHERE 1 = 0", values[:3], using="default")
    assert nothing.is_empty() and nothing.schema == pl.Schema(kinds)
