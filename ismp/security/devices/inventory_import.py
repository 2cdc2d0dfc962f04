"""An inventory of devices that is sent in the browser, as a kind of import.

`inventory` judges the rows, `actions.devices.import_devices` brings in those that pass.
"""

from operator import itemgetter
from typing import Any

from django.db import transaction

from ismp.accounts.roles import Right
from ismp.imports import lists
from ismp.imports.kinds import ImportKind, Reached
from ismp.imports.models import ImportRun
from ismp.imports.rejection import OtherTypes
from ismp.imports.result import ResultOfList
from ismp.security import verbs
from ismp.security.devices import inventory
from ismp.security.devices.actions import devices as device_actions
from ismp.ui.resources.columns import Column


def perform(run: ImportRun, reached: Reached) -> ResultOfList:
    """Of a trial only the outcome is kept."""
    data, by = lists.data_of(run, DEVICES), lists.sender(run, DEVICES)
    found = inventory.read(data, (run.agency.name, run.agency.code))
    reached("parsed", 0, found.total)
    with transaction.atomic():
        rows = device_actions.import_devices(found, agency=run.agency, subject=str(run), by=by)
        transaction.set_rollback(run.dry_run)
    reached("matched", found.total, found.total)
    return ResultOfList(DEVICES, [_kept(row) for row in rows], found.faults, found.notes)


def _kept(row: device_actions.Row) -> dict[str, Any]:
    device = row.device
    shown = {"asset_no": device.asset_no, "brand": device.brand, "model": device.model}
    return {"line": row.line, "outcome": row.outcome, "words": row.words, **shown}


DEVICES = ImportKind(
    source="devices",
    title="設備清冊",
    verb=verbs.TAKE_IN_DEVICES,
    start=Right.EDIT_SECURITY,
    perform=perform,
    reasons=inventory.BY_CODE,
    titles=inventory.TITLES,
    columns=(
        Column("財產編號", itemgetter("asset_no")),
        Column("廠牌", itemgetter("brand")),
        Column("型號", itemgetter("model")),
        Column("變動", itemgetter("words"), "text"),
    ),
    shown=("asset_no", "brand", "model", "words"),
    crumbs=(
        ("管制設備", "devices:list", Right.VIEW_SECURITY),
        ("匯入清冊", "security:import_devices", Right.EDIT_SECURITY),
    ),
    excel=True,
    max_rows=inventory.MAX_ROWS,
    other_types=OtherTypes("請用下載的範本填寫，存成 CSV 或新版 Excel（.xlsx）再匯入"),
    no_undo=(
        "設備清冊不能整份復原：匯入之後，設備可能已經有了處置、核可或盤點簽署。要改回來，"
        "請看「更新」的每一列原來是什麼，匯入更正後的清冊，或在「管制設備」逐項編輯；"
        "多出來的設備請「登錄汰換」。"
    ),
)
