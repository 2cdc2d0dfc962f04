"""Databases in which much has been done already: filled once by each process, for all its tests.

A test that asks for a world works in its database instead of the empty one, and what it does there
is taken back at its end.  So every order of tests is as good as any other.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from tests.support.installations import Place


@dataclass
class World:
    """A database filled by `make`, which returns what the tests need to know of it."""

    name: str
    make: Callable[[], Any]
    _connection: Any = None
    _known: list[Any] = field(default_factory=list)

    def copy_empty(self) -> None:
        """Take a copy of the tests' database while it is empty and nobody is at work in it."""
        empty = connections[DEFAULT_DB_ALIAS]
        copy = empty.copy()
        if empty.vendor == "sqlite":
            copy.settings_dict["NAME"] = f"file:memorydb_{self.name}?mode=memory&cache=shared"
            empty.ensure_connection()
            copy.ensure_connection()
            empty.connection.backup(copy.connection)
        else:
            empty.creation.clone_test_db(self.name, verbosity=0)
            copy.settings_dict |= empty.creation.get_test_db_clone_settings(self.name)
        self._connection = copy

    def remove(self) -> None:
        self._connection.close()
        if self._connection.vendor != "sqlite":  # there it was this process' memory
            connections[DEFAULT_DB_ALIAS].creation.destroy_test_db(suffix=self.name, verbosity=0)

    def copy_to(self, place: Place) -> None:
        """Make the database of an installation that has this process' keys; filled before."""
        if self._connection.vendor == "sqlite":
            with closing(sqlite3.connect(place.database)) as file:
                self._connection.connection.backup(file)
        else:
            self._connection.close()  # nobody may be at work in what is copied
            place.create_database(like=self._connection.settings_dict["NAME"])

    @contextmanager
    def entered(self) -> Iterator[Any]:
        """Be in this world, and leave nothing there.

        A test that looks on from several connections empties all tables at its end: it gets a
        world of its own, in the ordinary database.
        """
        ordinary = connections[DEFAULT_DB_ALIAS]
        if not ordinary.in_atomic_block:
            yield self.make()
            return
        if ordinary.vendor == "postgresql":  # whose session waits meanwhile in its transaction
            with ordinary.cursor() as cursor:
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        known = self.fill()
        with self._used(), _taken_back(self._connection):
            yield known

    def fill(self) -> Any:
        """Have `make` done once; returns what it told."""
        if not self._known:
            with self._used(), transaction.atomic():
                self._known.append(self.make())
                self._connection.run_on_commit = []  # as in a test, where nothing is committed
        return self._known[0]

    @contextmanager
    def _used(self) -> Iterator[None]:
        """The platform's questions go to this world."""
        before = connections[DEFAULT_DB_ALIAS]
        connections[DEFAULT_DB_ALIAS] = self._connection
        try:
            yield
        finally:
            connections[DEFAULT_DB_ALIAS] = before


@contextmanager
def _taken_back(connection: Any) -> Iterator[None]:
    """As Django's TestCase does it, with a look at the constraints that wait for a commit."""
    actions = transaction.atomic()
    actions._from_testcase = True
    with actions:
        yield
        if not connection.needs_rollback:
            connection.check_constraints()
        transaction.set_rollback(True)
