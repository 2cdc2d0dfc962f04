"""deploy/nginx.conf, the very file, in front of the real web server."""

import gzip
import http.client
import json
import re
import socket
import ssl
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.hosts import PASSWORD, PATIENCE_SECONDS, free_ports, wait_for_web
from tests.support.installations import APPOINT, CLERK, LIST, ROOT, Place

pytestmark = [pytest.mark.nginx, pytest.mark.sqlite]  # it is the proxy that is tested
HOST = "ismp.example"


def certificate(folder):
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)]),
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "fullchain.pem").write_bytes(made.public_bytes(pem))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


class Proxy:
    """nginx with our file; one web server runs behind it, the other of the two is down."""

    def __init__(self, folder):
        self.folder = folder
        self.plain, self.tls, self.web, down = free_ports(4)
        certificate(folder)
        site = (ROOT / "deploy/nginx.conf").read_text("utf-8")
        for theirs, ours in (
            ("listen 80 default_server;", f"listen 127.0.0.1:{self.plain} default_server;"),
            ("listen 80;", f"listen 127.0.0.1:{self.plain};"),
            ("/etc/nginx/ismp-errors", str(ROOT / "deploy/nginx-errors")),
            ("listen 443 ", f"listen 127.0.0.1:{self.tls} "),
            ("127.0.0.1:8000", f"127.0.0.1:{self.web}"),
            ("127.0.0.1:8001", f"127.0.0.1:{down}"),
            ("/etc/ssl/ismp", str(folder)),
        ):
            assert theirs in site
            site = site.replace(theirs, ours)
        self.file = folder / "nginx.conf"
        temporary = " ".join(
            f"{what}_temp_path {folder}/tmp;"
            for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "tmp").mkdir()
        # Debian's own nginx.conf packs what it passes on.
        self.file.write_text(
            f"pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
            f"http {{ gzip on; {temporary} access_log {folder}/access.log;\n{site}\n}}\n"
        )
        self.command = ["/usr/sbin/nginx", "-e", folder / "error.log", "-c", self.file]

    def ask(self, path, *, method="GET", body=None, headers=None, tls=True):
        trust = ssl.create_default_context(cafile=self.folder / "fullchain.pem")
        connection = http.client.HTTPConnection("127.0.0.1", self.plain, timeout=PATIENCE_SECONDS)
        if tls:
            connection = http.client.HTTPSConnection(
                HOST, self.tls, timeout=PATIENCE_SECONDS, context=trust
            )
            connection._create_connection = lambda _, *rest: socket.create_connection(
                ("127.0.0.1", self.tls), *rest
            )
        all_headers = {"Host": HOST, "Referer": f"https://{HOST}/", **(headers or {})}
        connection.request(method, path, body, all_headers)
        answer = connection.getresponse()
        answer.body = answer.read()
        connection.close()
        if answer.headers["Content-Encoding"] == "gzip":
            answer.body = gzip.decompress(answer.body)
        return answer


@pytest.fixture(scope="module")
def proxy(tmp_path_factory, town):
    folder = tmp_path_factory.mktemp("proxy")
    proxy = Proxy(folder)
    settings = {"ISMP_PORT": str(proxy.web), "ISMP_HTTPS": "1", "ISMP_ALLOWED_HOSTS": HOST}
    place = Place(folder / "home", like=town, **settings)
    place.script(APPOINT)
    with place.serving("serve", "--no-worker"):
        nginx = subprocess.Popen([*proxy.command, "-g", "daemon off;"])
        try:
            wait_for_web([proxy.tls])
            yield proxy
        finally:
            nginx.terminate()
            nginx.wait(PATIENCE_SECONDS)
    place.close()


@pytest.fixture(scope="module")
def cookies(proxy):
    """Of a clerk who has signed in through the proxy."""
    page = proxy.ask("/accounts/login/")
    held = _cookies(page)
    token = re.search('csrfmiddlewaretoken" value="([^"]+)', page.body.decode())[1]
    form = f"csrfmiddlewaretoken={token}&username={CLERK}&password={PASSWORD}"
    headers = {"Cookie": held, "Content-Type": "application/x-www-form-urlencoded"}
    answer = proxy.ask("/accounts/login/", method="POST", body=form.encode(), headers=headers)
    assert answer.status == 302
    return _cookies(answer)


def _cookies(answer):
    given = answer.headers.get_all("Set-Cookie")
    assert all("Secure" in cookie and cookie.startswith("__Host-") for cookie in given)
    return "; ".join(cookie.split(";")[0] for cookie in given)


def test_nginx_takes_the_file(proxy):
    checked = subprocess.run([*proxy.command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr.replace('"user"', ""), checked.stderr


def test_plain_http_leads_to_tls(proxy):
    answer = proxy.ask("/accounts/login/?next=/", tls=False)
    assert answer.status == 301
    assert answer.headers["Location"] == f"https://{HOST}/accounts/login/?next=/"


def test_by_another_name_there_is_nobody(proxy):
    with pytest.raises(http.client.RemoteDisconnected):
        proxy.ask("/", tls=False, headers={"Host": "evil.example"})
    context = ssl.create_default_context(cafile=proxy.folder / "fullchain.pem")
    with (
        socket.create_connection(("127.0.0.1", proxy.tls)) as plain,
        pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"),
    ):
        context.wrap_socket(plain, server_hostname="evil.example")


@pytest.mark.parametrize(("accept", "kind"), [("text/html", "html"), ("application/json", "json")])
def test_what_is_too_large_is_refused_in_chinese(proxy, accept, kind):
    headers = {"Accept": accept, "Content-Length": str(700 * 1024 * 1024)}
    for path in ("/manage/learning-map/upload/", "/support/new/"):
        answer = proxy.ask(path, method="POST", body=b"x", headers=headers)
        assert answer.status == 413
        assert kind in answer.headers["Content-Type"]
        assert "沒有收下" in answer.body.decode()
        assert "nginx" not in answer.body.decode()


@pytest.mark.parametrize(("accept", "kind"), [("text/html", "html"), ("application/json", "json")])
def test_while_no_host_answers_the_proxy_says_so_in_chinese(tmp_path, accept, kind):
    proxy = Proxy(tmp_path)
    nginx = subprocess.Popen([*proxy.command, "-g", "daemon off;"])
    try:
        wait_for_web([proxy.tls])
        for path in ("/", "/manage/learning-map/upload/", "/manage/devices/export/"):
            answer = proxy.ask(path, headers={"Accept": accept})
            assert answer.status in {502, 504}
            assert kind in answer.headers["Content-Type"]
            assert answer.headers["Retry-After"] == "10"
            assert "平台正在重新啟動" in answer.body.decode()
    finally:
        nginx.terminate()
        nginx.wait(PATIENCE_SECONDS)


def test_a_page_with_its_headers(proxy, cookies):
    answer = proxy.ask(LIST, headers={"Cookie": cookies, "Accept-Encoding": "gzip"})
    assert answer.status == 200
    assert "同仁學習狀況明細" in answer.body.decode()
    headers = answer.headers
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Strict-Transport-Security"].startswith("max-age=31536000")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "no-store" in headers["Cache-Control"]
    assert headers["Server"] == "nginx"
    bare = proxy.ask(LIST, headers={"Cookie": cookies})
    assert bare.headers["Content-Encoding"] is None
    style = re.search(r'href="(/static/ui/site[^"]+)"', bare.body.decode())[1]
    static = proxy.ask(style, headers={"Accept-Encoding": "gzip"})
    assert "immutable" in static.headers["Cache-Control"]
    assert static.headers["Content-Encoding"] == "gzip"


def test_figures_are_not_for_outside(proxy):
    assert proxy.ask("/metrics").status == 403
    assert proxy.ask("/healthz").status == 200


def test_an_upload_of_20_megabytes_and_an_export_leave_nothing_on_the_proxys_disk(proxy, cookies):
    page = proxy.ask(LIST, headers={"Cookie": cookies}).body.decode()
    token = re.search('csrfmiddlewaretoken" value="([^"]+)', page)[1]
    head = (
        f'--x\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{token}\r\n'
        '--x\r\nContent-Disposition: form-data; name="file"; filename="big.csv"\r\n\r\n'
    )
    body = head.encode() + b"x,y\r\n" * 4_000_000 + b"\r\n--x--\r\n"
    headers = {
        "Cookie": cookies,
        "Accept": "application/json",
        "Content-Type": "multipart/form-data; boundary=x",
    }
    path = "/manage/learning-map/upload/"
    answer = proxy.ask(path, method="POST", body=body, headers=headers)
    assert answer.status == 200, answer.body.decode()
    window = proxy.ask(json.loads(answer.body)["window"], headers={"Cookie": cookies})
    assert "19.1 MB" in window.body.decode() or "20.0 MB" in window.body.decode()
    export = proxy.ask("/manage/learning-map/hours/export/?format=csv", headers={"Cookie": cookies})
    assert (export.status, "公務帳號" in export.body.decode("utf-8-sig")) == (200, True)
    assert not [path for path in (proxy.folder / "tmp").rglob("*") if path.is_file()]
    access = proxy.folder / "access.log"
    assert not access.exists() or LIST not in access.read_text()
