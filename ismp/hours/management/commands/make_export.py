"""`ismp make_export OUTPUT`: an export file as the national portal makes it."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ismp.accounts import invented
from ismp.hours.portal_export import ExportChoices, export
from ismp.ui import roc


class Command(BaseCommand):
    help = "產生與入口網「成績下載」相同格式的檔案，人物都是虛構的。"
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("output", type=Path, help="要寫入的檔案")
        parser.add_argument("--rows", type=int, default=400, help="列數")
        parser.add_argument("--seed", type=int, default=1, help="亂數種子：相同即產生相同檔案")
        parser.add_argument("--start", default="115-01-01", help="課程結束日期起（民國）")
        parser.add_argument("--end", default="115-11-20", help="課程結束日期迄（民國）")
        parser.add_argument("--agency", help="只含這個機關代碼的人員")
        parser.add_argument(
            "--no-category-column", action="store_true", help="不勾選匯出課程類別欄位"
        )
        parser.add_argument(
            "--no-department-column", action="store_true", help="不勾選匯出部門單位"
        )
        parser.add_argument("--roster-out", type=Path, help="另存虛構人員的名冊")

    def handle(self, *args: Any, **options: Any) -> None:
        people = invented.city()
        mine = [p for p in people if options["agency"] in {None, p.agency_code}]
        if not mine:
            raise CommandError(f"虛構的城市裡沒有機關代碼 {options['agency']}。")
        try:
            choices = ExportChoices(
                roc.parse(options["start"]),
                roc.parse(options["end"]),
                with_category=not options["no_category_column"],
                with_department=not options["no_department_column"],
                seed=options["seed"],
            )
        except ValueError as error:
            raise CommandError(f"日期不對：{error}") from error
        options["output"].write_bytes(export(mine, options["rows"], choices))
        if options["roster_out"]:
            options["roster_out"].write_text(invented.roster_csv(people), "utf-8")
