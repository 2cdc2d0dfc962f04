"""`ismp serve`: up with one command, down without leaving anything behind."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from hosts import PATIENCE_SECONDS, free_ports, is_open, wait_for, wait_for_web
from places import Place

pytestmark = pytest.mark.sqlite
ROOT = Path(__file__).parent.parent


@pytest.fixture
def port():
    [port] = free_ports(1)
    return port


def _serve(home, port, **settings):
    environment = {**os.environ, "ISMP_HOME": str(home), "ISMP_PORT": str(port), **settings}
    environment.pop("DATABASE_URL", None)
    return subprocess.Popen(
        [sys.executable, "manage.py", "serve"], cwd=ROOT, env=environment, stdout=subprocess.PIPE
    )


def test_the_metrics_are_those_of_all_processes(tmp_path, port):
    """The home is empty: `serve` makes its database first."""
    server = _serve(tmp_path / "home", port, ISMP_WEB_PROCESSES="2", ISMP_METRICS_TOKEN="secret")
    address = f"http://127.0.0.1:{port}"
    wanted = urllib.request.Request(
        f"{address}/metrics", headers={"Authorization": "Bearer secret"}
    )
    counted = 'ismp_request_seconds_count{method="GET",page="operations:alive",status="2xx"}'
    try:
        wait_for_web([port])
        for _ in range(30):
            urllib.request.urlopen(f"{address}/healthz", timeout=PATIENCE_SECONDS).close()
        for _ in range(10):
            with urllib.request.urlopen(wanted, timeout=PATIENCE_SECONDS) as answer:
                assert f"{counted} 30.0" in answer.read().decode()
    finally:
        server.terminate()
        server.communicate(timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_its_web_server_and_its_worker(tmp_path, town, port, stop):
    server = _serve(Place(tmp_path / "home", like=town).home, port)
    try:
        children = wait_for(lambda: is_open(port) and _children(server.pid))
        assert len(children) == 2
        server.send_signal(stop)
        server.wait(PATIENCE_SECONDS)
    finally:
        server.kill()
        server.communicate()
    assert not is_open(port)
    assert not [child for child in children if Path("/proc", child).exists()]


def _children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
