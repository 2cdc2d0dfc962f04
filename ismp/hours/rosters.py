"""What becomes of a roster that was sent in the browser.

It takes the same way as a file of hours (run, worker, trial, result); who the people are is told
by `accounts.actions.import_roster`, within what the sender may change by hand.
"""

from django.db import transaction

from ismp.accounts import actions, roster
from ismp.accounts.models import Account
from ismp.accounts.roles import Right
from ismp.hours import files
from ismp.hours.models import ImportRun, RunFile
from ismp.hours.refusal import FileRefused
from ismp.hours.result import Result


def bring_in(run: ImportRun) -> Result:
    """Import the roster of a run; of a trial only the outcome is kept.  Raises FileRefused."""
    data = b"".join(files.pieces(run, RunFile.Kind.UPLOAD))
    keeper = Account.objects.select_related("agency").get(username=run.started_by)
    if not keeper.may(Right.EDIT_PEOPLE):
        raise FileRefused("您已經沒有維護帳號的權限，名冊沒有匯入。")
    try:
        with transaction.atomic():
            told = actions.import_roster(data, keeper=keeper, by=keeper.username)
            transaction.set_rollback(run.dry_run)
    except roster.RosterRefused as refusal:
        raise FileRefused(str(refusal)) from refusal
    lines = [(one.line, one.username, one.name, one.outcome, one.words) for one in told.lines]
    return Result.of_roster(lines)
