"""What an import tells: its result as JSON, and the Excel file of rows not imported.

Knows the runs and the rule book; draws everything from what the run kept.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import polars as pl

from ismp.accounts import national_id
from ismp.hours import cleaning, files
from ismp.hours.checks import BY_CODE
from ismp.hours.models import ImportRun, RunFile, State
from ismp.hours.profile import NAMES, TITLES
from ismp.ui import workbook

_HEAD = ["檔案列號", *(TITLES[name] for name in NAMES), "代碼", "類別", "原因", "怎麼辦"]
_COLUMN_OF = {name: index for index, name in enumerate(NAMES, start=1)}


def as_json(run: ImportRun, report: str | None = None) -> dict[str, Any]:
    """The object that `ismp import_hours --json` prints (product.md, contracts)."""
    refused = run.state != State.COMPLETED
    return {
        "state": State.REFUSED.value if refused else State.COMPLETED.value,
        "reason": run.reason or None,
        "total": run.total,
        "created": run.created,
        "updated": run.updated,
        "unchanged": run.unchanged,
        "rejected": run.rejected,
        "rejections": list(rejections(run)),
        "report": report,
    }


def rejections(run: ImportRun) -> Iterator[dict[str, Any]]:
    """One {"line", "code", "message"} per row not imported, in the order of the file."""
    frame = files.load_frame(run, RunFile.Kind.REJECTED)
    if frame is not None:
        for line, code in frame.select("line", "code").iter_rows():
            yield {"line": line, "code": code, "message": BY_CODE[code].sentence}


WHICH: dict[str, tuple[str, pl.Expr]] = {
    "": ("全部", pl.lit(value=True)),
    "created": ("新增", pl.col("outcome").is_in(["created", "revived"])),
    "updated": ("更新", pl.col("outcome") == "updated"),
    "unchanged": ("無變動", pl.col("outcome") == "unchanged"),
    "rejected": ("無法匯入", pl.col("outcome") == "rejected"),
    "names": ("姓名不同", pl.col("other_name") & (pl.col("outcome") != "rejected")),
}
"""The numbers of a result: their words, and which rows of the file they count."""


def rows(run: ImportRun, which: str, code: str) -> pl.DataFrame | None:
    """The rows of the file behind a number of WHICH (and of one reason), in the file's order:
    line, outcome, code, account (id), other_name, name, category, title, ended_on, hours_m.

    None when they were purged, or when the file was refused as a whole.
    """
    frame = files.load_frame(run, RunFile.Kind.ROWS)
    if frame is None:
        return None
    found = frame.filter(WHICH[which][1])
    return masked(found.filter(pl.col("code") == code) if code else found)


def masked(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of a file with the national ID's last four characters hidden, in whatever cell."""
    hidden = [
        cleaning.hide_ids(pl.col(name))
        for name in NAMES
        if name in frame.columns and name != "national_id"
    ]
    if "national_id" in frame.columns:
        whole = pl.col("national_id").map_elements(
            lambda cell: national_id.mask(national_id.fold(cell)), return_dtype=pl.String
        )
        hidden.append(whole)
    return frame.with_columns(hidden)


def write_rejected(run: ImportRun, target: Path | IO[bytes]) -> None:
    """下載無法匯入資料: line, the 22 columns, code, class, reason, what to do; guilty cells red."""
    frame = files.load_frame(run, RunFile.Kind.REJECTED)
    rows = masked(frame).iter_rows() if frame is not None else iter(())
    workbook.write(target, "無法匯入資料", _HEAD, map(_report_row, rows))


def _report_row(row: tuple[Any, ...]) -> workbook.Row:
    line, code, *cells = row
    check = BY_CODE[code]
    return workbook.Row(
        [line, *cells, code, check.cls, check.sentence, check.remedy],
        marked=frozenset(_COLUMN_OF[name] for name in check.columns),
    )
