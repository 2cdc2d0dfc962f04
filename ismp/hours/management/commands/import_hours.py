"""`ismp import_hours FILE --agency CODE`: the main job without a browser.

Contract: docs/explain/contracts.md.

Exit code 0 when completed (rejections included), 2 when the file is refused whole, 1 for our own
fault.
"""

import json
import sys
from argparse import ArgumentParser
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from ismp.accounts.models import Agency
from ismp.imports import actions as import_actions
from ismp.imports import report
from ismp.imports.models import ImportRun, State
from ismp.ui.commands import DatabaseCommand

_CHUNK_BYTES = 1024 * 1024


class Command(DatabaseCommand):
    help = "匯入一個機關的終身學習時數檔案（CSV，或內含 CSV 的 ZIP）。"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="入口網下載的成績檔")
        parser.add_argument("--agency", required=True, help="機關代碼")
        parser.add_argument("--password", help="ZIP 的檔案密碼")
        parser.add_argument("--dry-run", action="store_true", help="試匯入：結果相同，但不存入")
        parser.add_argument("--json", action="store_true", help="只印出一個 JSON 物件")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            result = self._import(options)
        except CommandError:
            raise
        except Exception as error:  # our own fault, whatever it is: a sentence, exit code 1
            raise CommandError(
                f"系統發生錯誤（{type(error).__name__}），沒有匯入任何資料；請稍後再試或報修。"
            ) from None
        if options["json"]:
            self.stdout.write(json.dumps(result, ensure_ascii=False))
        else:
            self._tell(result, dry_run=options["dry_run"])
        if result["state"] == State.REFUSED:
            sys.exit(2)

    def _import(self, options: dict[str, Any]) -> dict[str, Any]:
        path: Path = options["file"]
        agency = Agency.objects.find(options["agency"])
        if agency is None:
            return _refused(f"找不到機關代碼 {options['agency']}，請先匯入名冊或核對代碼。")
        try:
            file = path.open("rb")
        except OSError:
            return _refused(f"無法開啟檔案 {path.name}，請檢查路徑與權限。")
        with file:
            run = import_actions.import_file(
                iter(partial(file.read, _CHUNK_BYTES), b""),
                agency=agency,
                filename=path.name,
                password=options["password"],
                dry_run=options["dry_run"],
            )
        return report.as_json(run, self._report(run))

    def _report(self, run: ImportRun) -> str | None:
        if run.state != State.COMPLETED or not run.rejected:
            return None
        folder = settings.ISMP_HOME / "reports"
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"rejected-{run.pk}.xlsx"
        with path.open("wb") as file:
            file.writelines(report.rejected_workbook(run))
        return str(path)

    def _tell(self, result: dict[str, Any], *, dry_run: bool) -> None:
        if result["state"] == State.REFUSED:
            self.stderr.write(result["reason"])
            return
        self.stdout.write("試匯入完成，沒有存入任何資料" if dry_run else "匯入完成")
        self.stdout.write(
            f"總筆數 {result['total']} ＝ 新增 {result['created']} ＋ 更新 {result['updated']}"
            f" ＋ 無變動 {result['unchanged']} ＋ 無法匯入 {result['rejected']}"
        )
        if result["report"]:
            self.stdout.write(f"無法匯入資料：{result['report']}")


def _refused(reason: str) -> dict[str, Any]:
    numbers = dict.fromkeys(("total", "created", "updated", "unchanged", "rejected"), 0)
    return {
        "state": State.REFUSED.value,
        "reason": reason,
        **numbers,
        "rejections": [],
        "report": None,
    }
