"""Three web servers, four workers, one PostgreSQL: workers are killed and paused at random and the
database is restarted, and every law of the import holds as if nothing had happened.

Long form: `pytest tests/end_to_end/test_cluster.py --postgresql --soak=SECONDS -o faulthandler_timeout=0`.
"""

import csv
import io
import itertools
import random
import signal
import threading
import time
from collections import Counter
from datetime import date

import pytest

from ismp.accounts import demo_data
from tests.support import oracle
from tests.support.hosts import PASSWORD, PATIENCE_SECONDS, Browser, Hosts, wait_for_web
from tests.support.laws import announced
from tests.support.portal_files import data, row
from tests.support.postgres import Cluster

pytestmark = [pytest.mark.postgresql, pytest.mark.end_to_end]

WEBS, WORKERS, AGENCIES, PEOPLE = 3, 4, 20, 100
FILES_EACH, ROWS = 2, 3_000
LEASE_SECONDS = 3
GRACE_SECONDS = 2
"""How long after its restart the database may still be missed."""

APPOINT = f"""
from django.contrib.auth.hashers import make_password
from ismp.accounts.models import Account, Agency
from ismp.accounts.roles import Role
for agency in Agency.objects.all():
    clerk = agency.accounts.filter(status="active").order_by("username").first()
    clerk.role, clerk.password = Role.AGENCY_ADMIN.value, make_password("{PASSWORD}")
    clerk.save()
clerks = Account.objects.filter(role="agency_admin").values_list("agency__code", "username")
print(json.dumps(dict(clerks)))
"""
REPORT = """
from tests.support.laws import outcome
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.hours.models import Record, RecordRevision
from ismp.imports.models import ImportRun
runs = [
    {
        "file": run.filename, "agency": run.agency.code, "dry_run": run.dry_run,
        "reported": outcome(run), "attempt": run.attempt, "reason": run.reason,
        "received": run.received_at and run.received_at.timestamp(),
        "finished": run.finished_at and run.finished_at.timestamp(),
        "events": Event.objects.filter(subject=f"run:{run.pk}").count(),
    }
    for run in ImportRun.objects.select_related("agency").order_by("received_at", "pk")
]
records = [
    [
        [r.agency.code, r.account.username, r.category, r.organizer_code, r.title, r.term,
         str(r.started_on), str(r.ended_on)],
        {name: getattr(r, name) for name in (
            "learning_type", "organizer_name", "department", "degree", "kind", "fee", "total",
            "unit", "score", "certificate_no", "nature", "digital_hours", "classroom_hours",
            "job_related")},
    ]
    for r in Record.objects.live().select_related("agency", "account")
]
print(json.dumps({
    "runs": runs, "records": records, "revisions": RecordRevision.objects.count(),
    "all_records": Record.objects.count(), "faults": list(trail.faults()),
}))
"""


@pytest.fixture
def cluster():
    """Of its own, because it is restarted."""
    cluster = Cluster()
    yield cluster
    cluster.remove()


@pytest.fixture
def hosts(tmp_path, cluster):
    hosts = Hosts(
        tmp_path,
        cluster.url(),
        ISMP_IMPORT_LEASE_SECONDS=str(LEASE_SECONDS),
        ISMP_IMPORT_ATTEMPTS="99",  # chance may hit one file more than three times
    )
    yield hosts
    hosts.close()


class Trouble:
    """Kills and pauses workers, and restarts the database once a round."""

    def __init__(self, hosts, cluster, chance):
        self.hosts, self.cluster, self.chance = hosts, cluster, chance
        self.workers = [hosts.worker() for _ in range(WORKERS)]
        self.paused, self.away, self.done = {}, [], Counter()

    def strike(self):
        victim = self.chance.choice(self.workers)
        if self.chance.random() < 0.35:
            self.paused.pop(victim, None)
            victim.kill()
            victim.wait()
            self.done["killed"] += 1
        elif victim not in self.paused:
            victim.send_signal(signal.SIGSTOP)
            self.paused[victim] = time.monotonic() + self.chance.uniform(0.2, 2 * LEASE_SECONDS)
            self.done["paused"] += 1
        self.mend()

    def mend(self, *, everything=False):
        """Do a service manager's work: start dead workers again, wake paused ones."""
        for worker, until in list(self.paused.items()):
            if everything or time.monotonic() > until:
                del self.paused[worker]
                worker.send_signal(signal.SIGCONT)
        for worker in list(self.workers):
            if worker.poll() is not None:
                # One that is started while the database is away says so and ends (exit 1).
                expected = {-signal.SIGKILL, 1} if self.away else {-signal.SIGKILL}
                assert worker.returncode in expected, self.hosts.logs()[-4000:]
                self.workers.remove(worker)
                self.workers.append(self.hosts.worker())

    def restart_database(self):
        began = time.monotonic()
        self.cluster.stop(self.chance.choice(["fast", "immediate"]))
        time.sleep(1)  # long enough that somebody meets it
        self.cluster.start()
        self.away.append((began, time.monotonic() + GRACE_SECONDS))


def clerk_at_work(browser, username, files, over):
    """Upload each file, again when the database was away; then look at the pages till all is over.

    Each clerk has a random generator, so that no thread's order changes the numbers.
    """
    while True:
        try:
            browser.sign_in(username)
            break
        except AssertionError:
            time.sleep(0.5)
    for name, content, mode in files:
        while browser.upload(name, content, mode=mode).status != 200:
            time.sleep(0.5)
        browser.get("/manage/learning-map/agency-hours/")
    while not over.wait(1):
        browser.get("/manage/learning-map/runs/")


def files_of(code, people, number, chance):
    """The files of an agency in one round: new rows, rows that change earlier ones, bad rows."""
    own = [person for person in people if person.agency_code == code and person.active]
    for n in range(number, number + FILES_EACH):
        rows = [
            row(
                national_id=person.national_id,
                name=person.name,
                term=str(n * ROWS // 2 + index),  # half of them stand in the file before
                score=str(n),
            )
            for index in range(ROWS)
            for person in [own[index % len(own)]]
        ]
        for bad in chance.sample(range(ROWS), ROWS // 30):
            rows[bad] = row(national_id=own[0].national_id, total="9", term=f"b{bad}")
        rows.append(rows[0])
        mode = "dry_run" if chance.random() < 0.15 else "import"
        yield f"{code}-{n}.csv", data(*rows, encoding="utf-8-sig"), mode


def test_every_law_holds_while_workers_die_and_the_database_restarts(hosts, cluster, pytestconfig):
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    people = demo_data.people(PEOPLE, AGENCIES)
    ports = [hosts.web() for _ in range(WEBS)]  # all on an empty database: one of them fills it
    trouble = Trouble(hosts, cluster, chance)
    hosts.bring(people)
    clerks = hosts.python(APPOINT)
    wait_for_web(ports)

    contents, browsers, number = {}, [], 0
    until = time.monotonic() + pytestconfig.getoption("--soak")
    while True:
        files = {code: list(files_of(code, people, number, chance)) for code in clerks}
        contents |= {name: content for own in files.values() for name, content, _ in own}
        browsers += one_round(trouble, clerks, files, ports, chance)
        number += FILES_EACH
        if time.monotonic() > until:
            break
    hosts.close()

    result = hosts.python(REPORT)
    check_laws(result, contents, list(csv.DictReader(io.StringIO(demo_data.roster_csv(people)))))
    answers = [answer for browser in browsers for answer in browser.answers]
    for answer in answers:
        assert answer.polite(), answer.text
        met = any(a <= answer.ended and answer.began <= b for a, b in trouble.away)
        assert answer.status < 500 or met, answer.text
    assert not any(person.national_id in hosts.logs() for person in people)
    tries = Counter(run["attempt"] for run in result["runs"])
    print(
        f"{dict(trouble.done)}; runs by attempts {dict(sorted(tries.items()))};"
        f" answers {Counter(answer.status for answer in answers)}"
    )


def one_round(trouble, clerks, files, ports, chance):
    """All clerks upload their files; trouble strikes until half of them are in, then all finish."""
    over = threading.Event()
    browsers = {code: Browser(itertools.cycle(ports).__next__) for code in clerks}
    threads = [
        threading.Thread(
            target=clerk_at_work, args=(browsers[code], clerks[code], files[code], over)
        )
        for code in clerks
    ]
    for thread in threads:
        thread.start()
    done, total = imported(trouble.cluster), sum(map(len, files.values()))
    restarted, calm = False, time.monotonic() + 15
    until = time.monotonic() + PATIENCE_SECONDS
    while imported(trouble.cluster) < done + total or open_runs(trouble.cluster):
        assert time.monotonic() < until, "the imports do not come to an end"
        time.sleep(chance.uniform(0.2, 0.8))
        if not restarted and imported(trouble.cluster) > done + total // 8:
            trouble.restart_database()
            restarted = True
        if time.monotonic() < calm:
            trouble.strike()
        else:
            trouble.mend(everything=True)
    over.set()
    for thread in threads:
        thread.join()
    return list(browsers.values())


def open_runs(cluster):
    return cluster.execute(
        "SELECT count(*) FROM imports_importrun WHERE state IN ('receiving', 'queued', 'running')"
    )[0][0]


def imported(cluster):
    """How many files are done; one that was sent twice counts once."""
    return cluster.execute(
        "SELECT count(DISTINCT filename) FROM imports_importrun WHERE state = 'completed'"
    )[0][0]


def check_laws(result, contents, accounts):
    """Conservation, oracle, footprint, trail: each run as if it had been alone in the world."""
    store, updated = {}, 0
    finished = {}
    for run in result["runs"]:
        state, counts, faults, names = run["reported"]
        assert run["events"] == 1, run
        if state == "refused":  # its upload met the restart; the clerk sent the file again
            assert "中斷" in run["reason"]
            assert sum(counts) == 0
            continue
        expected = oracle.import_file(
            contents[run["file"]],
            agency=run["agency"],
            accounts=accounts,
            store=store,
            today=date.today(),
            dry_run=run["dry_run"],
        )
        was = (state, tuple(counts), [tuple(fault) for fault in faults], names)
        assert was == announced(expected), run
        assert counts[0] == sum(counts[1:])
        updated += 0 if run["dry_run"] else counts[2]
        finished.setdefault(run["agency"], []).append(run["finished"])
    assert {run["file"] for run in result["runs"]} == set(contents)
    assert all(times == sorted(times) for times in finished.values()), "not in order of arrival"
    assert sorted(result["records"], key=str) == sorted(map(as_recorded, store.items()), key=str)
    assert (result["all_records"], result["revisions"]) == (len(store), updated)
    assert result["faults"] == []


def as_recorded(event):
    """An entry of the oracle's store in the words of REPORT."""
    key, contents = event
    hours = {
        name: None if contents[name] is None else int(contents[name] * 1000)
        for name in oracle.HOUR_CELLS
    }
    return [[str(part) if isinstance(part, date) else part for part in key], contents | hours]
