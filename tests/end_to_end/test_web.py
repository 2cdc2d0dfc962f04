"""The web server as it runs in production: what the main page weighs, and who has to wait."""

import gzip
import http.client
import re
import socket

import pytest

from ismp.accounts import demo_data
from tests.support.faults import AGENCY
from tests.support.hosts import PATIENCE_SECONDS, Browser, free_ports, wait_for
from tests.support.installations import APPOINT, CLERK, LIST, Place
from tests.support.portal_files import data, row


@pytest.fixture(scope="module")
def port(tmp_path_factory, town):
    """Of a web server with more than a page of records."""
    folder = tmp_path_factory.mktemp("web")
    [number] = free_ports(1)
    place = Place(folder / "home", like=town, ISMP_PORT=str(number))
    own = [p for p in demo_data.city() if p.active and p.agency_code == AGENCY]
    rows = [
        row(national_id=p.national_id, name=p.name, title=f"資通安全課程第{n}講", term=str(n))
        for n in range(60)
        for p in [own[n % len(own)]]
    ]
    (folder / "file.csv").write_bytes(data(*rows, encoding="utf-8-sig"))
    imported = place.python("manage.py", "import_hours", folder / "file.csv", "--agency", AGENCY)
    assert imported.returncode == 0, imported.stderr
    place.script(APPOINT)
    with place.serving("serve", "--no-worker"):
        yield number
    place.close()


@pytest.fixture(scope="module")
def cookies(port):
    browser = Browser(lambda: port)
    browser.sign_in(CLERK)
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser._jar)


class Visit:
    """One request; how many bytes the answer takes, head and all."""

    def __init__(self, port, path, cookies=""):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        # Brotli would be smaller still, but is at hand only where others have installed it.
        connection.request("GET", path, headers={"Accept-Encoding": "gzip", "Cookie": cookies})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status == 200, path
        self.headers = answer.headers
        self.bytes = len(body) + sum(
            len(name) + len(value) + 4 for name, value in answer.getheaders()
        )
        packed = answer.headers["Content-Encoding"] == "gzip"
        self.text = (gzip.decompress(body) if packed else body).decode()


def test_the_main_page_is_light(port, cookies):
    page = Visit(port, LIST, cookies)
    assert page.text.count('name="ids"') == 50
    parts = [
        Visit(port, path) for path in set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text))
    ]
    assert len(parts) >= 4
    total = page.bytes + sum(part.bytes for part in parts)
    print(f"{len(parts) + 1} requests, {total:,} bytes; later {page.bytes:,}")
    assert (total < 150_000, len(parts) < 10) == (True, True)
    assert page.bytes < 30_000
    for part in parts:  # later visits ask for the page alone
        assert "immutable" in part.headers["Cache-Control"]


def test_the_length_of_a_page_is_no_oracle(port, cookies):
    """BREACH: the same page has another length each time, and no form the same token twice."""
    pages = [Visit(port, LIST, cookies) for _ in range(12)]
    assert len({page.bytes for page in pages}) > 3
    tokens = [re.search('csrfmiddlewaretoken" value="([^"]+)', page.text)[1] for page in pages]
    assert len(set(tokens)) == 12
    assert {page.headers["Content-Encoding"] for page in pages} == {"gzip"}


def test_an_export_is_not_packed_twice(port, cookies):
    path = "/manage/learning-map/hours/export/?format=csv"
    assert Visit(port, path, cookies).headers["Content-Encoding"] is None


def test_slow_uploads_keep_nobody_from_the_pages(port, cookies):
    """Each holds a thread for as long as its line takes; a dozen clerks on bad lines are normal."""
    uploads = [socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) for _ in range(12)]
    head = (
        "POST /manage/learning-map/upload/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n"
        f"Cookie: {cookies}\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="file"; filename="slow.csv"\r\n\r\n'
    )
    try:
        for upload in uploads:
            upload.sendall(head.encode() + b"x" * 1_500_000)
        runs = "/manage/learning-map/runs/"
        wait_for(
            lambda: Visit(port, runs, cookies).text.count("slow.csv") >= 12,
            lambda: "not all of them are being received",
        )
        assert Visit(port, LIST, cookies).text.count('name="ids"') == 50
    finally:
        for upload in uploads:
            upload.close()
