"""`ismp verify_trail`: is the audit trail whole and untouched?  Exit code 1 when it is not."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from ismp.audit import trail
from ismp.operations.monitoring import anchors
from ismp.ui.commands import DatabaseCommand


class Command(DatabaseCommand):
    help = "驗證稽核軌跡是否完整、未遭竄改。"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--anchor",
            type=Path,
            metavar="FILE",
            help="另外保管的錨點（備份旁的 .anchor 檔、syslog 記錄檔）；可發現尾端被截掉",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        faults = list(trail.faults())
        kept = _anchors(options["anchor"]) if options["anchor"] else []
        faults += trail.anchor_faults(kept)
        if faults:
            raise CommandError("\n".join(faults))
        number, chain = trail.anchor()
        self.stdout.write(f"稽核軌跡完整，共 {number} 筆；最後一筆簽章 {chain[:16] or '（無）'}。")
        if kept:
            self.stdout.write(f"與 {len(set(kept))} 個錨點相符。")
        if number:
            self.stdout.write(anchors.text(number, chain))


def _anchors(path: Path) -> list[tuple[int, str]]:
    try:
        found = anchors.read(path)
    except OSError as error:
        raise CommandError(f"錨點檔 {path} 讀不到（{error.strerror}）；請核對路徑。") from None
    if not found:
        raise CommandError(f"{path} 裡沒有錨點；請用備份旁的 .anchor 檔或 syslog 記錄檔。")
    return found
