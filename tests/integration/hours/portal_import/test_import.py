"""Results of an import: outcomes, trial, undo, deletion, history, the trail, silence."""

import io
import json
import os
import socket
from datetime import date

import openpyxl
import polars as pl
import pytest
from django.core.management import call_command
from django.db import connection

from ismp.audit import trail
from ismp.audit.models import Event
from ismp.hours.models import Record, RecordRevision
from ismp.hours.portal_import import importing as portal_importing
from ismp.hours.records import bulk_write
from ismp.hours.records.actions import records
from ismp.imports import report
from ismp.imports import running as hours_importing
from ismp.imports.models import ImportRun, RunFile, State
from tests.support.portal_files import PERSON, data, row

pytestmark = pytest.mark.django_db


def numbers(result):
    return tuple(result[name] for name in ("created", "updated", "unchanged", "rejected"))


def test_the_same_rows_again_change_nothing_in_any_order_or_encoding(import_bytes):
    rows = [row(term=str(n)) for n in range(50)]
    assert numbers(import_bytes(data(*rows))) == (50, 0, 0, 0)
    assert numbers(import_bytes(data(*rows[::-1], encoding="utf-16"))) == (0, 0, 50, 0)


def test_other_contents_update_and_keep_their_history(import_bytes):
    import_bytes(data(row()))
    assert numbers(import_bytes(data(row(score="90")))) == (0, 1, 0, 0)
    assert Record.objects.get().score == "90"
    assert RecordRevision.objects.get().score == ""


def test_a_trial_predicts_and_stores_nothing(import_bytes):
    import_bytes(data(row(), row(term="2")))
    file = data(row(score="1"), row(term="2"), row(term="3"), row(total="9"))
    trial = import_bytes(file, dry_run=True)
    assert Record.objects.count() == 2
    assert not RecordRevision.objects.exists()
    assert numbers(trial) == numbers(import_bytes(file)) == (1, 1, 1, 1)


def test_undo_takes_back_what_has_not_changed_since(import_bytes, account):
    clerk = account("IC1001", "agency_admin")
    import_bytes(data(row()))
    second = import_bytes(data(row(score="90"), row(term="2"), row(term="3")))["run"]
    import_bytes(data(row(term="3", score="7")))
    expected = {"removed": 1, "restored": 1, "kept": 1}
    assert records.undo_effects(second) == expected
    assert records.undo(second, by=clerk) == expected
    assert {(r.term, r.score) for r in Record.objects.live()} == {("1", ""), ("3", "7")}
    with pytest.raises(records.ActionRefused):
        records.undo(second, by=clerk)
    assert numbers(import_bytes(data(row(term="2")))) == (1, 0, 0, 0)


def test_deleted_records_come_back_by_restoring_or_importing(import_bytes, account):
    clerk = account("IC1001", "agency_admin")
    import_bytes(data(row(), row(term="2")))
    deletion = records.delete(Record.objects.filter(term="1"), reason="誤植", by=clerk)
    assert (deletion.count, deletion.people, Record.objects.live().count()) == (1, 1, 1)
    assert records.restore(deletion, by=clerk) == 1
    records.delete(Record.objects.all(), reason="誤植", by=clerk)
    assert numbers(import_bytes(data(row()))) == (1, 0, 0, 0)


def test_another_agency_is_not_touched(import_bytes):
    import_bytes(data(row()))
    result = import_bytes(data(row()), agency="382990002Z")
    assert [r["code"] for r in result["rejections"]] == ["no-account"]
    assert Record.objects.get().agency.code == "382990001Z"


def test_a_strangers_name_is_noted_and_imported(import_bytes):
    result = import_bytes(data(row(name="別人"), row(name=PERSON.name[0] + "??", term="2")))
    assert result["created"] == 2
    assert result["run"].notes["names"] == 1


def test_the_report_is_text_only_masked_and_says_why(import_bytes):
    run = import_bytes(data(row(title="=1+1", total="9"), row(national_id="A123456780")))["run"]
    buffer = io.BytesIO(b"".join(report.rejected_workbook(run)))
    rows = list(openpyxl.load_workbook(buffer).active.iter_rows())
    assert {cell.data_type for cells in rows for cell in cells} <= {"s", "n"}
    values = [[cell.value for cell in cells] for cells in rows]
    assert values[1][0] == 2
    assert values[1][1] == PERSON.national_id[:6] + "****"
    assert values[1][9] == "=1+1"
    assert values[1][-4] == "hours-sum"
    assert PERSON.national_id not in str(values)


def test_no_national_id_stands_in_clear_in_the_database(import_bytes):
    import_bytes(data(row(), row(total="9")))
    from ismp.accounts.models import Account

    dump = str(list(RunFile.objects.values())) + str(list(Account.objects.values()))
    dump += str(list(Record.objects.values())) + str(list(Event.objects.values()))
    assert PERSON.national_id not in dump
    assert Account.objects.get(username=PERSON.username).national_id == PERSON.national_id


def test_a_poison_file_is_set_aside_after_three_tries(import_bytes, monkeypatch):
    monkeypatch.setattr(portal_importing, "judged", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        import_bytes(data(row()))
    run = ImportRun.objects.get()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            hours_importing.perform(run.pk)
    run.refresh_from_db()
    assert (run.state, run.attempt) == (State.QUARANTINED, 3)
    assert "3 次" in run.reason


def test_a_superseded_worker_leaves_nothing(import_bytes, monkeypatch):
    store = portal_importing.store

    def overtaken(run, *arguments):
        ImportRun.objects.filter(pk=run.pk).update(attempt=2)
        return store(run, *arguments)

    monkeypatch.setattr(portal_importing, "store", overtaken)
    result = import_bytes(data(row()))
    assert result["run"].state == State.RUNNING
    assert not Record.objects.exists()


def test_the_trail_holds_and_shows_tampering(import_bytes):
    import_bytes(data(row()))
    assert list(trail.faults()) == []
    Event.objects.filter(number=2).update(actor="someone")
    assert any("竄改" in fault for fault in trail.faults())


def test_no_event_no_action(import_bytes, monkeypatch):
    monkeypatch.setattr(trail, "record", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        import_bytes(data(row()))
    assert not Record.objects.exists()


def test_the_command_prints_one_json_object(city, tmp_path, capsys):
    file = tmp_path / "f.csv"
    file.write_bytes(data(row(), row(total="9")))
    call_command("import_hours", str(file), agency="382990001Z", json=True)
    result = json.loads(capsys.readouterr().out)
    assert (result["state"], result["total"], result["created"], result["rejected"]) == (
        "completed",
        2,
        1,
        1,
    )
    assert result["rejections"][0].keys() == {"line", "code", "message"}
    with pytest.raises(SystemExit) as stop:
        file.write_bytes(b"")
        call_command("import_hours", str(file), agency="382990001Z", json=True)
    assert stop.value.code == 2
    assert json.loads(capsys.readouterr().out)["state"] == "refused"


def test_only_a_trial_opens_a_savepoint(import_bytes, monkeypatch):
    """On SQLite a savepoint keeps each page that changes after it in memory."""
    opened, store = [], portal_importing.store

    def noting(*args):
        opened.append(len([name for name in connection.savepoint_ids if name]))
        return store(*args)

    monkeypatch.setattr(portal_importing, "store", noting)
    import_bytes(data(row()))
    import_bytes(data(row(term="2")), dry_run=True)
    assert opened[1] == opened[0] + 1


SPECIAL = 'a "b"\t\\N,\r\n\\.\n\\'


@pytest.mark.parametrize("count", [1, 2, 3000])
def test_rows_are_loaded_as_they_are_whatever_repeats(count):
    """On SQLite a value that is the same in all rows is bound once for all of them; to PostgreSQL's
    COPY some characters mean something."""
    day = date(2026, 2, 28)
    some = pl.DataFrame(
        {
            "missing": pl.Series([None] * count, dtype=pl.String),
            "empty": [""] * count,
            "day": [day] * count,
            "once": pl.Series([SPECIAL] + [None] * (count - 1), dtype=pl.String),
            "number": range(count),
        }
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE loaded"
            " (missing text, empty text, day text, once text, number integer)"
        )
        bulk_write.load("loaded", some)
        bulk_write.load(
            "loaded", some.with_columns(number=pl.lit(-1))
        )  # nothing differs but `once`
        cursor.execute("SELECT missing, empty, day, once, number FROM loaded ORDER BY number")
        found = cursor.fetchall()
        cursor.execute("DROP TABLE loaded")
    rows = [(None, "", day.isoformat(), SPECIAL if n == 0 else None, n) for n in range(count)]
    assert found[count:] == rows
    assert sorted(map(repr, found[:count])) == sorted(repr((*row[:4], -1)) for row in rows)


@pytest.mark.postgresql
def test_the_kernel_takes_more_off_us_at_once_than_by_default(import_bytes):
    """Else the server waits for a thread of ours between two hundred kilobytes and the next."""
    ours, _ = socket.socketpair()
    with ours, socket.socket(fileno=os.dup(connection.connection.fileno())) as theirs:
        import_bytes(data(row()))
        sizes = [each.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) for each in (ours, theirs)]
        assert sizes[0] < sizes[1] or theirs.family != socket.AF_UNIX
