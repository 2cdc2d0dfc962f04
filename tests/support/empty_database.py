"""The tests' empty database: all migrations applied, once a day and once for each of their versions.

To migrate takes five seconds of a processor, to copy what was migrated a hundredth.  The copies lie in
the environment (`.venv/test-databases`) and are named by all that makes them: the migrations and what
they import, the models' names, the locked packages, the day.
"""

import hashlib
import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import ismp

_PACKAGE = Path(ismp.__file__).parent
_COPIES = Path(sys.prefix) / "test-databases"
_KEPT = 6
_IMPORT = re.compile(
    r"^(?:from (ismp[\w.]*) import \(?([^)\n]*)|import (ismp[\w.]*))", re.MULTILINE
)


def set_up_database() -> list[tuple[Any, str, bool]]:
    """Make the database of this process' tests; returns what `teardown_databases` wants to know."""
    from django.conf import settings
    from django.db import connections
    from django.test.utils import setup_databases

    connection = connections["default"]
    if len(settings.DATABASES) > 1 or connection.vendor != "sqlite":
        return setup_databases(verbosity=0, interactive=False)
    before = connection.settings_dict["NAME"]
    copy = _COPIES / f"{_fingerprint()}.sqlite3"
    if not copy.exists():
        made = setup_databases(verbosity=0, interactive=False)
        _keep(connection, copy)
        return made
    connection.close()
    name = connection.creation._get_test_db_name()
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name
    connection.ensure_connection()
    with closing(sqlite3.connect(copy)) as file:
        file.backup(connection.connection)
    return [(connection, before, True)]


def _keep(connection: Any, copy: Path) -> None:
    """Store it for later runs; whoever comes second overwrites with the same."""
    _COPIES.mkdir(exist_ok=True)
    draft = copy.with_suffix(f".{os.getpid()}")
    with closing(sqlite3.connect(draft)) as file:
        connection.connection.backup(file)
    draft.replace(copy)
    oldest_last = sorted(_COPIES.glob("*.sqlite3"), key=lambda path: -path.stat().st_mtime)
    for path in oldest_last[_KEPT:]:
        path.unlink(missing_ok=True)


def _fingerprint() -> str:
    from django.apps import apps

    hashed = hashlib.sha256(f"{date.today()} {sys.version}".encode())
    lock = Path(sys.prefix) / "ismp-lock"
    migrations = sorted(_PACKAGE.glob("**/migrations/*.py"))
    for path in [*([lock] if lock.exists() else []), *sorted(_with_imports(migrations))]:
        hashed.update(path.read_bytes())
    for model in apps.get_models():
        hashed.update(f"{model._meta.label} {model._meta.default_permissions}".encode())
    return hashed.hexdigest()[:24]


def _with_imports(paths: list[Path]) -> set[Path]:
    """These modules, and all of the platform that they import."""
    found: set[Path] = set()
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported(path.read_text("utf-8"))
    return found


def _imported(source: str) -> Iterator[Path]:
    for package, names, module in _IMPORT.findall(source):
        dotted = [module or package]
        dotted += [f"{package}.{name.split()[0]}" for name in names.split(",") if name.strip()]
        for name in dotted:
            file = _PACKAGE.parent.joinpath(*name.split("."))
            yield from (
                one for one in (file.with_suffix(".py"), file / "__init__.py") if one.exists()
            )
