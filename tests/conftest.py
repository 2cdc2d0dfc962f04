"""The house of the tests: a home of their own, options, and Django for those who need it.

`--postgresql` runs them on a throw-away PostgreSQL cluster of Debian's binaries instead of SQLite;
`--hypothesis-profile=soak` draws forty times as many random cases, fresh ones each time.
`--pairs=all` sends every pair of actions at once (test_pairs.py) instead of those drawn for the day.
A soak is longer than a test may take: it wants `-o faulthandler_timeout=0` too.

What is in `unit/` needs no Django: a run of these alone does not load it.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support import UNIT

_STARTS = {"demo_home", "town", "full_town"}
"""Fixtures of those who start processes of the platform."""
_HOME = Path(tempfile.mkdtemp(prefix="ismp-test-"))
(_HOME / "static").mkdir()
os.environ["ISMP_HOME"] = str(_HOME)
os.environ.pop("ISMP_DEBUG", None)
os.environ.pop("DJANGO_SETTINGS_MODULE", None)
if clock := os.environ.get("ISMP_TEST_CLOCK"):
    # `run.py test --clock DAY`; with libfaketime it is that day already, without it here at least.
    from datetime import date, datetime

    import time_machine

    if date.today() != date.fromisoformat(clock):
        _TRAVEL = time_machine.travel(datetime.fromisoformat(f"{clock}T10:00+08:00"), tick=True)
        _TRAVEL.start()
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
# The tests' own files, for all workers, apart from the temporary files of the platform.
_OWN = os.environ.get("PYTEST_DEBUG_TEMPROOT") or tempfile.mkdtemp(prefix="pytest-")
os.environ["PYTEST_DEBUG_TEMPROOT"] = _OWN
_RANDOM = settings(
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.register_profile("suite", _RANDOM, max_examples=25, derandomize=True)
settings.register_profile("soak", _RANDOM, max_examples=1_000)
settings.load_profile("suite")


def pytest_addoption(parser: Any) -> None:
    parser.addoption("--postgresql", action="store_true", help="on PostgreSQL, not on SQLite")
    parser.addoption("--soak", type=int, default=0, metavar="SECONDS", help="of test_cluster.py")
    parser.addoption(
        "--pairs", metavar="all|SEED", help="of test_pairs.py: all, or drawn by a seed"
    )
    parser.addoption("--pictures", action="store_true", help="renew the pictures of docs/manual.md")


def pytest_configure(config: Any) -> None:
    if config.getoption("--postgresql") and not hasattr(config, "workerinput"):
        from tests.support.postgres import Cluster

        cluster = config.ismp_cluster = Cluster()
        os.environ["DATABASE_URL"] = cluster.url()  # tells the workers of pytest-xdist too
        os.environ["ISMP_TEST_CLUSTER"] = str(cluster.folder)


def pytest_collectstart(collector: Any) -> None:
    """Set Django up before the first module of tests is imported that may need it."""
    needs_django = isinstance(collector, pytest.Module) and UNIT not in collector.path.parents
    if needs_django and "DJANGO_SETTINGS_MODULE" not in os.environ:
        # Not in pyproject.toml: pytest-django would read the settings before this file.
        os.environ["DJANGO_SETTINGS_MODULE"] = "ismp.config.settings"
        import django

        from ismp.config import home

        home.prepare(_HOME)
        django.setup()
        for name in ("tests.support.django_fixtures", "tests.support.browser"):
            collector.config.pluginmanager.import_plugin(name)


def pytest_unconfigure(config: Any) -> None:
    if cluster := getattr(config, "ismp_cluster", None):
        cluster.remove()
    shutil.rmtree(_HOME, ignore_errors=True)
    if not hasattr(config, "workerinput"):
        shutil.rmtree(_OWN, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)  # before pytest looks at the marks for `-m`
def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """Mark what starts servers and clusters; leave out what asks for the other database."""
    for item in items:
        starts = _STARTS & set(getattr(item, "fixturenames", ()))
        if starts or item.get_closest_marker("browser") or item.get_closest_marker("nginx"):
            item.add_marker("end_to_end")
    other = "sqlite" if config.getoption("--postgresql") else "postgresql"
    others = [item for item in items if item.get_closest_marker(other)]
    items[:] = [item for item in items if item not in others]
    config.hook.pytest_deselected(items=others)
