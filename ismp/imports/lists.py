"""Shared by the kinds of lists that agencies keep: roster, inventory of devices.

Such a list is small enough to be held whole, and what becomes of its rows is an action of the
package that it belongs to; the action must know who does it.
"""

from ismp.accounts.models import Account
from ismp.imports import run_files
from ismp.imports.kinds import ImportKind, limits
from ismp.imports.models import ImportRun
from ismp.ui.reading import file_types, workbooks
from ismp.ui.reading.faults import FileRejected


def data_of(run: ImportRun, kind: ImportKind) -> bytes:
    """The file of a run, whole.  Raises FileRejected when it is of another type."""
    data = b"".join(run_files.pieces(run, run_files.file_kind(run)))
    if not data:
        raise FileRejected("這個檔案是空的（0 位元組），請選擇填好的檔案後再上傳。")
    if kind.excel and file_types.is_workbook(data):
        workbooks.prove(data, limits(kind))
    else:
        wanted = "CSV 或新版 Excel（.xlsx）" if kind.excel else "CSV"
        assert kind.other_types
        kind.other_types.refuse(data, wanted)
    return data


def sender(run: ImportRun, kind: ImportKind) -> Account:
    """The account that sent the file.  Raises FileRejected when it may not do this any more."""
    account = Account.objects.select_related("agency").get(username=run.started_by)
    if not account.is_active or not kind.may_start(account):
        raise FileRejected(f"您已經沒有匯入{kind.title}的權限，檔案沒有匯入。")
    return account
