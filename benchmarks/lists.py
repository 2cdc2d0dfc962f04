"""Lists, boards and export over ten years of records, through HTTP, signed in.

    python benchmarks/lists.py --postgresql                 10,000,000 records
    python benchmarks/lists.py                               1,000,000 in SQLite
    python benchmarks/lists.py --rows 60000 --rounds 3       a small form of it
    python benchmarks/lists.py --postgresql --home /tmp/x    fills it once, measures it again later

Prints the time of each page at the server (from the last byte of the question to the last of the
answer, on loopback) with the goal beside it, and never asserts.  PostgreSQL runs in a throw-away
cluster with fsync on.
"""

import argparse
import http.client
import importlib.util
import io
import itertools
import os
import re
import socket
import statistics
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import cluster  # noqa: E402
import openpyxl  # noqa: E402
import psutil  # noqa: E402

LIST = "/manage/learning-map/hours/"
PERIODS = {"a year": "", "all years": "&start=&end="}
KEYWORDS = {
    "no keyword": "",
    "account, one": "field=username&q=P0000101",
    "account, a sixth of all": "field=username&q=P000",
    "name, rare": "field=name&q=陳志明",
    "name, 6 in 100": "field=name&q=淑",
    "department, 1 in 4": "field=department&q=資訊",
    "title, 1 in 8": "field=title&q=弱點",
    "title, 1 in 2": "field=title&q=資通",
}
PLACES = ("first", "middle", "last")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--home", type=Path, help="keep the filled database there")
    options = parser.parse_args()
    rows = options.rows or (10_000_000 if options.postgresql else 1_000_000)
    with cluster.home(postgresql=options.postgresql, kept=options.home):
        import django

        django.setup()
        import filled

        from ismp.hours.models import Record

        if options.home is None or not (options.home / "filled").exists():
            filled.fill(rows)
            if options.home:
                (options.home / "filled").touch()
        print(
            f"{'PostgreSQL' if options.postgresql else 'SQLite'}, {Record.objects.count():,} rows"
        )
        with Site() as site:
            pages(site, options.rounds, goal=50 if options.postgresql else 80)
            export(site)
        boards()


class Site:
    """The real web server, and somebody signed in who may see all agencies."""

    def __enter__(self) -> "Site":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._server = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--no-worker"],
            cwd=HERE.parent,
            env={**os.environ, "ISMP_PORT": str(self.port)},
            stdout=subprocess.DEVNULL,
        )
        self._cookies: dict[str, str] = {}
        self._sign_in()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.terminate()
        self._server.wait(30)

    def _sign_in(self) -> None:
        from filled import BIGGEST

        from ismp.accounts.models import Account, Status

        person = Account.objects.filter(agency__code=BIGGEST, status=Status.ACTIVE)[0]
        person.role = "platform_admin"
        password = os.urandom(12).hex()
        person.set_password(password)
        person.save()
        self.agency = BIGGEST
        token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', self._when_it_is_up())
        fields = {"csrfmiddlewaretoken": token and token[1], "username": person.username}
        form = urllib.parse.urlencode({**fields, "password": password})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self.ask("POST", "/accounts/login/", form, headers)
        answer.read()
        assert answer.status == 302, answer.status

    def _when_it_is_up(self) -> str:
        for _ in range(300):
            try:
                return self.ask("GET", "/accounts/login/").read().decode()
            except OSError:
                time.sleep(0.2)
        raise SystemExit("the server does not come up")

    def ask(
        self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
    ) -> http.client.HTTPResponse:
        server = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        server.request(method, path, body or None, {**(headers or {}), "Cookie": cookies})
        answer = server.getresponse()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        return answer

    def page(self, path: str) -> tuple[str, float]:
        begun = time.perf_counter()
        answer = self.ask("GET", path)
        text = answer.read().decode()
        taken = time.perf_counter() - begun
        assert answer.status == 200, (answer.status, path)
        return text, taken

    def memory(self) -> int:
        """MB of all the server's processes."""
        server = psutil.Process(self._server.pid)
        tree = [server, *server.children(recursive=True)]
        return sum(process.memory_info().rss for process in tree) // 1024**2


def pages(site: Site, rounds: int, goal: int) -> None:
    print(f"page of 50 in ms, p50 / p95 of {rounds} (goal {goal}); load {os.getloadavg()[0]:.1f}")
    print(f"  {'':46}{'records':>10}" + "".join(f"{place:>17}" for place in PLACES))
    scopes = {"biggest agency": f"agency={site.agency}", "city": "agency="}
    for scope, period, keyword in itertools.product(scopes, PERIODS, KEYWORDS):
        query = urllib.parse.quote(
            f"{scopes[scope]}{PERIODS[period]}&{KEYWORDS[keyword]}", safe="=&"
        )
        text, _ = site.page(f"{LIST}?{query}")
        count = re.search(r"共 ([\d,]+) 筆", text)
        last = int((re.search(r"</b>／(\d+)", text) or ["", "1"])[1])
        cells = []
        for number in (1, (last + 1) // 2, last):
            times = [site.page(f"{LIST}?{query}&page={number}")[1] for _ in range(rounds)]
            cells.append(two(times, goal))
        name = f"{scope}, {period}, {keyword}"
        print(f"  {name:46}{count[1] if count else '0':>10}{''.join(cells)}", flush=True)


def two(times: list[float], goal: int) -> str:
    p50 = statistics.median(times) * 1_000
    p95 = sorted(times)[int(len(times) * 0.95)] * 1_000 if len(times) > 1 else p50
    return f"{p50:8.0f} /{p95:5.0f} {'*' if p95 > goal else ' '}"


def export(site: Site) -> None:
    path = f"{LIST}export/?agency={site.agency}&format=xlsx"
    site.ask("GET", f"{path}&q=P0000001&field=username").read()
    before, most, begun = site.memory(), 0, time.perf_counter()
    answer = site.ask("GET", path)
    parts = [answer.read(1)]
    first = time.perf_counter() - begun
    while part := answer.read(1024 * 1024):
        parts.append(part)
        most = max(most, site.memory())
    whole = time.perf_counter() - begun
    rows = rows_of(b"".join(parts))
    print(
        f"export of {len(rows) - 1:,} rows: first byte {first:.2f} s, whole {whole:.2f} s,", end=" "
    )
    print(f"{sum(map(len, parts)) / 1e6:.1f} MB, server {before} MB, then at most {most} MB")
    for name, write in writers(rows):
        taken = min(timed(write) for _ in range(2))
        print(f"  {name}, the same rows ready: {taken:.2f} s (the export {whole / taken:.2f} ×)")


def rows_of(data: bytes) -> list[list[str]]:
    sheet = openpyxl.load_workbook(io.BytesIO(data), read_only=True).active
    return [[cell or "" for cell in row] for row in sheet.iter_rows(values_only=True)]


def writers(rows: list[list[str]]) -> Iterator[tuple[str, Callable[[], None]]]:
    """Other writers of .xlsx, with the same rows ready."""

    def xlsxwriter_flat() -> None:
        import xlsxwriter

        book = xlsxwriter.Workbook(io.BytesIO(), {"constant_memory": True})
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                sheet.write_string(number, column, cell)
        book.close()

    # Neither is a dependency of ours: installed beside.
    if importlib.util.find_spec("xlsxwriter"):
        yield "xlsxwriter, constant memory", xlsxwriter_flat
    if importlib.util.find_spec("rustpy_xlsxwriter"):
        import rustpy_xlsxwriter

        head, *others = rows
        records = [dict(zip(head, row, strict=True)) for row in others]
        yield (
            "rustpy-xlsxwriter",
            lambda: rustpy_xlsxwriter.write_worksheet(records, io.BytesIO(), "a"),
        )


def boards() -> None:
    """Rows that boards are computed from: hours of people by category in the newest year."""
    from django.db.models import Max, Sum
    from filled import BIGGEST

    from ismp.hours.models import PersonYear

    newest = PersonYear.objects.aggregate(year=Max("year"))
    city = PersonYear.objects.filter(**newest).values_list("account", "category")
    for whose, lines in (("city", city), ("biggest agency", city.filter(agency__code=BIGGEST))):
        taken = timed(lambda lines=lines: list(lines.annotate(Sum("hours")).order_by()))
        print(f"hours of every person of the {whose}, by category: {taken * 1_000:.0f} ms")


def timed(action: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
