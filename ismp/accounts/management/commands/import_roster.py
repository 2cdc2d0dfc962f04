"""`ismp import_roster FILE`: accounts from a roster CSV.  Exit code 2 when it is refused."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from ismp.accounts.actions import postings
from ismp.audit import trail
from ismp.ui.commands import DatabaseCommand
from ismp.ui.reading import faults


class Command(DatabaseCommand):
    help = "由名冊 CSV 建立或更新機關、部門與帳號；重複匯入不會改變任何資料。"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="名冊 CSV（UTF-8 或 CP950）")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            data = options["file"].read_bytes()
        except OSError as error:
            raise CommandError(f"無法開啟名冊檔案：{options['file']}", returncode=2) from error
        try:
            result = postings.import_roster(data, by=trail.SYSTEM)
        except faults.FileRejected as refusal:
            raise CommandError(str(refusal), returncode=2) from refusal
        self.stdout.write(
            f"名冊匯入完成：新增 {result.created} 人、更新 {result.updated} 人、"
            f"無變動 {result.unchanged} 人。"
        )
        for fault in result.faults:
            self.stderr.write(fault.sentence)
