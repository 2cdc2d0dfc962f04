"""The kinds of imports that bring or change hours (`imports.kinds`)."""

from dataclasses import replace
from operator import itemgetter
from typing import Any

from ismp.accounts.models import Account
from ismp.accounts.roles import Right
from ismp.hours import verbs
from ismp.hours.models import in_hours
from ismp.hours.portal_import import checks, importing
from ismp.hours.portal_import.layout import TITLES
from ismp.hours.portal_import.reading import PORTAL
from ismp.hours.records import unclaimed
from ismp.hours.records.actions import jobs
from ismp.imports.kinds import ImportKind
from ismp.imports.models import ImportRun
from ismp.ui.resources.columns import Column


def _with_accounts(lines: list[dict[str, Any]]) -> None:
    accounts = Account.objects.in_bulk([line["account"] for line in lines if line["account"]])
    for line in lines:
        line["account"] = accounts.get(line["account"])


def _of_account(name: str) -> Any:
    return lambda line: getattr(line["account"], name, "－")


def _name(line: dict[str, Any]) -> str:
    return f"{line['name']}（不同）" if line["other_name"] else str(line["name"])


def _window_context(run: ImportRun) -> dict[str, Any]:
    """Whether somebody of the file is waited for, and the job that undoes it now."""
    return {
        "waits": unclaimed.UNKNOWN in run.reasons and not (run.dry_run or run.released_at),
        "undoing": jobs.waiting(job="undo", run=run.pk) if run.can_be_undone else None,
    }


HOURS = ImportKind(
    source="file",
    title="終身學習時數",
    verb=verbs.IMPORT_HOURS,
    records=True,
    start=Right.IMPORT_HOURS,
    perform=importing.perform,
    reasons=checks.BY_CODE,
    titles=TITLES,
    columns=(
        Column("公務帳號", _of_account("username")),
        Column("姓名", _of_account("name")),
        Column("檔案裡的姓名", _name, tone=lambda line: "amber" if line["other_name"] else ""),
        Column("課程類別", itemgetter("category")),
        Column("名稱", itemgetter("title"), "text"),
        Column("迄日期", itemgetter("ended_on"), "date"),
        Column("採計時數", lambda line: in_hours(line["hours_m"]), "number"),
    ),
    dress=_with_accounts,
    which=("", "created", "updated", "unchanged", "rejected", "names"),
    id_column="national_id",
    crumbs=(
        ("同仁學習狀況明細", "hours:agency", Right.VIEW_HOURS),
        ("匯入紀錄", "hours:runs", Right.VIEW_HOURS),
    ),
    window="hours/_run_window.html",
    window_context=_window_context,
    other_types=PORTAL,
)
CREDITED = replace(
    HOURS,
    source="platform",
    start=None,
    no_undo="本平台課程登錄的時數不能整批復原；要更正，請到課程重新結算，或在明細刪除那一筆時數。",
)
"""What our own courses credited (docs/adr/0012): without a file, seen as hours are."""
RECOGNISED = replace(
    CREDITED,
    source="external",
    no_undo="外部認列的時數不能在這裡復原；要收回，請到「外部時數認列」撤銷認列。",
)
"""What was recognised with a certificate (docs/adr/0017)."""
JOB = ImportKind(
    source="job",
    title="刪除與復原",
    verb=None,
    locks_agency=False,
    start=None,
    perform=jobs.perform,
    reasons={},
    titles={},
    columns=(),
    crumbs=(("同仁學習狀況明細", "hours:agency", Right.VIEW_HOURS),),
    window="hours/_job_window.html",
    window_context=lambda run: {"job": jobs.described(run), "announcement": jobs.announcement(run)},
    no_undo="刪除的時數可以在「已刪除」還原；復原過的匯入，重新上傳同一個檔案即可。",
)
"""What the worker does to many records at once, without a file."""
