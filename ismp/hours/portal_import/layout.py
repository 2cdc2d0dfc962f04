"""Layout of the national lifelong-learning portal's export, as data.

The one place that names the portal's columns, their aliases, its codes and the boxes to
tick there.  When the portal changes, this file changes and nothing else does.  It knows
neither Django nor how a file is read.

Source: manual steps 3–4 (the 22 columns); the upload formats of the same portal, which
spell the same fields differently.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column of the export: its name in code, its name in the file, other spellings."""

    name: str
    title: str
    aliases: tuple[str, ...] = ()
    group: str = "其他"
    """Neighbours of one group share a head cell in the wide table."""
    tick: str = ""
    """The box in the portal's 成績下載 form that adds this column, if a box does."""


COLUMNS: tuple[Column, ...] = (
    Column(
        "national_id",
        "身分證字號",
        ("身分證號", "身分證統一編號", "國民身分證統一編號", "國民身分證字號"),
        "人員",
    ),
    Column("name", "姓名", (), "人員"),
    Column("learning_type", "學習類別", (), "課程"),
    Column("organizer_code", "學習機關(構)編號", ("學習機構", "學習機構編號"), "課程"),
    Column("organizer_name", "學習機關(構)名稱", ("學習機構名稱",), "課程"),
    Column("department", "部門單位", ("部門名稱",), "課程", tick="匯出部門單位"),
    Column("category", "課程類別", ("課程類別代碼", "班別類別"), "課程", tick="匯出課程類別欄位"),
    Column("degree", "訓練進修類別(程度)", ("訓練進修類別", "學位學分"), "課程"),
    Column("title", "名稱", ("課程名稱",), "課程"),
    Column("kind", "種類", (), "課程"),
    Column("fee", "費用", (), "課程"),
    Column("term", "期別", (), "課程"),
    Column("started_on", "起日期", ("起始日期", "開課起始日期"), "時間"),
    Column("ended_on", "迄日期", ("終迄日期", "開課結束日期"), "時間"),
    Column("total", "訓練總數", (), "時數"),
    Column("unit", "訓練總單位", ("訓練總數單位",), "時數"),
    Column("score", "訓練總成績", ("訓練成績",), "時數"),
    Column("certificate_no", "證件字號", (), "時數"),
    Column("nature", "課程性質", ("學習性質",), "時數"),
    Column("digital_hours", "數位時數", (), "時數"),
    Column("classroom_hours", "實體時數", (), "時數"),
    Column("job_related", "是否與業務相關", (), "其他"),
)

NAMES = tuple(column.name for column in COLUMNS)
TITLES = {column.name: column.title for column in COLUMNS}

UPLOAD_TEMPLATE_ONLY = ("上課縣市", "出勤上課狀況", "開課起始時間", "實際上課起始日期", "課程代碼")
"""Columns that only the portal's upload forms have: the clerk took the wrong file."""

CATEGORIES = {522: "資通安全(通識)", 523: "資通安全(專業、職能)"}
"""課程類別代碼 that count towards the duties of the Act (official table of 2020-12-15)."""

HOUR_UNITS = frozenset({"1", "時", "小時"})
"""訓練總單位 that means hours; 2 is 天 and 6 is 學分, which nobody may convert silently."""

EARLIEST_YEAR = 1991
"""民國 80: a course that ended earlier is a misread date, not a course."""
