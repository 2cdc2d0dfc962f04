"""A city at work at once: clerks and staff in front of the real web server, one worker behind it,
PostgreSQL below, and in the middle the import of one large file.

    python benchmarks/load.py
    python benchmarks/load.py --staff 100 --clerks 10 --ramp 20 --seconds 40 --rows 10000

Everybody comes by the sign-in page, spread over the ramp, fetches the page's static files once as
a browser does, and then reads: staff 20 to 60 s a page, clerks 5 to 15 s.  All on loopback, in a
throw-away cluster with fsync on, bounded in time.  Prints errors, p50 and p95 by page, requests per
second, and what the progress of the import told; asserts nothing.
"""

import argparse
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cluster
import gevent
from locust import FastHttpUser, between, task
from locust.env import Environment
from locust.stats import StatsEntry

ROOT = Path(__file__).resolve().parent.parent
LIST = "/manage/learning-map/agency-hours/"


class Person(FastHttpUser):
    """Somebody with a browser; `names` are the accounts that nobody sits at yet."""

    abstract = True
    names: list[str]
    password: str

    def on_start(self) -> None:
        page = self.see("/accounts/login/", "sign-in page")
        for path in sorted(set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))):
            self.client.get(path, name="static file")
        token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', page)
        fields = {"csrfmiddlewaretoken": token and token[1], "username": self.names.pop()}
        self.see("/accounts/login/", "signing in", {**fields, "password": self.password})

    def see(self, path: str, name: str, fields: dict[str, str] | None = None) -> str:
        """The page's text; an error unless it is one of ours for somebody signed in."""
        method = "POST" if fields else "GET"
        wanted = "csrfmiddlewaretoken" if name == "sign-in page" else "/accounts/logout/"
        with self.client.request(
            method, path, name=name, data=fields, catch_response=True
        ) as answer:
            text: str = answer.text or ""
            if answer.status_code not in {200, 286} or wanted not in text:
                answer.failure(f"{answer.status_code}: not the page that was asked for")
            return text


class Staff(Person):
    wait_time = between(20, 60)

    @task(6)
    def home(self) -> None:
        self.see("/", "portal")

    @task(2)
    def notices(self) -> None:
        self.see("/notices/", "notices")

    @task(1)
    def questions(self) -> None:
        self.see("/faq/", "questions")


class Clerk(Person):
    wait_time = between(5, 15)

    @task(5)
    def records(self) -> None:
        self.see(LIST, "list")

    @task(3)
    def next_page(self) -> None:
        self.see(f"{LIST}?page=2", "list, page 2")

    @task(3)
    def search(self) -> None:
        self.see(f"{LIST}?field=name&q=%E6%9E%97", "list, by name")

    @task(1)
    def runs(self) -> None:
        self.see("/manage/learning-map/runs/", "runs")

    @task(1)
    def export(self) -> None:
        path = "/manage/learning-map/hours/export/?format=csv"
        with self.client.get(path, name="export (csv)", catch_response=True) as answer:
            if answer.status_code != 200 or "公務帳號" not in (answer.text or "")[:100]:
                answer.failure(f"{answer.status_code}: no export")


class Importer(Person):
    """The clerk with the large file; looks at its progress every second, as the page does."""

    wait_time = between(1, 1)
    file: Path
    begins_at: float
    reported: list[tuple[int, int]] = []
    result = ""
    took = 0.0

    @task
    def upload(self) -> None:
        gevent.sleep(max(0.0, Importer.begins_at - time.monotonic()))
        token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', self.see(LIST, "list"))
        mark, content = secrets.token_hex(16), self.file.read_bytes()
        head = f'--{mark}\r\nContent-Disposition: form-data; name="'
        body = (
            f'{head}csrfmiddlewaretoken"\r\n\r\n{token and token[1]}\r\n'
            f'{head}file"; filename="import.csv"\r\nContent-Type: text/csv\r\n\r\n'
        ).encode()
        body += content + f"\r\n--{mark}--\r\n".encode()
        headers = {
            "Accept": "application/json",
            "Content-Type": f"multipart/form-data; boundary={mark}",
        }
        begun = time.monotonic()
        window = self.client.post(
            "/manage/learning-map/upload/", body, name="upload", headers=headers
        ).json()["window"]
        while True:
            with self.client.get(window, name="progress", catch_response=True) as answer:
                if answer.status_code == 286:  # htmx' word for: ask no more
                    answer.success()
            step = re.search(r'<progress max="(\d+)" value="(\d+)"', answer.text)
            if step:
                Importer.reported.append((int(step[2]), int(step[1])))
            if answer.status_code == 286:
                break
            gevent.sleep(1)
        Importer.took = time.monotonic() - begun
        Importer.result = " ".join(
            re.sub("<[^>]+>", " ", answer.text.split('<dl class="sums">')[1]).split()
        )[:70]
        self.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description="A city at work at once.")
    parser.add_argument("--staff", type=int, default=1_000)
    parser.add_argument("--clerks", type=int, default=100)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=2, help="of the web server")
    parser.add_argument("--ramp", type=int, default=240, help="seconds over which people sign in")
    parser.add_argument("--seconds", type=int, default=120, help="after that")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="ismp-load-") as folder,
        cluster.running(Path(folder)) as address,
    ):
        site = Site(Path(folder), address, options)
        try:
            before = site.processor_seconds()
            environment = at_work(site, options)
            after = site.processor_seconds()
        finally:
            site.close()
        report(environment, options, site)
        used = ", ".join(f"{who} {after[who] - spent:.1f}" for who, spent in before.items())
        print(
            f"  processor seconds: {used}; load of the machine at the end {os.getloadavg()[0]:.1f}"
        )


class Site:
    """The city's database, filled; its web server and its worker."""

    def __init__(self, folder: Path, address: str, options: argparse.Namespace) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._environment = {
            **os.environ,
            "ISMP_HOME": str(folder / "home"),
            "ISMP_PORT": str(self.port),
            "ISMP_WEB_PROCESSES": str(options.processes),
            "DATABASE_URL": address,
            "DJANGO_SETTINGS_MODULE": "ismp.config.settings",
        }
        numbers = map(str, [options.clerks, options.rows])
        reported = subprocess.run(
            [sys.executable, "benchmarks/city.py", folder, *numbers],
            check=True,
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
        )
        self.people, self.file = json.loads(reported.stdout), folder / "import.csv"
        self.log = folder / "site.log"
        with self.log.open("wb") as log:
            self._processes = [
                subprocess.Popen(
                    [sys.executable, "manage.py", *command],
                    cwd=ROOT,
                    env=self._environment,
                    stdout=log,
                    stderr=log,
                )
                for command in (["serve", "--no-worker"], ["worker"])
            ]
        while socket.socket().connect_ex(("127.0.0.1", self.port)):
            time.sleep(0.2)

    def processor_seconds(self) -> dict[str, float]:
        web, worker = (cluster.tree_seconds(process.pid) for process in self._processes)
        database = cluster.processor_seconds(self._folder)
        own = time.process_time()
        return {"web": web, "worker": worker, "database": database, "this program": own}

    def close(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            process.wait(30)


def at_work(site: Site, options: argparse.Namespace) -> Environment:
    everybody = options.staff + options.clerks
    Clerk.names, Staff.names = site.people["clerks"][1:], site.people["staff"]
    Importer.names, Importer.file = site.people["clerks"][:1], site.file
    Person.password = site.people["password"]
    Staff.fixed_count, Clerk.fixed_count, Importer.fixed_count = (
        options.staff,
        options.clerks - 1,
        1,
    )
    Importer.begins_at = time.monotonic() + options.ramp + options.seconds / 4
    environment = Environment(
        user_classes=[Staff, Clerk, Importer], host=f"http://127.0.0.1:{site.port}"
    )
    runner = environment.create_local_runner()
    runner.start(everybody, everybody / options.ramp)
    gevent.sleep(options.ramp + options.seconds)
    runner.quit()
    return environment


def report(environment: Environment, options: argparse.Namespace, site: Site) -> None:
    whole = environment.stats.total
    print(
        f"{options.staff:,} staff and {options.clerks:,} clerks, signing in over {options.ramp} s,"
        f" {options.seconds} s more; {options.rows:,} rows imported in the middle"
    )
    for entry in sorted(environment.stats.entries.values(), key=lambda each: each.name):
        print(line(entry.name, entry))
    print(line("all", whole), f"  {whole.total_rps:.1f} requests/s")
    for error in environment.stats.errors.values():
        print(f"  ERROR {error.occurrences} × {error.name}: {error.error}")
    done = [done for done, _ in Importer.reported]
    print(
        f"the import: {Importer.took:.1f} s from the first byte to the result; {Importer.result}\n"
        f"  its progress as told: {Importer.reported[:1]} … {Importer.reported[-1:]},"
        f" never backwards: {done == sorted(done)}"
    )
    log = site.log.read_text("utf-8")
    print(f"  lines in the log: {log.count(chr(10))}, of errors: {log.count('ERROR')}")


def line(name: str, entry: StatsEntry) -> str:
    p50, p95 = (entry.get_response_time_percentile(share) or 0 for share in (0.5, 0.95))
    return (
        f"  {name:<16}{entry.num_requests:7,} requests {entry.num_failures:4} errors"
        f"   p50 {p50:5.0f} ms   p95 {p95:5.0f} ms   longest {entry.max_response_time:6.0f} ms"
    )


if __name__ == "__main__":
    main()
