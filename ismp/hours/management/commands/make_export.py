"""`ismp make_export OUTPUT`: an export file as the national portal makes it."""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ismp.accounts import demo_data
from ismp.accounts.models import Status
from ismp.accounts.roster import reading as roster_reading
from ismp.hours.portal_export import ENCODINGS, MOST_ROWS, ExportChoices, Learner, write
from ismp.hours.portal_import.layout import CATEGORIES
from ismp.ui.reading import faults
from ismp.ui.text import roc_dates


class Command(BaseCommand):
    help = "產生與入口網「成績下載」相同格式的檔案；沒有指定名冊時，人物都是虛構的。"
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("output", type=Path, help="要寫入的檔案")
        add("--rows", type=int, default=400, help=f"列數，1 到 {MOST_ROWS:,}")
        add("--seed", type=int, default=1, help="亂數種子：相同的選擇與種子產生相同的檔案")
        add("--start", default="115-01-01", help="課程結束日期起（民國）")
        add("--end", default="115-11-20", help="課程結束日期迄（民國，與起日同一年度）")
        codes = [str(code) for code in CATEGORIES]
        add("--category", choices=codes, action="append", help="課程類別，可重複；預設兩類都要")
        add("--no-category-column", action="store_true", help="不勾選匯出課程類別欄位")
        add("--no-department-column", action="store_true", help="不勾選匯出部門單位")
        add("--password", help="檔案密碼：產生有密碼的 ZIP（AES-256）")
        add("--encoding", choices=ENCODINGS, default="cp950", help="文字編碼，預設 cp950")
        add("--bad-share", type=float, default=0.03, help="有問題的列所占比例，預設 0.03")
        add("--people", type=int, help="虛構人數（不用示範城市的 61 人）")
        add("--agencies", type=int, default=1, help="虛構機關數，與 --people 一起用")
        add("--roster", type=Path, help="改用這份名冊裡的在職人員")
        add("--agency", help="只含這個機關代碼的人員")
        add("--roster-out", type=Path, help="另存虛構人員的名冊，供 import_roster 使用")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["rows"] <= MOST_ROWS:
            raise CommandError(f"列數必須在 1 到 {MOST_ROWS:,} 之間，請更正 --rows。")
        people = self._people(options)
        chosen = [p for p in people if options["agency"] in {None, p.agency_code}]
        if not chosen:
            raise CommandError(f"這些人員裡沒有機關代碼 {options['agency']}，請更正 --agency。")
        try:
            write(
                options["output"], chosen, options["rows"], _choices(options), options["password"]
            )
            if options["roster_out"]:
                options["roster_out"].write_text(_roster_of(people), "utf-8")
        except OSError as error:
            name = error.filename or options["output"]
            raise CommandError(f"無法寫入 {name}，請檢查路徑、權限與磁碟空間。") from error

    def _people(self, options: dict[str, Any]) -> Sequence[Any]:
        if options["roster"]:
            try:
                entries = roster_reading.read(options["roster"].read_bytes()).proven()
            except OSError as error:
                raise CommandError("無法開啟名冊，請檢查 --roster 的路徑。") from error
            except faults.FileRejected as error:
                raise CommandError(str(error)) from error
            return [entry for entry in entries if entry.status == Status.ACTIVE]
        if options["people"] is None:
            return demo_data.city()
        if not 1 <= options["agencies"] <= options["people"] <= demo_data.MOST_PEOPLE:
            raise CommandError(
                f"人數必須在 1 到 {demo_data.MOST_PEOPLE:,} 之間，機關數不能多於人數；"
                "請更正 --people 或 --agencies。"
            )
        return demo_data.people(options["people"], options["agencies"], options["seed"])


def _choices(options: dict[str, Any]) -> ExportChoices:
    try:
        dates = roc_dates.parse(options["start"]), roc_dates.parse(options["end"])
    except ValueError as error:
        raise CommandError("日期請寫成 115-01-01 的樣子，請更正 --start 或 --end。") from error
    try:
        return ExportChoices(
            *dates,
            categories=tuple(options["category"] or map(str, CATEGORIES)),
            with_category=not options["no_category_column"],
            with_department=not options["no_department_column"],
            encoding=options["encoding"],
            seed=options["seed"],
            bad_share=options["bad_share"],
        )
    except ValueError as error:
        raise CommandError(str(error)) from error


def _roster_of(people: Sequence[Learner]) -> str:
    own = [person for person in people if isinstance(person, demo_data.Person)]
    if not own:
        raise CommandError("--roster 與 --roster-out 不能一起用：名冊已經有了。")
    return demo_data.roster_csv(own)
