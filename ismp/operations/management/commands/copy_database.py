"""`ismp copy_database SOURCE`: from SQLite into the empty PostgreSQL of `DATABASE_URL`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError

from ismp.operations.backup import copying
from ismp.operations.backup.archive import BackupRefused
from ismp.ui.commands import DatabaseCommand


class Command(DatabaseCommand):
    help = "把 SQLite 的網站複製到 DATABASE_URL 指定的空 PostgreSQL，並逐表核對；先停止網站。"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", type=Path, help="原來的 ismp.sqlite3")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            counts = copying.copy(options["source"])
        except BackupRefused as reason:
            raise CommandError(str(reason)) from None
        except DatabaseError as error:
            raise CommandError(
                f"複製沒有做完，沒有寫入任何資料（{type(error).__name__}）；請確認兩個資料庫與磁碟。"
            ) from None
        for name, count in counts.items():
            if count:
                self.stdout.write(f"{name}：{count:,} 列，相同")
        self.stdout.write(
            f"已複製 {sum(counts.values()):,} 列，每一張表都與原來相同，稽核軌跡完整。"
        )
