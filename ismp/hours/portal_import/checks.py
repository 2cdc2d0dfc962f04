"""The rule book of the import: every reason for which a row is not imported stands here.

Each check is a row of one table: code, class, sentence, what to do, the columns at fault, and the
expression that finds it.  Their order is their precedence; a row gets the first that applies.
No Django; no reason exists outside of this file.

Source: docs/explain/contracts.md.
"""

from dataclasses import dataclass
from datetime import date

import polars as pl

from ismp.hours.portal_import import cleaning
from ismp.hours.portal_import.cleaning import HOUR_CELLS
from ismp.ui.reading import row_checks
from ismp.ui.reading.column_checks import ColumnCheck, first_code
from ismp.ui.reading.faults import NORMAL, OURS, YOURS


@dataclass(frozen=True)
class World:
    """Context of a check beside the row itself."""

    today: date
    max_cell: int


Check = ColumnCheck[World]
"""Its expression is over the columns of `cleaning.clean`."""
CHECKS: tuple[Check, ...] = (
    Check(
        "columns",
        YOURS,
        "欄位數與標題列不同",
        "這一列可能有多出來的逗號或換行；請重新下載成績檔，不要編輯，直接上傳。",
        (),
        lambda _: ~pl.col("width_ok"),
    ),
    Check(
        "id-missing",
        YOURS,
        "沒有身分證字號",
        "請人事單位在入口網補上此人的身分證字號，再重新下載。",
        ("national_id",),
        lambda _: ~pl.col("id_given"),
    ),
    Check(
        "id-invalid",
        YOURS,
        "身分證字號格式或檢查碼不對",
        "請人事單位核對入口網上的身分證字號，更正後重新下載。",
        ("national_id",),
        lambda _: ~pl.col("id_valid"),
    ),
    Check(
        "no-account",
        NORMAL,
        "身分證無對應的公務帳號",
        "此人可能已離職或不在本機關，不需處理；若確實在職，請先新增公務帳號再匯入一次。",
        ("national_id",),
        lambda _: pl.col("account").is_null(),
    ),
    Check(
        "too-long",
        YOURS,
        "有欄位超過 2,000 字",
        "這一列可能遭到破壞；請重新下載成績檔，不要編輯，直接上傳。",
        (),
        lambda world: cleaning.too_long(world.max_cell),
    ),
    Check(
        "required",
        YOURS,
        "名稱、起日期、迄日期、課程類別或時數是空的",
        "請到入口網補齊這筆學習紀錄，或請開課單位補登後重新下載。",
        ("title", "started_on", "ended_on", "category", *HOUR_CELLS),
        lambda _: (
            ~pl.all_horizontal(
                f"given_{name}" for name in ("title", "started_on", "ended_on", "category")
            )
            | ~pl.any_horizontal(f"given_{name}" for name in HOUR_CELLS)
        ),
    ),
    Check(
        "category",
        NORMAL,
        "課程類別不是 522 或 523",
        "只有資通安全（522 通識、523 專業）的時數要匯入，其他類別不需處理；"
        "若類別登錄錯誤，請開課單位在入口網更正。",
        ("category",),
        lambda _: pl.col("category_code").is_null(),
    ),
    Check(
        "date-invalid",
        YOURS,
        "起日期或迄日期無法辨認",
        "日期請用 115-01-05 的寫法；請到入口網更正後重新下載，不要用 Excel 另存。",
        ("started_on", "ended_on"),
        lambda _: pl.col("start").is_null() | pl.col("end").is_null(),
    ),
    Check(
        "date-order",
        YOURS,
        "迄日期早於起日期",
        "請開課單位在入口網更正起迄日期後重新下載。",
        ("started_on", "ended_on"),
        lambda _: pl.col("end") < pl.col("start"),
    ),
    Check(
        "date-future",
        YOURS,
        "迄日期在今天之後",
        "課程還沒有結束；結束後再下載匯入，若日期有誤請開課單位更正。",
        ("ended_on",),
        lambda world: pl.col("end") > world.today,
    ),
    Check(
        "hours-invalid",
        YOURS,
        "時數不是合理的數字",
        "時數只能是 0 以上的數字，且一天不超過 24 小時；請開課單位在入口網更正後重新下載。",
        HOUR_CELLS,
        lambda _: (
            pl.any_horizontal(
                pl.col(f"given_{name}") & pl.col(f"{name}_m").is_null() for name in HOUR_CELLS
            )
            | cleaning.too_many_hours().fill_null(value=False)
        ),
    ),
    Check(
        "unit",
        OURS,
        "訓練總單位不是小時，也沒有數位或實體時數",
        "天數或學分不能自行換算成小時；請開課單位補登數位時數或實體時數，或洽客服認定。",
        ("unit", *HOUR_CELLS),
        lambda _: ~pl.col("given_parts") & ~pl.col("in_hours"),
    ),
    Check(
        "hours-sum",
        YOURS,
        "數位時數加實體時數不等於訓練總數",
        "請開課單位在入口網更正時數後重新下載。",
        HOUR_CELLS,
        lambda _: (
            pl.col("in_hours")
            & pl.col("given_total")
            & pl.col("given_parts")
            & (pl.col("hours_m") != pl.col("total_m"))
        ),
    ),
)

REPEATS: tuple[Check, ...] = (
    Check(
        "duplicate-in-file",
        NORMAL,
        "同一筆學習紀錄在檔案裡重複",
        "前面相同的一列已經匯入，不需處理。",
        (),
        lambda _: ~pl.col("is_first") & pl.col("same_as_first"),
    ),
    Check(
        "conflict-in-file",
        YOURS,
        "同一筆學習紀錄在檔案裡有不同內容",
        "已匯入前面那一列；若這一列才正確，請在入口網更正後重新下載。",
        (),
        lambda _: ~pl.col("is_first") & ~pl.col("same_as_first"),
    ),
)

BY_CODE = row_checks.by_code(CHECKS, REPEATS)


class Judge:
    """Judges the rows of one file, slice by slice, and remembers which events it has seen."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen = pl.DataFrame(schema=_SEEN)

    def judge(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add `code`: the reason why the row is not imported, or null.

        Takes the columns of `cleaning.clean` and `matching`; repeats are looked for among the
        rows that pass all other checks, the first stands.
        """
        frame = frame.with_columns(first_code(CHECKS, self._world).alias("code"))
        passed = frame.filter(pl.col("code").is_null()).select(*_SEEN)
        repeats = self._repeats(passed)
        if repeats.is_empty():
            self._seen.vstack(passed, in_place=True)
            return frame
        self._seen.vstack(passed.join(repeats, on="line", how="anti"), in_place=True)
        return frame.with_columns(
            pl.coalesce(
                "code",
                pl.col("line").replace_strict(
                    repeats["line"], repeats["repeat"], default=None, return_dtype=pl.String
                ),
            ).alias("code")
        )

    def _repeats(self, passed: pl.DataFrame) -> pl.DataFrame:
        """`line` and `repeat` (the code) of the rows whose event has stood in the file before."""
        event = pl.col("event")
        before = self._seen.filter(event.is_in(passed["event"].implode()))
        again = event.is_duplicated() | event.is_in(before["event"].implode())
        same = pl.concat([before, passed.filter(again)])
        return (
            same.select(
                "line",
                is_first=pl.col("line") == pl.col("line").first().over("event"),
                same_as_first=pl.col("contents") == pl.col("contents").first().over("event"),
            )
            .select("line", repeat=first_code(REPEATS, self._world))
            .filter(pl.col("repeat").is_not_null())
        )


_SEEN = {"line": pl.UInt32, "event": pl.Int128, "contents": pl.Int128}
