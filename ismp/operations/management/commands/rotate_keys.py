"""`ismp rotate_keys`: encrypt everything with the newest key, while the site runs.

Safe to stop and to run again: each batch is a transaction; rows with the newest key are skipped.
The index and the trail keys never change: the blind index of every ID and the chain of the audit
trail would have to be made anew, and each is only as old as the installation.
"""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import models, transaction

from ismp.accounts.models import Account
from ismp.applications.models import AccountApplication
from ismp.audit import trail
from ismp.operations import verbs
from ismp.operations.backup.encrypted_models import ENCRYPTED_MODELS
from ismp.storage.encrypted_files import EncryptedChunk
from ismp.ui.commands import DatabaseCommand
from ismp.ui.models import SentForm

_ACCOUNTS, _PIECES = 500, 4
_WITH_IDS = (Account, AccountApplication)


class Command(DatabaseCommand):
    help = "更換加密金鑰：以最新的金鑰重新加密身分證字號與保存的檔案；網站可照常使用。"

    def add_arguments(self, parser: ArgumentParser) -> None:
        step = parser.add_mutually_exclusive_group()
        step.add_argument(
            "--new-key",
            action="store_true",
            help="第一步：只產生新金鑰（多台主機請把 keys.json 複製到每一台）",
        )
        step.add_argument(
            "--forget-old",
            action="store_true",
            help="最後一步：重新加密後，確認舊金鑰沒有資料使用，再刪除舊金鑰",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["new_key"]:
            self.stdout.write(f"已產生第 {settings.KEYS.add_key()} 版金鑰，請備份 keys.json。")
            return
        accounts, pieces = self._seal_anew()
        self.stdout.write(f"已重新加密 {accounts:,} 個帳號、{pieces:,} 個檔案片段。")
        if options["forget_old"]:
            self._forget_old()

    def _seal_anew(self) -> tuple[int, int]:
        accounts = pieces = 0
        for holder in _WITH_IDS:
            while count := _accounts(holder, settings.KEYS.version):
                accounts += count
        for model in ENCRYPTED_MODELS:
            while count := _pieces(model, settings.KEYS.version):
                pieces += count
        _older(SentForm, settings.KEYS.version).delete()  # answers of a day: not worth encrypting
        with transaction.atomic():
            trail.record(
                verbs.ROTATE_KEYS,
                actor=trail.SYSTEM,
                version=settings.KEYS.version,
                accounts=accounts,
                pieces=pieces,
            )
        return accounts, pieces

    def _forget_old(self) -> None:
        version = settings.KEYS.version
        encrypted: list[type[models.Model]] = [*_WITH_IDS, *ENCRYPTED_MODELS, SentForm]
        if any(_older(model, version).exists() for model in encrypted):
            raise CommandError(
                "仍有資料使用舊金鑰，沒有刪除；請重新啟動網站與背景工作後再執行一次。"
            )
        settings.KEYS.forget_old_keys()
        self.stdout.write("已刪除舊金鑰。以前的備份需要當時的 keys.json 才能讀取。")


def _older(model: type[models.Model], version: int) -> models.QuerySet[Any]:
    return model._default_manager.filter(key_version__lt=version)


@transaction.atomic
def _accounts(model: Any, version: int) -> int:
    """Accounts, and those who have applied for one."""
    batch = list(_older(model, version).select_for_update().order_by("pk")[:_ACCOUNTS])
    for account in batch:
        account.national_id = account.national_id
    model.objects.bulk_update(batch, ["encrypted_id", "id_hash", "key_version"])
    return len(batch)


@transaction.atomic
def _pieces(model: type[EncryptedChunk], version: int) -> int:
    batch = list(_older(model, version).select_for_update().order_by("pk")[:_PIECES])
    for piece in batch:
        piece.reencrypt()
    return len(batch)
