"""`ismp verify_trail`: is the audit trail whole and untouched?  Exit code 1 when it is not."""

from typing import Any

from django.core.management.base import CommandError

from ismp.audit import trail
from ismp.audit.models import ChainHead
from ismp.ui.commands import DatabaseCommand


class Command(DatabaseCommand):
    help = "驗證稽核軌跡是否完整、未遭竄改。"

    def handle(self, *args: Any, **options: Any) -> None:
        faults = list(trail.faults())
        if faults:
            raise CommandError("\n".join(faults))
        head = ChainHead.objects.filter(pk=1).first()
        count, chain = (head.number, bytes(head.chain).hex()) if head else (0, "")
        # Noted elsewhere, these two also show whether the newest events were cut off later.
        self.stdout.write(f"稽核軌跡完整，共 {count} 筆；最後一筆簽章 {chain[:16] or '（無）'}。")
