"""`ismp backup TARGET`: one file that `ismp restore` brings back; the site goes on meanwhile."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError
from django.utils import timezone

from ismp.operations.backup import encryption
from ismp.operations.backup import story as backup_story
from ismp.operations.backup.archive import BackupRefused
from ismp.ui.commands import DatabaseCommand


class Command(DatabaseCommand):
    help = "備份資料庫成一個檔案；網站可照常使用。金鑰（keys.json）不在備份裡，要另外保管。"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("target", type=Path, help="備份檔，或存放備份檔的資料夾")

    def handle(self, *args: Any, **options: Any) -> None:
        target: Path = options["target"]
        if target.is_dir():
            suffix = encryption.SUFFIX if settings.BACKUP_RECIPIENTS else ""
            target = target / f"ismp-{timezone.localtime():%Y%m%d-%H%M%S}.zip{suffix}"
        try:
            made = backup_story.make(target)
        except BackupRefused as reason:
            raise CommandError(str(reason)) from None
        except (OSError, DatabaseError) as error:
            raise CommandError(
                f"備份沒有做完，沒有留下檔案（{type(error).__name__}）；請確認磁碟空間與資料庫。"
            ) from None
        rows = sum(count for count, _ in made["tables"].values())
        self.stdout.write(f"已備份 {rows:,} 列到 {target}")
        if not settings.BACKUP_RECIPIENTS:
            self.stdout.write(
                "這個備份沒有加密；設定 ISMP_BACKUP_RECIPIENTS 就會加密給指定的公開金鑰。"
            )
        self.stdout.write(f"稽核軌跡的錨點在 {target}.anchor，請另外保管。")
        self.stdout.write(f"金鑰不在其中，請另外保管：{settings.KEYS.path}")
        if made["objects"]:
            self.stdout.write(
                f"另有 {made['objects']:,} 個檔案片段在 S3 儲存區，不在這個備份裡，請由儲存區備份。"
            )
