"""Workers killed and paused at each step of the import: nothing lost, nothing doubled.

Real processes with a home and a database of their own, on SQLite or PostgreSQL as the suite runs.
"""

import contextlib
import os
import signal
import subprocess

import pytest
from django.http import QueryDict

from ismp.accounts.models import Account, Posting
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.hours.models import Deletion, Record
from ismp.hours.records.actions import jobs
from ismp.hours.records.actions import records as record_actions
from ismp.imports import running
from ismp.imports.heartbeat import STEPS
from ismp.imports.models import ImportRun
from ismp.security.models import Device
from tests.support.faults import AGENCY, DONE, LEASE_OVER, ROWS, Site, site, state_of
from tests.support.hosts import PATIENCE_SECONDS
from tests.support.portal_files import packed

__all__ = ["site"]


@pytest.mark.parametrize("step", STEPS[1:])
def test_a_killed_worker_loses_and_doubles_nothing(site, step):
    run = site.queue()
    killed = site.python("tests/support/faulty_worker.py", run, step, "SIGKILL")
    assert killed.returncode == -signal.SIGKILL
    before = state_of(site)
    assert before | {"state": "running", "records": 0, "events": 0} == before
    site.perform(run, after=LEASE_OVER)
    assert state_of(site) == DONE | {"attempt": 2}


@pytest.mark.parametrize("step", STEPS[1:])
def test_a_paused_worker_that_wakes_too_late_changes_nothing(site, step):
    """Where the paused one holds the only write lock (SQLite), the successor waits for it.

    Where it wakes before a slow successor has looked, it takes up its work; if PostgreSQL has ended
    its transaction meanwhile, it frees the run at once for whoever comes next.
    """
    run = site.queue()
    paused = site.python("tests/support/faulty_worker.py", run, step, "SIGSTOP", background=True)
    try:
        os.waitpid(paused.pid, os.WUNTRACED)
        successor = site.worker(run, after=LEASE_OVER)
        with contextlib.suppress(subprocess.TimeoutExpired):
            successor.wait(LEASE_OVER + 3)
    finally:
        paused.send_signal(signal.SIGCONT)
        paused.communicate(timeout=PATIENCE_SECONDS)
    successor.communicate(timeout=PATIENCE_SECONDS)
    site.perform(run)
    outcome = state_of(site)
    assert outcome.pop("attempt") in {1, 2}
    assert outcome == DONE


@pytest.mark.parametrize("fault", ["SIGKILL", "SIGSTOP"])
def test_a_worker_lost_while_it_unpacks_leaves_the_archive(site, fault):
    site.file.write_bytes(packed({"a.csv": site.file.read_bytes()}))
    run = site.queue()
    lost = site.python("tests/support/faulty_worker.py", run, "unpacked", fault, background=True)
    if fault == "SIGSTOP":
        os.waitpid(lost.pid, os.WUNTRACED)
    else:
        lost.wait(PATIENCE_SECONDS)
    successor = site.worker(run, after=LEASE_OVER)
    with contextlib.suppress(subprocess.TimeoutExpired):
        successor.wait(LEASE_OVER + 3)
    if fault == "SIGSTOP":
        lost.send_signal(signal.SIGCONT)
    lost.communicate(timeout=PATIENCE_SECONDS)
    successor.communicate(timeout=PATIENCE_SECONDS)
    site.perform(run)
    outcome = state_of(site)
    assert outcome.pop("attempt") in {1, 2}
    assert outcome == DONE


def test_two_workers_at_one_run_do_it_once(site):
    run = site.queue()
    both = [site.worker(run, after=2) for _ in range(2)]
    for worker in both:
        assert worker.wait(PATIENCE_SECONDS) == 0, worker.stderr.read()
        worker.stderr.close()
    assert state_of(site) == DONE | {"attempt": 1}


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


def state_of_list(place):
    with place.entered():
        run = ImportRun.objects.get()
        return {
            "state": run.state,
            "created": run.created,
            "rejected": run.rejected,
            "attempt": run.attempt,
            "accounts": Account.objects.filter(username__startswith="ZZ").count(),
            "postings": Posting.objects.filter(account__username__startswith="ZZ").count(),
            "devices": Device.objects.count(),
            "kept": sorted(run.files.values_list("kind", flat=True)),
            "events": Event.objects.filter(subject=f"run:{run.pk}").count(),
            "faults": list(trail.faults()),
        }


@pytest.mark.parametrize("source", LISTS)
@pytest.mark.parametrize("step", ["parsed", "reported"])
def test_a_worker_killed_at_a_list_loses_and_doubles_nothing(site, source, step):
    site.file.write_text(LISTS[source], "utf-8")
    run = site.queue(source)
    killed = site.python("tests/support/faulty_worker.py", run, step, "SIGKILL")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = state_of_list(site)
    assert (before["state"], before["attempt"], before["faults"]) == ("running", 1, [])
    assert before["accounts"] == before["postings"] == before["devices"] == before["events"] == 0
    site.perform(run, after=LEASE_OVER)
    nine = {"roster": {"accounts": 9, "postings": 9}, "devices": {"devices": 9, "rejected": 1}}
    nothing = {"accounts": 0, "postings": 0, "devices": 0, "rejected": 0}
    assert state_of_list(site) == nothing | nine[source] | {
        "state": "completed",
        "created": 9,
        "attempt": 2,
        "kept": ["rejected", "rows", "upload"],
        "events": 1,
        "faults": [],
    }


# --- Deletions, restorings and undos of many records, which are jobs -----------------------------

JOB_LEASE_SECONDS = 5
"""PostgreSQL ends what does nothing for so long within its transaction, and these jobs compute."""


@pytest.fixture
def job_site(tmp_path, town, django_db_blocker):
    site = Site(tmp_path / "home", town, JOB_LEASE_SECONDS)
    with django_db_blocker.unblock():
        yield site
    site.close()


EVERYTHING = QueryDict("everything=1&field=title&q=")


def job_of(kind, run):
    """A job about what a run brought in; what is to become of its records."""
    by = Account.objects.select_related("agency").get(username="IC1001")
    Account.objects.filter(pk=by.pk).update(role="agency_admin")
    by.refresh_from_db()
    values = {"shown": None, "by": by}
    if kind == "undo":
        return jobs.undo(ImportRun.objects.get(pk=run), **values), 0
    if kind == "delete":
        return jobs.delete(EVERYTHING, reason="誤植", count=ROWS, **values), 0
    records = Record.objects.live()
    return jobs.restore(record_actions.delete(records, reason="誤植", **values), by=by), ROWS


def state_of_job(place, job):
    with place.entered():
        job = ImportRun.objects.get(pk=job.pk)
        return {
            "state": job.state,
            "attempt": job.attempt,
            "records": Record.objects.live().count(),
            "deletions": Deletion.objects.count(),
            "restored": Deletion.objects.exclude(restored_at=None).count(),
            "undone": ImportRun.objects.exclude(undone_at=None).count(),
            "events": Event.objects.count(),
            "faults": list(trail.faults()),
        }


@pytest.mark.parametrize(
    ("kind", "step", "outcome"),
    [
        ("delete", "checked", {"deletions": 1}),
        ("delete", "stored", {"deletions": 1}),
        ("restore", "stored", {"restored": 1}),
        ("undo", "stored", {"undone": 1, "deletions": 1}),
    ],
)
def test_a_worker_killed_at_a_job_leaves_nothing_half_done_and_it_ends_once(
    job_site, kind, step, outcome
):
    site = job_site
    run = site.queue()
    with site.entered():
        running.perform(run)
        job, left = job_of(kind, run)
    queued = state_of_job(site, job)
    killed = site.python("tests/support/faulty_worker.py", job.pk, step, "SIGKILL")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert state_of_job(site, job) == queued | {"state": "running", "attempt": 1}
    site.perform(job.pk, after=JOB_LEASE_SECONDS + 0.1)
    ended = {"state": "completed", "attempt": 2, "records": left, "events": queued["events"] + 1}
    assert state_of_job(site, job) == queued | ended | outcome
    site.perform(job.pk)
    assert state_of_job(site, job) == queued | ended | outcome
