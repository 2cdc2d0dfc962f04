"""Kinds of files that can be imported, each an `ImportKind`.

Upload, archive, queue, worker, fence, trial, progress, result, rows and report are the same for all
(docs/adr/0015): they ask a run's kind and know no kind of file by name.  The packages that own the
rows register theirs in `AppConfig.ready`:

    kinds.register(_kinds)                           # returns ImportKinds when one is asked for
    kinds.show_within(Source.FILE, "compliance:effect")
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from ismp.accounts.models import Account
from ismp.accounts.roles import Right
from ismp.audit.verbs import Verb
from ismp.imports.models import ImportRun, Source
from ismp.imports.rejection import OtherTypes
from ismp.ui.limits import of_tables
from ismp.ui.reading.faults import Reason
from ismp.ui.reading.raw import Limits
from ismp.ui.resources.columns import Column

if TYPE_CHECKING:
    from ismp.imports.result import Result  # polars, which start-up leaves to who imports

Reached = Callable[[str, int, int], None]
"""(step of `heartbeat.STEPS`, rows done, rows in all): how far the work is."""
Turn = Callable[[], AbstractContextManager[None]]
"""A transaction that holds the agency, and stands only while its worker may go on."""
LIST = ("", "created", "updated", "unchanged", "rejected")
"""The numbers of a result (keys of `report.WHICH`) that every kind of file has."""


@dataclass(frozen=True, kw_only=True)
class ImportKind:
    source: str
    """A value of `models.Source`."""
    title: str
    verb: Verb | None
    """Of the audit event of a run that is refused and, if `records`, of one that is completed;
    None where only the action itself leaves one."""
    records: bool = False
    """Whether the kit leaves the event of a completed run; where not, the action leaves its own."""
    locks_agency: bool = True
    """Whether the kit takes the agency's lock; where not, the action takes those that it needs, in
    the order of all."""
    start: Right | None
    """Who sends and tries such files; None is nobody."""
    perform: "Callable[[ImportRun, Reached], Result] | None" = None
    """Bring the file in: called in the run's one transaction, which holds the agency's lock; of a
    trial it keeps nothing but the outcome.  Raises `ui.reading.FileRejected`."""
    begin: "Callable[[ImportRun, Reached, Turn], Callable[[], Result]] | None" = None
    """In place of it, where the file is judged while nothing is locked, and comes in by pieces: do
    all but the last one, each in a turn of its own, and return what does that one within the run's
    last transaction.  Raises `ui.reading.FileRejected` before the first one only (ADR 34)."""
    so_far: "Callable[[ImportRun], Result] | None" = None
    """What came in by pieces of a run that broke off."""
    reasons: Mapping[str, Reason]
    """The rule book: why a row is not imported, by code."""
    titles: Mapping[str, str]
    """The columns of the file by name, as 下載無法匯入資料 heads them."""
    columns: tuple[Column, ...]
    """The columns of 每一列, of a row as the run keeps it (a dict)."""
    shown: tuple[str, ...] = ()
    """What a run of a list keeps of each row for these columns; a name of `titles` is there of a
    row at fault too."""
    dress: Callable[[list[dict[str, Any]]], None] = lambda lines: None
    """Give the rows of one page what their columns need from the database."""
    which: tuple[str, ...] = LIST
    id_column: str = ""
    """The column of national IDs, shown with its last four characters hidden however they are."""
    crumbs: tuple[tuple[str, str, Right], ...]
    """(words, name of an address, who may open it): the way to a run's page.  The first is the tab
    at which its pages stand, the last is where its runs are."""
    window: str = "imports/_run_window.html"
    """The template of a run's window; one of a kind's own extends this one."""
    window_context: Callable[[ImportRun], dict[str, Any]] = lambda run: {}
    """What a template of its own needs besides."""
    excel: bool = False
    """Whether the file may be an .xlsx too."""
    max_rows: int | None = None
    """Fewer than `settings.UPLOAD_MAX_ROWS`, where rows are held as Python objects."""
    other_types: OtherTypes | None = None
    """What to do about a file of another type; None where no file comes in."""
    no_undo: str = ""
    """Why a run cannot be undone, and what to do instead; empty where it can."""

    @property
    def parts(self) -> list[str]:
        """Names of addresses (of a run) whose pages a result shows within itself."""
        return [address for source, address in _parts if source == self.source]

    def stand(self, request: Any) -> None:
        """Let the menu show where in 管理環境 a page of this kind of file stands."""
        request.stands_at = self.crumbs[0][1]

    def way(self, user: Account) -> list[tuple[str, str]]:
        """The crumbs; without an address where this person may not go."""
        return [(words, name if user.may(right) else "") for words, name, right in self.crumbs]

    def may_start(self, user: Account) -> bool:
        return self.start is not None and user.may(self.start)


Provider = Callable[[], Iterable[ImportKind]]
_providers: list[Provider] = []
_parts: list[tuple[str, str]] = []


def register(provider: Provider) -> None:
    """Have the kinds of a package taken in; `provider` is called when the first one is asked for,
    so that start-up does not load what reads files."""
    if provider not in _providers:
        _providers.append(provider)


def show_within(source: str, address: str) -> None:
    """Have the result of runs of a source show the page of an address (of a run) within itself."""
    if (source, address) not in _parts:
        _parts.append((source, address))


@cache
def _by_source() -> dict[str, ImportKind]:
    """Return the registered kinds in the order of `Source`.  Raises ValueError for two of one."""
    found: dict[str, ImportKind] = {}
    for kind in (kind for provider in _providers for kind in provider()):
        if found.setdefault(kind.source, kind) is not kind:
            raise ValueError(f"two kinds take in runs of source {kind.source}")
    return {source: found[source] for source in Source.values if source in found}


def find_kind(source: str) -> ImportKind | None:
    return _by_source().get(source)


def kind_of(run: ImportRun) -> ImportKind:
    found = find_kind(run.source)
    if found is None:
        raise LookupError(f"no kind takes in runs of source {run.source}")
    return found


def all_kinds() -> Iterable[ImportKind]:
    return _by_source().values()


def may_start_any(user: Account) -> bool:
    return any(kind.may_start(user) for kind in all_kinds())


def limits(kind: ImportKind | None = None) -> Limits:
    """How large a file may be: of this kind, or of any."""
    return of_tables(kind.max_rows if kind else None)
