"""A roster that is sent in the browser, as a kind of import.

Who the people are is decided by `accounts.roster.importing`, within what the sender may change by
hand.
One with a line at fault does not come in at all, and every line at fault is reported; one that
passed comes in by pieces, and what became of each stands with it (ADR 34).
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from operator import itemgetter
from types import MappingProxyType

from ismp.accounts import verbs as accounts_verbs
from ismp.accounts.models import Account
from ismp.accounts.roles import Right
from ismp.accounts.roster import checks as roster_checks
from ismp.accounts.roster import importing as roster_importing
from ismp.accounts.roster import lines as roster_lines
from ismp.accounts.roster import reading as roster_reading
from ismp.accounts.roster.importing import RosterImport, RosterLine, Taken
from ismp.imports import lists
from ismp.imports.kinds import ImportKind, Reached, Turn
from ismp.imports.models import ImportRun
from ismp.imports.rejection import OtherTypes
from ismp.imports.result import ResultOfList, RowsRejected
from ismp.ui.resources.columns import Column


def begin(run: ImportRun, reached: Reached, turn: Turn) -> Callable[[], ResultOfList]:
    """Of a trial only the outcome is kept.  Raises RowsRejected, with each of them."""
    data, done = lists.data_of(run, ROSTER), _taken(so_far(run))
    # Whoever lost the right when some of it had come in learns it from the lines that are left.
    sender = _sent_by(run) if done.numbers else lists.sender(run, ROSTER)
    reached("parsed", 0, run.lines - 1)
    try:
        begun = RosterImport(data, sender=sender, subject=str(run), by=sender.username, done=done)
    except roster_reading.RosterRejected as refusal:
        raise RowsRejected(str(refusal), ResultOfList(ROSTER, [], refusal.faults)) from refusal
    pieces, total = ([] if run.dry_run else begun.pieces), begun.result.total
    for piece in pieces[:-1]:
        with turn():
            _result(begun.take(piece)).store_part(run)
        reached("matched", begun.count_done, total)
        roster_importing.give_way()

    def perform() -> ResultOfList:
        for piece in pieces[-1:]:
            begun.take(piece)
        whole = begun.result
        return _result(Taken(whole.lines, whole.faults), whole.notes)

    return perform


def so_far(run: ImportRun) -> ResultOfList:
    return ResultOfList.load(run, ROSTER)


def _result(taken: Taken, notes: Mapping[str, object] = MappingProxyType({})) -> ResultOfList:
    lines = [asdict(one) | {"公務帳號": one.username, "姓名": one.name} for one in taken.lines]
    return ResultOfList(ROSTER, lines, taken.faults, notes)


def _taken(kept: ResultOfList) -> Taken:
    lines = [
        RosterLine(one["line"], one["公務帳號"], one["姓名"], one["outcome"], one["words"])
        for one in kept.taken
    ]
    return Taken(lines, kept.faults)


def _sent_by(run: ImportRun) -> Account:
    return Account.objects.select_related("agency").get(username=run.started_by)


ROSTER = ImportKind(
    source="roster",
    title="名冊",
    verb=accounts_verbs.IMPORT_ROSTER,
    start=Right.EDIT_PEOPLE,
    begin=begin,
    so_far=so_far,
    reasons=roster_checks.BY_CODE,
    titles={title: title for title in roster_lines.HEADER},
    columns=(
        Column("公務帳號", itemgetter("公務帳號")),
        Column("姓名", itemgetter("姓名")),
        Column("變動", itemgetter("words"), "text"),
    ),
    shown=("公務帳號", "姓名", "words"),
    id_column="身分證字號",
    crumbs=(("匯入名冊", "rosters:page", Right.EDIT_PEOPLE),),
    excel=True,
    other_types=OtherTypes("請將名冊另存為「CSV UTF-8（逗號分隔）」或新版 Excel（.xlsx）再匯入"),
    no_undo=(
        "名冊不能整份復原：變動從匯入那天起生效，之後可能已經有人登入，也可能有時數歸戶。要改回來，"
        "請看「更新」的每一列原來是什麼，匯入更正後的名冊，或在「帳號管理」逐筆更正；"
        "多出來的帳號請改為離職。"
    ),
)
