"""Set everything up and run it, on a machine with Python ≥ 3.11 and nothing else.

    python3 run.py demo     an invented city, its site, its sign-ins
    python3 run.py test     all checks and all tests, with what they need
    python3 run.py <any other ismp command>

Standard library only.  The environment is `.venv` beside this file; a stamp with the lock's hash
skips the set-up the next time.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE, STDOUT

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
DEBIAN_PACKAGES = ["postgresql", "chromium", "fonts-noto-cjk", "nginx-light"]


def main() -> int:
    if sys.version_info < (3, 11):
        print("ISMP needs Python 3.11 or newer.", file=sys.stderr)
        return 1
    arguments = sys.argv[1:] or ["--help"]
    set_up("dev" if arguments[0] == "test" else "run")
    if arguments[0] == "test":
        install_system_packages()
        return check(arguments[1:])
    command = [str(PYTHON), str(ROOT / "manage.py"), *arguments]
    if os.name == "nt":
        return subprocess.call(command)
    os.execv(PYTHON, command)  # in our place, so that signals reach it


def set_up(group: str) -> None:
    """Make `.venv` hold exactly what requirements/<group>.txt locks by hash.

    requirements/build.txt locks uv, which installs it, and hatchling, which builds our package.
    """
    build, lock = (ROOT / "requirements" / f"{name}.txt" for name in ("build", group))
    stamp, wanted = VENV / "ismp-lock", f"{group} {hashlib.sha256(lock.read_bytes()).hexdigest()}"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"Setting up {VENV} …", file=sys.stderr)
    if not PYTHON.exists():
        venv.create(VENV, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    locked = ["install", "--require-hashes", "-r"]
    subprocess.run([*pip, "--python", PYTHON, *locked, build], check=True, cwd=ROOT)
    environment = {**os.environ, "VIRTUAL_ENV": str(VENV), "UV_SYSTEM_CERTS": "1"}
    uv = [PYTHON, "-m", "uv", "--quiet", "pip"]
    subprocess.run([*uv, *locked, lock], check=True, cwd=ROOT, env=environment)
    ours = ["install", "--no-deps", "--no-build-isolation", "--editable", "."]
    subprocess.run([*uv, *ours], check=True, cwd=ROOT, env=environment)
    stamp.write_text(wanted)


def install_system_packages() -> None:
    """PostgreSQL, Chromium and nginx from Debian, where we may install them."""
    if not missing_packages() or not shutil.which("apt-get") or os.geteuid() != 0:
        return
    quiet = {
        "stdout": subprocess.DEVNULL,
        "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    }
    subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)
    subprocess.run(["apt-get", "install", "-y", "-qq", *DEBIAN_PACKAGES], check=False, **quiet)


def missing_packages() -> list[str]:
    found = {
        "postgresql": Path("/usr/lib/postgresql/15/bin/initdb").exists(),
        "chromium": bool(shutil.which("chromium")),
        "nginx-light": Path("/usr/sbin/nginx").exists(),
    }
    return [name for name, is_here in found.items() if not is_here]


def check(arguments: list[str]) -> int:
    """Types, lint, format, import rule, dependencies, migrations, deployment; then the tests.

    What starts a server of its own on SQLite (the browser tests too) runs once.  What a machine
    lacks is skipped loudly, but never in CI (`CI` set).
    """
    missing = [] if os.environ.get("CI") else missing_packages()
    python, manage = [PYTHON, "-m"], [PYTHON, "manage.py"]
    without_tests = [
        [*python, "mypy"],
        [*manage, "check", "--deploy", "--fail-level", "WARNING"],
        [*manage, "makemigrations", "--check", "--dry-run"],
        [BIN / "lint-imports"],
        [*python, "deptry", "."],
        [*python, "ruff", "check", "."],
        [*python, "ruff", "format", "--check", "."],
    ]
    # A worker that has come to the end of its half takes over tests of the other.
    tests = [*python, "pytest", "-n", "2", "--dist", "worksteal"]
    no_nginx = "nginx" * ("nginx-light" in missing)
    passes = [[*tests, *without("browser" * ("chromium" in missing), no_nginx), *arguments]]
    if "postgresql" not in missing:
        passes.append([*tests, "--postgresql", *without("browser", no_nginx), *arguments])
    # The tests start hundreds of processes, and each would compile all modules anew.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(VENV / "pycache")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="ismp-check-") as home:
        strict = {**environment, "ISMP_HOME": home, "ISMP_HTTPS": "1"}
        if code := side_by_side(without_tests, strict):
            return code
    for one in passes:
        announce(one)
        if code := subprocess.call(one, cwd=ROOT, env=environment):
            return code
    for name in missing:
        print(f"SKIPPED: all tests that need {name}, which is not installed.", file=sys.stderr)
    return 0


def side_by_side(steps: list[list[object]], environment: dict[str, str]) -> int:
    """Each needs one core, so two run at a time; the first code that is not 0, or 0."""

    def run(step: list[object]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            step, check=False, cwd=ROOT, env=environment, text=True, stdout=PIPE, stderr=STDOUT
        )

    with ThreadPoolExecutor(2) as pool:
        for step, done in zip(steps, pool.map(run, steps), strict=True):
            announce(step)
            print(done.stdout, end="", file=sys.stderr, flush=True)
            if done.returncode:
                pool.shutdown(cancel_futures=True)
                return done.returncode
    return 0


def announce(step: list[object]) -> None:
    print("»", *(getattr(part, "name", part) for part in step), file=sys.stderr, flush=True)


def without(*marks: str) -> list[str]:
    left_out = " and ".join(f"not {mark}" for mark in marks if mark)
    return ["-m", left_out] if left_out else []


if __name__ == "__main__":
    sys.exit(main())
