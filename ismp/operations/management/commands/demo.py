"""`ismp demo`: an invented city on an empty machine, its sample export imported, courses to take,
its site up."""

import secrets
from datetime import timedelta
from typing import Any

from django.core.management import call_command
from django.utils import timezone

from ismp.accounts import demo_data
from ismp.accounts.actions import person_links
from ismp.accounts.actions import postings as accounts
from ismp.accounts.models import Account, Agency, PersonLink
from ismp.accounts.roles import Role
from ismp.audit import trail
from ismp.courses import demo_data as courses
from ismp.hours.portal_export import ExportChoices, export
from ismp.imports import actions as import_actions
from ismp.ui.commands import DatabaseCommand

_SIGN_INS = (
    ("IC1001", Role.PLATFORM_ADMIN, "平台管理者"),
    ("EP1001", Role.AGENCY_ADMIN, "機關管理者（承辦人）"),
    ("EP1002", Role.STAFF, "同仁"),
)


class Command(DatabaseCommand):
    help = "建立虛構的示範城市、匯入範例檔案並啟動網站。"

    def handle(self, *args: Any, **options: Any) -> None:
        if not Agency.objects.exists():
            self._build()
        password = f"demo-{secrets.token_hex(4)}"
        self.stdout.write("示範帳號（每次啟動換一組密碼）：")
        for username, role, words in _SIGN_INS:
            account = Account.objects.get_by_natural_key(username)
            account.set_password(password)
            account.save(update_fields=["password"])
            if account.role != role:
                accounts.appoint(account, role, by=trail.SYSTEM)
            self.stdout.write(f"  {words}：{username}　密碼 {password}")
        call_command("serve")

    def _build(self) -> None:
        people = demo_data.city()
        accounts.import_roster(demo_data.roster_csv(people).encode(), by=trail.SYSTEM)
        platform = Account.objects.get_by_natural_key(_SIGN_INS[0][0])
        for link in PersonLink.objects.waiting():  # people who moved keep their hours
            person_links.confirm(link, comment="示範資料", by=platform)
        today = timezone.localdate()
        end = today - timedelta(days=1 if today.timetuple().tm_yday > 1 else 0)
        for seed, agency in enumerate(Agency.objects.all(), start=1):
            members = [person for person in people if person.agency_code == agency.code]
            choices = ExportChoices(end.replace(month=1, day=1), end, seed=seed)
            data = export(members, 140, choices)
            import_actions.import_file([data], agency=agency, filename=f"{agency.code}.csv")
        courses.offer(by=platform)
