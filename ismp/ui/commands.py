"""What every command that uses the database shares: an empty database is migrated by itself."""

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

logger = logging.getLogger(__name__)
_RETRY_SECONDS = 1
_MIGRATION_LOCK = 0x49534D50
"""Any number that no other program uses in our database."""


def migrate_if_needed() -> None:
    """Bring the database and its cache table up to date, silently."""
    with _alone():
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", verbosity=0, interactive=False)
        call_command("createcachetable", verbosity=0)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Hosts that start together on a new version wait here for the first one to migrate."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_MIGRATION_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_MIGRATION_LOCK])


class DatabaseCommand(BaseCommand):
    requires_system_checks: list[str] = []
    """They load every page of the site, which takes longer than most commands; `check` is one of
    its own, and runs with the tests."""
    waits = False
    """A service waits until the database answers; a command says that it does not."""

    def execute(self, *args: Any, **options: Any) -> Any:
        while True:
            try:
                migrate_if_needed()
                break
            except (OperationalError, InterfaceError) as error:
                if not self.waits:
                    raise CommandError("資料庫連不上；請確認它已啟動，再執行一次。") from error
                logger.warning("waiting for the database: %s", type(error).__name__)
                connection.close()
                time.sleep(_RETRY_SECONDS)
        return super().execute(*args, **options)
