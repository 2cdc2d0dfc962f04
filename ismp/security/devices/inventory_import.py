"""An inventory of devices that is sent in the browser, as a kind of import.

`inventory` judges the rows, `actions.devices.import_devices` brings in those that pass.
"""

from operator import itemgetter
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.imports import lists
from ismp.imports.kinds import ImportKind, Reached
from ismp.imports.models import ImportRun, Source
from ismp.imports.rejection import OtherTypes
from ismp.imports.result import ResultOfList
from ismp.imports.views import import_page
from ismp.security import verbs
from ismp.security.devices import inventory
from ismp.security.devices.actions import devices as device_actions
from ismp.ui.exports.cells import Cell
from ismp.ui.exports.csv import csv_lines
from ismp.ui.http.requests import HttpRequest
from ismp.ui.resources.columns import Column


def perform(run: ImportRun, reached: Reached) -> ResultOfList:
    """Of a trial only the outcome is kept."""
    data, by = lists.data_of(run, DEVICES), lists.sender(run, DEVICES)
    found = inventory.read(data, (run.agency.name, run.agency.code))
    reached("parsed", 0, found.total)
    with transaction.atomic():
        rows = device_actions.import_devices(found, agency=run.agency, of=str(run), by=by)
        transaction.set_rollback(run.dry_run)
    reached("matched", found.total, found.total)
    return ResultOfList(DEVICES, [_kept(row) for row in rows], found.faults, found.notes)


def _kept(row: device_actions.Row) -> dict[str, Any]:
    device = row.device
    shown = {"asset_no": device.asset_no, "brand": device.brand, "model": device.model}
    return {"line": row.line, "outcome": row.outcome, "words": row.words, **shown}


@require_safe
@needs(Right.EDIT_SECURITY)
def page(request: HttpRequest) -> HttpResponse:
    """匯入清冊 of one's own agency: choose a file, try it, import it; and what was sent before."""
    return import_page(request, Source.DEVICES, "security/inventory.html")


@require_safe
@needs(Right.EDIT_SECURITY)
def template(request: HttpRequest) -> HttpResponse:
    """An empty inventory with one example line, as CSV that Excel opens right."""
    example: list[Cell] = ["示範-001", "硬體", "筆記型電腦", "示範牌", "NB-1", "SN0001"]
    example += [1, "三樓機房", "資訊科", "示範保管人", "公務網路", "113-05-01", "118-05-01"]
    lines = csv_lines(list(inventory.COLUMNS), [example])
    headers = {"Content-Disposition": 'attachment; filename="inventory.csv"'}
    return HttpResponse(b"".join(lines), content_type="text/csv; charset=utf-8", headers=headers)


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
