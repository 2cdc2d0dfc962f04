"""Set everything up and run it, on a machine with Python ≥ 3.11 and nothing else.

    python3 run.py demo                an invented city, its site, its sign-ins
    python3 run.py test                all checks and all tests, with what they need
    python3 run.py test --fast         all checks, and the tests that start no server, on SQLite
    python3 run.py test PATH -k NAME   these tests alone, on SQLite, without the checks
    python3 run.py test --clock 2027-01-15   the tests on SQLite, on that day
    python3 run.py <any other ismp command>

What else stands after `test` goes to pytest (`-x`, `-n 2`, `--postgresql`, `--collect-only`, …).

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
from datetime import date
from pathlib import Path
from subprocess import PIPE, STDOUT

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
SLEEP = ROOT / "tests" / "clock"
DEBIAN_PACKAGES = ["postgresql", "chromium", "fonts-noto-cjk", "nginx-light"]
SIDE_BY_SIDE = ["-n", "2", "--dist", "worksteal"]
"""A worker that has come to the end of its half takes over tests of the other."""


def main() -> int:
    if sys.version_info < (3, 11):
        print("ISMP needs Python 3.11 or newer.", file=sys.stderr)
        return 1
    arguments = sys.argv[1:] or ["--help"]
    set_up("dev" if arguments[0] == "test" else "run")
    if arguments[0] == "test":
        return test(arguments[1:])
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


def test(arguments: list[str]) -> int:
    """Run what the arguments choose: everything, or as little as the developer asks for."""
    fast, arguments = "--fast" in arguments, [one for one in arguments if one != "--fast"]
    clock, arguments = taken(arguments, "--clock")
    some = [PYTHON, "-m", "pytest", *(("-m", "not end_to_end") if fast else ()), *arguments]
    if chooses(arguments):
        return run_tests(some, clock)
    install_system_packages()
    if clock:
        return run_tests([*some, *SIDE_BY_SIDE, *without("browser")], clock)
    if fast:
        return check_code() or run_tests([*some, *SIDE_BY_SIDE], None)
    return check(arguments)


def taken(arguments: list[str], option: str) -> tuple[str | None, list[str]]:
    """The value of an option (`--clock DAY` or `--clock=DAY`) or None, and the other arguments."""
    for place, argument in enumerate(arguments):
        if argument == option:
            value = arguments[place + 1] if place + 1 < len(arguments) else ""
            return value, [*arguments[:place], *arguments[place + 2 :]]
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2], [*arguments[:place], *arguments[place + 1 :]]
    return None, arguments


def chooses(arguments: list[str]) -> bool:
    """Whether they name tests: a file, a folder, `file::test`, or part of a name (`-k`)."""
    named = (one.split("::")[0] for one in arguments if not one.startswith("-"))
    return any((ROOT / name).exists() for name in named) or any(
        one.startswith("-k") for one in arguments
    )


def run_tests(command: list[object], clock: str | None) -> int:
    """Run pytest, on another day if one is given: with libfaketime, which processes inherit."""
    prefix, environment = [], test_environment()
    if clock is not None:
        try:
            day = date.fromisoformat(clock)
        except ValueError:
            print("--clock wants a day such as 2027-01-15.", file=sys.stderr)
            return 2
        environment["ISMP_TEST_CLOCK"] = day.isoformat()
        if shutil.which("faketime"):
            prefix = ["faketime", "-f", f"@{day} 10:00:00"]
            environment |= {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "PYTHONPATH": str(SLEEP)}
        else:
            print(
                "WARNING: faketime is not installed (apt-get install faketime). The tests move"
                " their own clock only:\nevery process that they start keeps today's date.",
                file=sys.stderr,
            )
    announce([*prefix, *command])
    return subprocess.call([*prefix, *command], cwd=ROOT, env=environment)


def check(arguments: list[str]) -> int:
    """Types, lint, format, import rule, dependencies, migrations, deployment; then the tests.

    What starts a server of its own on SQLite (the browser tests too) runs once.  What a machine
    lacks is skipped loudly, but never in CI (`CI` set).
    """
    missing = [] if os.environ.get("CI") else missing_packages()
    if code := check_code():
        return code
    tests = [PYTHON, "-m", "pytest", *SIDE_BY_SIDE]
    no_nginx = "nginx" * ("nginx-light" in missing)
    passes = [[*tests, *without("browser" * ("chromium" in missing), no_nginx), *arguments]]
    if "postgresql" not in missing:
        passes.append([*tests, "--postgresql", *without("browser", no_nginx), *arguments])
    for one in passes:
        if code := run_tests(one, None):
            return code
    for name in missing:
        print(f"SKIPPED: all tests that need {name}, which is not installed.", file=sys.stderr)
    return 0


def check_code() -> int:
    """Everything that reads the code and does not run it."""
    python, manage = [PYTHON, "-m"], [PYTHON, "manage.py"]
    steps = [
        [*python, "mypy"],
        [*manage, "check", "--deploy", "--fail-level", "WARNING"],
        [*manage, "makemigrations", "--check", "--dry-run"],
        [BIN / "lint-imports"],
        [*python, "deptry", "."],
        [*python, "ruff", "check", "."],
        [*python, "ruff", "format", "--check", "."],
        [BIN / "djangofmt", "--check", "ismp"],
    ]
    with tempfile.TemporaryDirectory(prefix="ismp-check-") as home:
        return side_by_side(steps, {**test_environment(), "ISMP_HOME": home, "ISMP_HTTPS": "1"})


def test_environment() -> dict[str, str]:
    """The tests start hundreds of processes, and each would compile all modules anew."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(VENV / "pycache")}
    for name in ("PYTHONDONTWRITEBYTECODE", "ISMP_DEBUG"):
        environment.pop(name, None)
    return environment


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
