"""`ismp restore SOURCE`: bring a backup back; checked before it says so, or nothing has changed."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from ismp.operations.backup import story as backup_story
from ismp.operations.backup.archive import BackupRefused
from ismp.operations.backup.encrypted_models import ENCRYPTED_MODELS
from ismp.storage import encrypted_files


class Command(BaseCommand):
    help = "從備份還原資料庫；先停止網站與背景工作，並放回備份當時的 keys.json。"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", type=Path, help="ismp backup 做的備份檔")
        parser.add_argument("--identity", type=Path, help="加密備份的私密金鑰（age 或 ssh）")
        parser.add_argument("--force", action="store_true", help="取代資料庫裡現有的資料")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            restored = backup_story.restore(
                options["source"], force=options["force"], identity=options["identity"]
            )
        except BackupRefused as reason:
            raise CommandError(str(reason)) from None
        except (OSError, DatabaseError) as error:
            raise CommandError(
                f"還原沒有做完，資料庫維持原狀（{type(error).__name__}）；"
                "請確認磁碟空間與資料庫，再執行一次。"
            ) from None
        rows = sum(count for count, _ in restored["tables"].values())
        self.stdout.write(
            f"已還原 {rows:,} 列（{restored['made_at']} 的備份），與備份當時相同，稽核軌跡完整。"
        )
        if lost := encrypted_files.lost(ENCRYPTED_MODELS):
            self.stdout.write(
                f"有 {lost:,} 個檔案片段不在 S3 儲存區；相關的匯入結果或教材無法下載。"
            )
