"""`ismp serve`: up with one command, down without leaving anything behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_its_web_server_and_its_worker(tmp_path, stop):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "ISMP_HOME": str(tmp_path / "home"), "ISMP_PORT": str(port)}
    environment.pop("DATABASE_URL", None)
    server = subprocess.Popen(
        [sys.executable, "manage.py", "serve"], cwd=ROOT, env=environment, stdout=subprocess.PIPE
    )
    try:
        children = _wait_for(lambda: _is_open(port) and _children(server.pid))
        assert len(children) == 2
        server.send_signal(stop)
        server.wait(30)
    finally:
        server.kill()
        server.communicate()
    assert not _is_open(port)
    assert not [child for child in children if Path("/proc", child).exists()]


def _wait_for(question):
    for _ in range(300):
        if answer := question():
            return answer
        time.sleep(0.1)
    raise AssertionError("the server did not come up")


def _is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
