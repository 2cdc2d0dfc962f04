"""Workers killed and paused at each step of the import: nothing lost, nothing doubled.

Real processes with a home and a database of their own, on SQLite or PostgreSQL as the suite runs.
"""

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest
from files import data, row
from places import Place

from ismp.hours.pulse import STEPS

AGENCY = "382990001Z"
ROWS = 300


@pytest.fixture
def site(tmp_path, town):
    """An installation with the invented city, and a file for it."""
    place = Place(tmp_path / "home", like=town, ISMP_IMPORT_LEASE_SECONDS="1")
    (tmp_path / "file.csv").write_bytes(
        data(*(row(term=str(n)) for n in range(ROWS)), row(total="9"))
    )
    yield place.python, tmp_path / "file.csv"
    place.close()


QUEUE = """
import django; django.setup()
from pathlib import Path
from ismp.accounts.models import Agency
from ismp.hours import actions, files
from ismp.hours.models import RunFile
run = actions.open_run(agency=Agency.objects.get(code="%s"), filename="f.csv")
writer = files.Writer(run, RunFile.Kind.UPLOAD)
writer.write(Path(r"%s").read_bytes())
actions.received(run, writer.close(), writer.size, writer.lines)
actions.accept(run)
print(run.pk)
"""
STATE = """
import django; django.setup()
import json
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.hours.models import ImportRun, Record, RecordRevision
run = ImportRun.objects.get()
print(json.dumps({
    "state": run.state, "created": run.created, "rejected": run.rejected, "attempt": run.attempt,
    "records": Record.objects.live().count(), "revisions": RecordRevision.objects.count(),
    "events": Event.objects.filter(verb="import_hours").count(), "faults": list(trail.faults()),
}))
"""
PERFORM = "import django; django.setup(); from ismp.hours import importing; importing.perform(%s)"
DONE = {
    "state": "completed",
    "created": ROWS,
    "rejected": 1,
    "records": ROWS,
    "revisions": 0,
    "events": 1,
    "faults": [],
}


def script(python, text):
    done = python("-c", text)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def state_of(python):
    return json.loads(script(python, STATE))


@pytest.mark.parametrize("step", STEPS[1:])
def test_a_killed_worker_loses_and_doubles_nothing(site, step):
    python, file = site
    run = script(python, QUEUE % (AGENCY, file))
    killed = python("tests/faulty_worker.py", run, step, "SIGKILL")
    assert killed.returncode == -signal.SIGKILL
    assert state_of(python) | {"state": "running", "records": 0, "events": 0} == state_of(python)
    time.sleep(1.1)
    script(python, PERFORM % run)
    assert state_of(python) == DONE | {"attempt": 2}


@pytest.mark.parametrize("step", STEPS[1:])
def test_a_paused_worker_that_wakes_too_late_changes_nothing(site, step):
    """Where the paused one holds the only write lock (SQLite), the successor waits for it."""
    python, file = site
    run = script(python, QUEUE % (AGENCY, file))
    paused = python("tests/faulty_worker.py", run, step, "SIGSTOP", background=True)
    try:
        os.waitpid(paused.pid, os.WUNTRACED)
        time.sleep(1.1)
        successor = python("-c", PERFORM % run, background=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            successor.wait(4)
    finally:
        paused.send_signal(signal.SIGCONT)
        paused.communicate(timeout=60)
    successor.communicate(timeout=90)
    outcome = state_of(python)
    assert outcome.pop("attempt") in {1, 2}
    assert outcome == DONE


def test_two_workers_at_one_run_do_it_once(site):
    python, file = site
    run = script(python, QUEUE % (AGENCY, file))
    both = [python("-c", PERFORM % run, background=True) for _ in range(2)]
    for worker in both:
        assert worker.wait(60) == 0, worker.stderr.read()
        worker.stderr.close()
    assert state_of(python) == DONE | {"attempt": 1}


LISTS = {
    "roster": "\n".join(
        [
            "機關代碼,機關名稱,部門,公務帳號,姓名,身分證字號,電子郵件,資安列管身分,狀態",
            *(f"{AGENCY},示範市政府資訊中心,資訊科,ZZ{n},某人,,,,在職" for n in range(9)),
        ]
    ),
    "devices": "\n".join(
        [
            "財產編號,種類,廠牌,連網情形",
            *(f"Z-{n},硬體,示範牌,公務網路" for n in range(9)),
            "x,x,x,x",
        ]
    ),
}
QUEUE_LIST = """
import django; django.setup()
from pathlib import Path
from ismp.accounts.models import Account
from ismp.hours import actions, files
from ismp.hours.models import RunFile
by = Account.objects.select_related("agency").get(username="IC1001")
by.role = "agency_admin"; by.save()
run = actions.open_run(agency=by.agency, filename="f.csv", source="%s", by=by)
writer = files.Writer(run, RunFile.Kind.UPLOAD)
writer.write(Path(r"%s").read_bytes())
actions.received(run, writer.close(), writer.size, writer.lines)
actions.accept(run)
print(run.pk)
"""
STATE_OF_LIST = """
import django; django.setup()
import json
from ismp.accounts.models import Account, Service
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.hours.models import ImportRun, RunFile
from ismp.security.models import Device
run = ImportRun.objects.get()
print(json.dumps({
    "state": run.state, "created": run.created, "rejected": run.rejected, "attempt": run.attempt,
    "accounts": Account.objects.filter(username__startswith="ZZ").count(),
    "services": Service.objects.filter(account__username__startswith="ZZ").count(),
    "devices": Device.objects.count(),
    "kept": sorted(run.files.values_list("kind", flat=True)),
    "events": Event.objects.filter(subject=f"run:{run.pk}").count(), "faults": list(trail.faults()),
}))
"""


@pytest.mark.parametrize("source", LISTS)
@pytest.mark.parametrize("step", ["parsed", "reported"])
def test_a_worker_killed_at_a_list_loses_and_doubles_nothing(site, source, step):
    python, file = site
    file.write_text(LISTS[source], "utf-8")
    run = script(python, QUEUE_LIST % (source, file))
    killed = python("tests/faulty_worker.py", run, step, "SIGKILL")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = json.loads(script(python, STATE_OF_LIST))
    assert (before["state"], before["attempt"], before["faults"]) == ("running", 1, [])
    assert before["accounts"] == before["services"] == before["devices"] == before["events"] == 0
    time.sleep(1.1)
    script(python, PERFORM % run)
    nine = {"roster": {"accounts": 9, "services": 9}, "devices": {"devices": 9, "rejected": 1}}
    nothing = {"accounts": 0, "services": 0, "devices": 0, "rejected": 0}
    assert json.loads(script(python, STATE_OF_LIST)) == nothing | nine[source] | {
        "state": "completed",
        "created": 9,
        "attempt": 2,
        "kept": ["rejected", "rows", "upload"],
        "events": 1,
        "faults": [],
    }
