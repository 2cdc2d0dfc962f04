"""Arguments of `run.py test …`."""

import importlib.util

import pytest

from tests.support import ROOT

TODAY = "2027-01-15"


@pytest.fixture
def run(monkeypatch):
    """run.py, which says what it would run instead of running it."""
    spec = importlib.util.spec_from_file_location("run", ROOT / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.called = []

    def call(command, **options):
        module.called.append(([str(part) for part in command], options["env"]))
        return 0

    monkeypatch.setattr(module.subprocess, "call", call)
    monkeypatch.setattr(module, "install_system_packages", lambda: None)
    monkeypatch.setattr(module, "check_code", lambda: module.called.append("checks") or 0)
    monkeypatch.setattr(module, "missing_packages", lambda: [])
    return module


def commands(run):
    return [one if one == "checks" else " ".join(one[0][1:]) for one in run.called]


@pytest.mark.parametrize(
    "arguments",
    [
        ["tests/unit/test_run.py"],
        ["tests/unit"],
        ["tests/unit/test_run.py::test_some_tests_run_alone"],
        ["-k", "date"],
        ["-kdate"],
        ["tests/unit/test_run.py", "-k", "date", "-x"],
    ],
    ids=" ".join,
)
def test_some_tests_run_alone(run, arguments):
    """On SQLite, in one process, without the checks."""
    assert run.test(arguments) == 0
    assert commands(run) == [f"-m pytest {' '.join(arguments)}"]


def test_without_arguments_everything_runs(run):
    assert run.test([]) == 0
    checks, sqlite, postgresql = commands(run)
    assert checks == "checks"
    assert sqlite == "-m pytest -n 2 --dist worksteal"
    assert postgresql == "-m pytest -n 2 --dist worksteal --postgresql -m not browser"


def test_other_options_go_to_everything(run):
    assert run.test(["--collect-only", "-q"]) == 0
    assert [one.endswith("--collect-only -q") for one in commands(run)] == [False, True, True]


def test_fast_leaves_out_servers_and_postgresql(run):
    assert run.test(["--fast", "-x"]) == 0
    checks, tests = commands(run)
    assert checks == "checks"
    assert tests == "-m pytest -m not end_to_end -x -n 2 --dist worksteal"
    run.called.clear()
    assert run.test(["tests/unit", "--fast"]) == 0
    assert commands(run) == ["-m pytest -m not end_to_end tests/unit"]


@pytest.mark.parametrize("given", [["--clock", TODAY], [f"--clock={TODAY}"]], ids=" ".join)
def test_another_day_is_the_day_of_processes_too(run, monkeypatch, given):
    monkeypatch.setattr(run.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert run.test(["tests/unit", *given]) == 0
    [(command, environment)] = run.called
    assert command[:3] == ["faketime", "-f", f"@{TODAY} 10:00:00"]
    assert command[-1] == "tests/unit"
    assert environment["ISMP_TEST_CLOCK"] == TODAY


def test_without_faketime_it_says_loudly_what_keeps_its_clock(run, monkeypatch, capsys):
    monkeypatch.setattr(run.shutil, "which", lambda name: None)
    assert run.test(["tests/unit", "--clock", TODAY]) == 0
    [(command, environment)] = run.called
    assert "faketime" not in command
    assert environment["ISMP_TEST_CLOCK"] == TODAY
    assert "WARNING: faketime is not installed" in capsys.readouterr().err


@pytest.mark.parametrize("day", ["", "tomorrow", "2027-02-29"])
def test_a_day_that_does_not_exist_is_refused(run, capsys, day):
    assert run.test(["tests/unit", "--clock", day]) == 2
    assert not run.called
    assert "--clock wants a day" in capsys.readouterr().err
