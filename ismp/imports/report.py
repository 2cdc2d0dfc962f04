"""Report of an import: its result as JSON, its rows, and the Excel file of rejected rows.

Draws everything from what the run kept; its kind has the columns and the rule book.
"""

from collections.abc import Iterator
from typing import Any

import polars as pl

from ismp.accounts import national_id
from ismp.imports import kinds, masking, result, run_files
from ismp.imports.kinds import ImportKind
from ismp.imports.models import ImportRun, RunFile, State
from ismp.ui.exports import xlsx
from ismp.ui.reading.faults import Reason

_NO_TEXT = ("outcome", "code")
"""Columns of what a run keeps that hold words of ours."""


def as_json(run: ImportRun, report: str | None = None) -> dict[str, Any]:
    """The object that `ismp import_hours --json` prints (docs/explain/contracts.md)."""
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
    frame, reasons = run_files.load_frame(run, RunFile.Kind.REJECTED), kinds.kind_of(run).reasons
    if frame is not None:
        for row in frame.iter_rows(named=True):
            message = in_words(reasons[row["code"]], row)
            yield {"line": row["line"], "code": row["code"], "message": message}


def in_words(reason: Reason, row: dict[str, Any]) -> str:
    """Why this very row is not imported: some kinds of file say more than the reason's sentence."""
    about = national_id.hide(row.get("about") or "")
    return f"{reason.sentence}（{about}）" if about else reason.sentence


WHICH: dict[str, tuple[str, pl.Expr]] = {
    "": ("全部", pl.lit(value=True)),
    "created": ("新增", pl.col("outcome").is_in(["created", "revived"])),
    "updated": ("更新", pl.col("outcome") == "updated"),
    "unchanged": ("無變動", pl.col("outcome") == "unchanged"),
    "rejected": ("無法匯入", pl.col("outcome") == "rejected"),
    "names": ("姓名不同", pl.col("other_name") & (pl.col("outcome") != "rejected")),
}
"""The numbers of a result: their words, and which rows of the file they count."""
OUTCOMES = {
    "created": "新增",
    "revived": "新增",
    "updated": "更新",
    "unchanged": "無變動",
    "rejected": "無法匯入",
}


def rows(run: ImportRun, which: str, code: str) -> pl.DataFrame | None:
    """The rows of the file behind a number of WHICH (and of one reason), in the file's order:
    line, outcome, code and what the kind's columns show.

    None when they were purged, or when the file was refused as a whole and no row is to blame.
    """
    frame = run_files.load_frame(run, RunFile.Kind.ROWS)
    if frame is None:
        return None
    found = frame.filter(WHICH[which][1])
    return _masked(found.filter(pl.col("code") == code) if code else found, kinds.kind_of(run))


def _masked(frame: pl.DataFrame, kind: ImportKind) -> pl.DataFrame:
    """Rows of a file with the national ID's last four characters hidden, in whatever cell."""
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    hidden = [
        masking.hide_ids(pl.col(name)) for name in texts if name not in (*_NO_TEXT, kind.id_column)
    ]
    if kind.id_column in texts:
        whole = pl.col(kind.id_column).map_elements(
            lambda cell: national_id.mask(national_id.fold(cell)), return_dtype=pl.String
        )
        hidden.append(whole)
    return frame.with_columns(hidden)


def rejected_workbook(run: ImportRun) -> Iterator[bytes]:
    """下載無法匯入資料: line, the file's columns, code, class, reason, remedy; guilty cells red."""
    kind = kinds.kind_of(run)
    head = ["檔案列號", *kind.titles.values(), "代碼", "類別", "原因", "怎麼辦"]
    parts = map(run_files.unpack, run_files.packed(run, RunFile.Kind.REJECTED))
    frames = (_with_words(_masked(frame, kind), kind) for frame in parts)
    return xlsx.workbook("無法匯入資料", head, frames)


def _with_words(rejected: pl.DataFrame, kind: ImportKind) -> pl.DataFrame:
    reasons, code = kind.reasons, pl.col("code")

    def of_reason(attribute: str) -> pl.Expr:
        words = {key: getattr(reason, attribute) for key, reason in reasons.items()}
        return code.replace_strict(words, return_dtype=pl.String)

    def is_guilty(name: str) -> pl.Expr:
        if "guilty" in rejected.columns:
            return pl.col("guilty").str.split(result.BETWEEN).list.contains(name)
        return code.is_in([key for key, reason in reasons.items() if name in reason.columns])

    about = pl.col("about") if "about" in rejected.columns else pl.lit("")
    details = pl.when(about == "").then(pl.lit("")).otherwise(pl.format("（{}）", about))
    return rejected.select(
        "line",
        *kind.titles,
        *(is_guilty(name).alias(xlsx.mark_of(name)) for name in kind.titles),
        "code",
        cls=of_reason("cls"),
        sentence=pl.concat_str(of_reason("sentence"), details),
        remedy=of_reason("remedy"),
    )
