"""`ismp appoint ACCOUNT ROLE`: give the first administrators their role."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from ismp.accounts.actions import postings
from ismp.accounts.models import Account
from ismp.accounts.roles import ROLE_NAMES, Role
from ismp.audit import trail
from ismp.ui.commands import DatabaseCommand


class Command(DatabaseCommand):
    help = "指派帳號的角色；之後用 ismp changepassword 設定密碼即可登入。"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("account", help="公務帳號")
        parser.add_argument("role", choices=[role.value for role in Role], help="角色")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            account = Account.objects.get_by_natural_key(options["account"])
        except Account.DoesNotExist as error:
            raise CommandError(f"找不到公務帳號 {options['account']}。") from error
        role = Role(options["role"])
        postings.appoint(account, role, by=trail.SYSTEM)
        self.stdout.write(f"{account.username} 現在的角色是{ROLE_NAMES[role]}。")
