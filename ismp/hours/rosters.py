"""A roster that is sent in the browser, as a profile of the import kit.

Who the people are is told by `accounts.actions.import_roster`, within what the sender may change by
hand.  It comes in whole or not at all; every line at fault is told.
"""

from dataclasses import asdict
from operator import itemgetter

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from ismp.accounts import actions, roster, roster_checks
from ismp.accounts.access import needs
from ismp.accounts.roles import Right
from ismp.hours import lists, upload
from ismp.hours.models import ImportRun, Source
from ismp.hours.profiles import Profile, Reached
from ismp.hours.refusal import RowsAtFault
from ismp.hours.result import ResultOfList
from ismp.ui.columns import Column


def perform(run: ImportRun, reached: Reached) -> ResultOfList:
    """Of a trial only the outcome is kept.  Raises RowsAtFault, with each of them."""
    data, keeper = lists.data_of(run, ROSTER), lists.sender(run, ROSTER)
    reached("parsed", 0, run.lines - 1)
    try:
        with transaction.atomic():
            told = actions.import_roster(data, keeper=keeper, of=str(run), by=keeper.username)
            transaction.set_rollback(run.dry_run)
    except roster.RosterRefused as refusal:
        raise RowsAtFault(str(refusal), ResultOfList(ROSTER, [], refusal.faults)) from refusal
    lines = [asdict(one) | {"公務帳號": one.username, "姓名": one.name} for one in told.lines]
    return ResultOfList(ROSTER, lines, [], told.notes)


@require_safe
@needs(Right.EDIT_PEOPLE)
def page(request: HttpRequest) -> HttpResponse:
    """匯入名冊: choose a file, try it, import it; and what was sent before."""
    return upload.import_page(request, Source.ROSTER, "hours/roster.html")


ROSTER = Profile(
    source="roster",
    title="名冊",
    verb="import_roster",
    view=Right.VIEW_PEOPLE,
    start=Right.EDIT_PEOPLE,
    perform=perform,
    reasons=roster_checks.BY_CODE,
    titles={title: title for title in roster_checks.HEADER},
    columns=(
        Column("公務帳號", itemgetter("公務帳號")),
        Column("姓名", itemgetter("姓名")),
        Column("變動", itemgetter("words"), "text"),
    ),
    shown=("公務帳號", "姓名", "words"),
    id_column="身分證字號",
    crumbs=(("匯入名冊", "rosters:page", Right.EDIT_PEOPLE),),
    excel=True,
    instead="請將名冊另存為「CSV UTF-8（逗號分隔）」或新版 Excel（.xlsx）再匯入",
    no_undo=(
        "名冊不能整份復原：變動從匯入那天起生效，之後可能已經有人登入，也可能有時數歸戶。要改回來，"
        "請看「更新」的每一列原來是什麼，匯入更正後的名冊，或在「帳號管理」逐筆更正；"
        "多出來的帳號請改為離職。"
    ),
)
