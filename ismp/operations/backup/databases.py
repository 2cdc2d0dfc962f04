"""Database operations of a backup: a dump of one moment while others write, a
checksum of each table, and a way back when what was loaded is not what was dumped.

Knows no table by name.  The two that we run on: `sqlite.py`, `postgresql.py`.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

_CHUNK_BYTES = 1024 * 1024
ASIDE = "ismp_before_restore"
"""Where what stood here before waits until the restored is found good."""

LEFT_OUT = (
    "django_session",
    "accounts_resetcode",
    "axes_accessattempt",
    "axes_accessattemptexpiration",
    "axes_accessfailurelog",
    "axes_accesslog",
    "ui_sentform",
)
"""Tables whose rows are in no backup: who is signed in, codes that are good for an hour, failed
sign-ins, and answers to forms of the last day.  They are empty after a restore."""

Contents = dict[str, list[Any]]
"""By table: how many rows, and a checksum of them in any order."""


@dataclass(frozen=True)
class Moment:
    """A database as it stood at one moment."""

    dump: Callable[[], Iterator[bytes]]
    contents: Callable[[], Contents]
    ask: Callable[[str], list[tuple[Any, ...]]]


class Database(Protocol):
    kind: str

    def moment(self) -> AbstractContextManager[Moment]: ...

    def contents(self) -> Contents: ...

    def in_use(self) -> bool:
        """Whether other programs are connected."""

    def suspend(self) -> None:
        """Keep what stands here, so that nothing does."""

    def load(self, dump: Iterable[bytes]) -> None: ...

    def put_back(self) -> None:
        """Undo `suspend` and all since; nothing when nothing is aside."""

    def forget(self) -> None:
        """Remove what was set aside."""


def chunks(file: Any) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
