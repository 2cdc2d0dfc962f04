"""Agencies take turns: many files of one hold up nobody, and come in one after the other."""

import threading

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from ismp.accounts.models import Agency
from ismp.imports import actions as import_actions
from ismp.imports import kinds
from ismp.imports import queue as import_queue
from ismp.imports import running as importing
from ismp.imports.models import ImportRun, State
from ismp.imports.upload import Upload
from tests.support.hosts import PATIENCE_SECONDS
from tests.support.portal_files import data, row
from tests.support.task_queue import lose, work

pytestmark = pytest.mark.django_db
BUSY, OTHER, THIRD = "382990001Z", "382990002Z", "382990003Z"


def queue(code, content=None):
    """Take a file in as the web does, up to the point where a worker goes on."""
    agency = Agency.objects.get(code=code)
    upload = Upload(agency=agency, filename="成績.csv")
    upload.write(content or data(row(term=str(upload.run.pk))))
    upload.close()
    return import_actions.receive(upload, kind=kinds.find_kind("file"), agency=agency)


def finished():
    return list(ImportRun.objects.order_by("finished_at").values_list("agency__code", "pk"))


def turns(code):
    ready = DBTaskResult.objects.ready().values_list("args_kwargs", flat=True)
    return sum(Agency.objects.get(pk=args["args"][0]).code == code for args in ready)


def test_fifty_files_of_one_agency_do_not_hold_up_the_first_of_another(city):
    many = [queue(BUSY) for _ in range(50)]
    one, another = queue(OTHER), queue(THIRD)
    work()
    order = finished()
    assert [order.index((OTHER, one.pk)), order.index((THIRD, another.pk))] == [1, 2]
    assert [pk for code, pk in order if code == BUSY] == [run.pk for run in many]
    assert set(ImportRun.objects.values_list("state", flat=True)) == {State.COMPLETED}


def test_two_agencies_with_many_files_alternate(city):
    for code in (BUSY, BUSY, BUSY, OTHER, OTHER, OTHER):
        queue(code)
    work()
    assert [code for code, _ in finished()] == [BUSY, OTHER] * 3


def test_files_come_in_as_they_arrived_not_as_they_were_begun(city):
    slow, quick = queue(BUSY), queue(BUSY)
    ImportRun.objects.filter(pk=slow.pk).update(received_at=timezone.now())
    work()
    assert [pk for _, pk in finished()] == [quick.pk, slow.pk]


def test_an_agency_has_one_turn_at_a_time(city):
    for _ in range(3):
        queue(BUSY)
    assert turns(BUSY) == 1


def test_a_turn_of_a_busy_agency_is_dropped_without_waiting(city):
    running, waiting = queue(BUSY), queue(BUSY)
    lose(running, seconds=-60)
    importing.perform_next(running.agency_id)
    assert set(ImportRun.objects.values_list("state", "attempt")) == {
        (State.RUNNING, 1),
        (State.QUEUED, 0),
    }
    assert import_actions.recover() == 0
    importing.perform(waiting.pk)  # a command asks for this very run: it is done


def test_a_lost_turn_is_given_again_once(city):
    queue(BUSY)
    queue(OTHER)
    DBTaskResult.objects.all().delete()
    assert [import_actions.recover() for _ in range(3)] == [2, 0, 0]
    work()
    assert {code for code, _ in finished()} == {BUSY, OTHER}


def test_what_a_dead_worker_left_comes_before_what_waits(city):
    first, second = queue(BUSY), queue(BUSY)
    lose(second)
    DBTaskResult.objects.all().delete()
    assert import_actions.recover() == 1
    work()
    assert [pk for _, pk in finished()] == [second.pk, first.pk]
    assert ImportRun.objects.get(pk=second.pk).attempt == 2


def test_a_file_that_always_fails_is_set_aside_and_the_next_ones_go_on(city, monkeypatch):
    poison, good = queue(BUSY), queue(BUSY)
    do = importing._import

    def fail(run, heartbeat):
        if run.pk == poison.pk:
            raise ZeroDivisionError
        do(run, heartbeat)

    monkeypatch.setattr(importing, "_import", fail)
    for _ in range(4):
        work()
        import_actions.recover()
    states = dict(ImportRun.objects.values_list("pk", "state"))
    assert states == {poison.pk: State.QUARANTINED, good.pk: State.COMPLETED}


def test_a_command_is_not_overtaken_by_a_worker(city, monkeypatch):
    """The run of a command is in nobody's queue, so a turn of its agency does not take it."""
    perform = importing.perform

    def first_a_worker(run_id):
        importing.perform_next(ImportRun.objects.get(pk=run_id).agency_id)
        perform(run_id)

    monkeypatch.setattr(importing, "perform", first_a_worker)
    agency = Agency.objects.get(code=BUSY)
    run = import_actions.import_file([data(row())], agency=agency, filename="成績.csv")
    assert (run.state, run.created, run.attempt) == (State.COMPLETED, 1, 1)


def test_a_turn_of_an_agency_without_files_does_nothing(city):
    import_queue.enqueue_agency(Agency.objects.get(code=BUSY).pk)
    work()
    assert not ImportRun.objects.exists()
    assert turns(BUSY) == 0


def elsewhere(do):
    """Start it on a connection of its own; `join` waits, `result` holds what came out."""

    class Elsewhere(threading.Thread):
        result = None

        def run(self):
            try:
                self.result = do()
            finally:
                connection.close()

    thread = Elsewhere(daemon=True)
    thread.start()
    return thread


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_waiting_turn_is_not_used_up_before_the_new_file_can_be_seen(city):
    def offered():
        with transaction.atomic():
            return DBTaskResult.objects.ready().get_locked()

    run = queue(BUSY)
    with transaction.atomic():  # another file is being made ready
        assert not import_queue.enqueue_agency(run.agency_id)
        during = elsewhere(offered)
        during.join(PATIENCE_SECONDS)
    after = elsewhere(offered)
    after.join(PATIENCE_SECONDS)
    assert during.result is None
    assert after.result is not None


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_turn_that_meets_an_import_in_its_last_moment_goes_on_with_the_next_file(city):
    ending, following = queue(BUSY), queue(BUSY)
    lose(ending, seconds=-60)
    with transaction.atomic():
        ImportRun.objects.filter(pk=ending.pk).update(state=State.COMPLETED)
        turn = elsewhere(lambda: importing.perform_next(ending.agency_id))
        turn.join(0.5)
        assert turn.is_alive()
    turn.join(PATIENCE_SECONDS)
    following.refresh_from_db()
    assert following.state == State.COMPLETED


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_run_is_free_at_once_when_its_worker_lost_the_database(city, monkeypatch):
    """Nobody waits for the end of the lease of a worker that knows that it cannot go on."""
    run = queue(BUSY)
    do = importing._import

    def lose_it(run, heartbeat):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(importing, "_import", lose_it)
    with pytest.raises(OperationalError):
        importing.perform_next(run.agency_id)
    lost = ImportRun.objects.get(pk=run.pk)
    assert (lost.state, lost.attempt) == (State.RUNNING, 1)
    assert lost.lease_until <= timezone.now()
    monkeypatch.setattr(importing, "_import", do)
    import_actions.recover()
    work()
    assert ImportRun.objects.get(pk=run.pk).state == State.COMPLETED


def test_a_worker_waits_for_the_database_to_free_its_run(monkeypatch):
    tries = []

    class Away:
        in_atomic_block, connection = False, None

        def close(self): ...

        def ensure_connection(self):
            tries.append(1)
            if len(tries) < 3:
                raise OperationalError

    monkeypatch.setattr(importing, "connection", Away())
    monkeypatch.setattr(importing, "_RETRY_SECONDS", 0)
    importing._connect_again()
    assert len(tries) == 3
