"""Several hosts of one site: web servers and workers as processes, each with a home of its own,
that share nothing but the keys and one PostgreSQL; and a browser without a screen to visit them.
"""

import http.cookiejar
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from dataclasses import dataclass

from ismp.accounts import demo_data
from tests.support import ROOT

PASSWORD = "一把測試用的長密碼"
PATIENCE_SECONDS = 300
"""After so long, what was to come does not come. No measure of speed: machines are slow at times."""


class Hosts:
    """`environment` is what all hosts are started with, beside their own home."""

    def __init__(self, folder, database_url, **environment):
        self.folder, self.processes = folder, []
        self._environment = {**os.environ, "DATABASE_URL": database_url, **environment}
        self._environment["DJANGO_SETTINGS_MODULE"] = "ismp.config.settings"
        self._environment["PYTHONPATH"] = os.pathsep.join(
            [str(ROOT), os.environ.get("PYTHONPATH", "")]
        )

    def start(self, *arguments, **environment):
        log = (self.folder / f"{len(self.processes)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self._home() | environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def web(self, **environment):
        """Start a web server; returns its port at once (see `wait_for_web`)."""
        [port] = free_ports(1)
        self.start("manage.py", "serve", "--no-worker", ISMP_PORT=str(port), **environment)
        return port

    def worker(self):
        return self.start("manage.py", "worker")

    def bring(self, people):
        """Import a roster of invented people from a host of its own."""
        roster = self.folder / "roster.csv"
        roster.write_text(demo_data.roster_csv(people), "utf-8")
        imported = self.start("manage.py", "import_roster", str(roster))
        assert imported.wait(PATIENCE_SECONDS) == 0, self.logs()[-4000:]

    def python(self, script):
        """Run a script with Django on the same database; return its output, parsed from JSON."""
        done = subprocess.run(
            [sys.executable, "-c", f"import django, json; django.setup()\n{script}"],
            check=False,
            cwd=ROOT,
            env=self._home(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "null")

    def logs(self):
        return "".join(path.read_text("utf-8") for path in self.folder.glob("*.log"))

    def close(self):
        for process in self.processes:
            for number in (signal.SIGCONT, signal.SIGTERM):
                if process.poll() is None:
                    process.send_signal(number)
        for process in self.processes:
            try:
                process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _home(self):
        """An environment with a home that no other process has; only the keys are the same."""
        home, keys = self.folder / f"home-{uuid.uuid4().hex[:8]}", self.folder / "keys.json"
        home.mkdir(mode=0o700)
        if not keys.exists():
            from ismp.storage.keyring import KeyRing

            KeyRing.open(self.folder)
        shutil.copy(keys, home)
        return self._environment | {"ISMP_HOME": str(home)}


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_for(question, reported=lambda: "it does not come", every=0.1):
    """Ask until the answer is yes, and return that; what is `told` if it never is."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not (answer := question()):
        assert time.monotonic() < until, reported()
        time.sleep(every)
    return answer


def wait_for_web(ports):
    for port in ports:
        wait_for(lambda port=port: is_open(port), lambda: "a web server does not come up")


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    began: float
    ended: float

    def polite(self):
        """Reliability's law of speech: no traceback, and an error in Traditional Chinese."""
        rude = "Traceback" in self.text or "Error" in self.text
        return not rude and (self.status < 500 or "請等幾秒" in self.text)


class _AnyStatus(urllib.request.HTTPErrorProcessor):
    """Hand out answers of every status; follow redirects as ever."""

    def http_response(self, request, response):
        return super().http_response(request, response) if response.status < 400 else response


class Browser:
    """One person's session; `pick` says which host's port the next request goes to."""

    def __init__(self, pick):
        self._pick, self.answers = pick, []
        self._jar = http.cookiejar.CookieJar()
        cookies = urllib.request.HTTPCookieProcessor(self._jar)
        self._opener = urllib.request.build_opener(cookies, _AnyStatus())

    def get(self, path):
        return self._ask(urllib.request.Request(self._address(path)))

    def post(self, path, fields, *, file=None, accept="text/html"):
        """Send a form as a browser does; `file` is (name, bytes)."""
        mark = uuid.uuid4().hex
        parts = [(f'name="{name}"', value.encode()) for name, value in fields.items()]
        parts.insert(0, ('name="csrfmiddlewaretoken"', self._token().encode()))
        if file:
            parts.append((f'name="file"; filename="{file[0]}"\r\nContent-Type: text/csv', file[1]))
        body = b"".join(
            f"--{mark}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + value + b"\r\n"
            for head, value in parts
        )
        headers = {"Content-Type": f"multipart/form-data; boundary={mark}", "Accept": accept}
        request = urllib.request.Request(
            self._address(path), body + f"--{mark}--\r\n".encode(), headers
        )
        return self._ask(request)

    def sign_in(self, username):
        self.get("/accounts/login/")
        answer = self.post("/accounts/login/", {"username": username, "password": PASSWORD})
        assert answer.status == 200
        assert 'action="/accounts/logout/"' in answer.text, re.sub("<[^>]+>", "", answer.text)

    def upload(self, name, data, **fields):
        file = (name, data)
        return self.post(
            "/manage/learning-map/upload/", fields, file=file, accept="application/json"
        )

    def _token(self):
        return next((cookie.value for cookie in self._jar if cookie.name.endswith("csrftoken")), "")

    def _address(self, path):
        return f"http://127.0.0.1:{self._pick()}{path}"

    def _ask(self, request):
        began = time.monotonic()
        with self._opener.open(request, timeout=PATIENCE_SECONDS) as response:
            text = response.read().decode("utf-8", "replace")
        answer = Answer(response.status, text, began, time.monotonic())
        self.answers.append(answer)
        return answer
