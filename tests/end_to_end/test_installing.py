"""`docs/operations.md`, "Setting up", followed literally: its commands, the units, `ismp.env` and
`ismp-run` as they are, on an empty PostgreSQL database, from an installed wheel.

What a test must not do is moved or left out: folders outside of its own, accounts of the system,
systemd (the units' lines are read and run by `Machine`) and packages from the network (`run.py`
installs the same locks by hash before any test; the machine sees what it installed).
"""

import http.client
import os
import re
import shlex
import signal
import subprocess
import sys
import sysconfig
import uuid
from pathlib import Path

import psycopg
import pytest

from ismp.accounts import demo_data
from tests.support import ROOT
from tests.support.hosts import PATIENCE_SECONDS, free_ports, wait_for_web
from tests.support.portal_files import data, row

HOST, CLERK, PASSWORD = "ismp.example", "IC1001", "一把在安裝時用的很長的密碼"
MOVED = ("/opt/ismp", "/etc/ismp", "/etc/systemd/system", "/usr/local/sbin", "/srv")


class Machine:
    """A folder in the place of `/`, and what runs there."""

    def __init__(self, folder):
        self.folder, self.postings = folder, []
        cluster, self.database = os.environ["ISMP_TEST_CLUSTER"], f"machine_{uuid.uuid4().hex}"
        self._server = f"host={cluster} user=ismp dbname=postgres"
        self._execute(f"CREATE DATABASE {self.database}")
        self.ports = dict(zip(("8000", "8001"), free_ports(2), strict=True))
        self.changed = {
            "postgres://ismp@/ismp?host=/run/postgresql": (
                f"postgres://ismp@/{self.database}?host={cluster}"
            ),
            "setpriv --reuid=ismp --regid=ismp --init-groups ": "",
        }
        for name in (*MOVED, "/srv/ismp", "/srv/backup"):
            self.path(name).mkdir(parents=True, exist_ok=True)

    def path(self, name):
        return Path(f"{self.folder}{name}")

    def adapted(self, text):
        """With this machine's folders and database in the place of the manual's."""
        for theirs, ours in self.changed.items():
            text = text.replace(theirs, ours)
        return re.sub(rf"(?<![\w.])({'|'.join(MOVED)})\b", rf"{self.folder}\1", text)

    def copy(self, source, target):
        path = self.path(target)
        path.write_text(self.adapted((ROOT / source).read_text("utf-8")), "utf-8")
        path.chmod(0o755 if "sbin" in target else 0o600)

    def run(self, line, answers=""):
        """A line of the manual, in the checkout, without any setting of ours."""
        done = subprocess.run(
            shlex.split(self.adapted(line)),
            check=False,
            cwd=ROOT,
            env={"PATH": f"{self.path('/usr/local/sbin')}:/usr/local/bin:/usr/bin:/bin"},
            input=answers,
            start_new_session=True,  # no terminal: the password is read from the input
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def unit(self, name):
        """Return the commands that systemd would run, with the settings of its files alone."""
        template, _, instance = name.partition("@")
        file = self.path(f"/etc/systemd/system/{template}{'@' * bool(instance)}.service")
        lines = file.read_text("utf-8").replace("%i", str(self.ports.get(instance, instance)))
        found = re.findall(r"^(EnvironmentFile|Environment|ExecStart)=(.+)$", lines, re.MULTILINE)
        commands = [shlex.split(value) for key, value in found if key == "ExecStart"]
        settings = {"PATH": "/usr/bin:/bin"}
        for key, value in found:
            if key != "ExecStart":
                text = Path(value).read_text("utf-8") if key == "EnvironmentFile" else value
                settings |= dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
        return commands, settings

    def start(self, name):
        [command], settings = self.unit(name)
        log = self.path("/services.log").open("ab")
        with log:
            started = subprocess.Popen(command, env=settings, cwd="/", stdout=log, stderr=log)
        self.postings.append(started)

    def stop(self):
        for service in self.postings:
            service.send_signal(signal.SIGTERM)
        for service in self.postings:
            assert service.wait(PATIENCE_SECONDS) == 0, self.path("/services.log").read_text()
        self.postings = []

    def ask(self, port, path, *, form=None, cookies=""):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        headers = {
            "Host": HOST,
            "X-Forwarded-Proto": "https",
            "Referer": f"https://{HOST}/",
            "Cookie": cookies,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        connection.request("POST" if form else "GET", path, form, headers)
        answer = connection.getresponse()
        answer.text = answer.read().decode()
        connection.close()
        return answer

    def close(self):
        for service in self.postings:
            service.kill()
            service.wait()
        self._execute(f"DROP DATABASE {self.database} WITH (FORCE)")

    def _execute(self, statement):
        with psycopg.connect(self._server, autocommit=True) as server:
            server.execute(statement)


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path)
    yield machine
    machine.close()


def commands(chapter):
    """The indented lines of a chapter of the manual."""
    text = (ROOT / "docs/operations.md").read_text("utf-8")
    [found] = re.findall(rf"^## {chapter}$(.+?)^## ", text, re.MULTILINE | re.DOTALL)
    return re.findall(r"^ {7,}(\S.+)$", found, re.MULTILINE)


def cookies_of(answer):
    return "; ".join(each.split(";")[0] for each in answer.headers.get_all("Set-Cookie"))


@pytest.mark.end_to_end
@pytest.mark.postgresql
def test_the_manual_leads_to_a_site_that_works(machine, tmp_path):
    lines = commands("Setting up")
    environment, locked, ours, web_and_workers, timers, roster, role, password = lines
    machine.run(environment.replace("python3", sys.executable))
    assert locked.endswith("--require-hashes -r requirements/build.txt -r requirements/run.txt")
    seen = machine.path("/opt/ismp/lib").glob("python3*/site-packages")
    (next(seen) / "seen.pth").write_text(sysconfig.get_path("purelib"))
    machine.run(ours)

    machine.copy("deploy/ismp.env", "/etc/ismp/ismp.env")
    machine.copy("deploy/ismp-run", "/usr/local/sbin/ismp-run")
    for unit in (ROOT / "deploy").glob("*.service"):
        machine.copy(f"deploy/{unit.name}", f"/etc/systemd/system/{unit.name}")
    for name in web_and_workers.removeprefix("systemctl enable --now ").split():
        machine.start(name)
    wait_for_web(machine.ports.values())

    (tmp_path / "roster.csv").write_text(demo_data.roster_csv(demo_data.city()), "utf-8")
    machine.run(roster.replace("roster.csv", f"{tmp_path}/roster.csv"))
    machine.run(role.replace("AB1234", CLERK))
    machine.run(password.replace("AB1234", CLERK), f"{PASSWORD}\n{PASSWORD}\n")
    person = next(one for one in demo_data.city() if one.username == CLERK)
    file = tmp_path / "hours.csv"
    file.write_bytes(data(row(national_id=person.national_id, name=person.name), encoding="utf-8"))
    taken = machine.run(f"ismp-run import_hours {file} --agency {person.agency_code}")
    assert "1" in taken

    for port in machine.ports.values():
        assert machine.ask(port, "/readyz").status == 200
        page = machine.ask(port, "/accounts/login/")
        token = re.search('csrfmiddlewaretoken" value="([^"]+)', page.text)[1]
        form = f"csrfmiddlewaretoken={token}&username={CLERK}&password={PASSWORD}"
        signed = machine.ask(port, "/accounts/login/", form=form.encode(), cookies=cookies_of(page))
        assert signed.status == 302, signed.text
        listed = machine.ask(
            port,
            f"/manage/learning-map/hours/?agency={person.agency_code}",
            cookies=cookies_of(signed),
        )
        assert listed.status == 200 and person.name in listed.text

    for name in timers.removeprefix("systemctl enable --now ").replace(".timer", "").split():
        [command], settings = machine.unit(name)
        done = subprocess.run(command, check=False, env=settings, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    [backup] = [one for one in machine.path("/srv/backup").iterdir() if one.suffix != ".anchor"]
    machine.stop()
    machine.run(f"ismp-run restore --force {backup}")
    machine.start("ismp-web@8000")
    wait_for_web([machine.ports["8000"]])
    assert machine.ask(machine.ports["8000"], "/readyz").status == 200
    machine.stop()
