"""提醒: notices to those who are behind, once a day at most, each with the missing hours.

What the preview shows is what goes out: both come from the same plan, and the action refuses when
the plan has changed since it was seen.  How a notice travels is known to `ismp.notifications`.
"""

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.urls import reverse
from django.utils import timezone

from ismp.accounts.models import Account, Agency
from ismp.audit import trail
from ismp.compliance import verbs
from ismp.compliance.people import listing
from ismp.compliance.people.listing import Person
from ismp.compliance.standing.table import Line
from ismp.errors import ActionRefused
from ismp.hours.models import in_hours
from ismp.notifications.actions import digest_dates, notify
from ismp.notifications.models import Notice
from ismp.ui.text.roc_dates import roc_date

KIND = "standing_reminder"


@dataclass(frozen=True)
class Letter:
    """The notice to one person; `subject` may travel by e-mail, so it names nobody."""

    subject: str
    body: str


@dataclass(frozen=True)
class Plan:
    """Who is told what, and who is not, of those that were chosen."""

    letters: list[tuple[Person, Letter]]
    reminded_today: list[Person]
    not_behind: list[Person]

    @property
    def without_address(self) -> int:
        return sum(not person.email for person, _ in self.letters)

    @property
    def mailed_on(self) -> Counter[date]:
        """Count of mails per day; whoever had today's digest already gets the next one."""
        dates = digest_dates([person.account for person, _ in self.letters])
        return Counter(dates.values())

    @property
    def digest(self) -> str:
        """The same for the same people and words only."""
        letters = [(person.account, letter.subject, letter.body) for person, letter in self.letters]
        return hashlib.sha256(repr(sorted(letters)).encode()).hexdigest()


def plan(agency: Agency, search: dict[str, Any]) -> Plan:
    """Plan today's reminder of the people found by `search` (see `people.chosen`)."""
    found = listing.chosen(listing.people_table(agency, timezone.localdate()), **search)
    behind = [person for person in found if person.behind]
    reminded = last_reminded([person.account for person in behind], since=_midnight())
    return Plan(
        letters=[(p, letter(p.behind)) for p in behind if p.account not in reminded],
        reminded_today=[person for person in behind if person.account in reminded],
        not_behind=[person for person in found if not person.behind],
    )


def letter(behind: list[Line]) -> Letter:
    """Write the notice for one person, from the duties in which they are behind."""
    lacking = "、".join(f"{line.title} {in_hours(line.missing)} 小時" for line in behind)
    lines = [
        f"{line.title}：{roc_date(line.window_start)} 至 {roc_date(line.window_end)} 應有 "
        f"{in_hours(line.required)} 小時，已有 {in_hours(line.done)} 小時，"
        f"還缺 {in_hours(line.missing)} 小時。"
        for line in behind
    ]
    end = "完成課程後，等機關下一次匯入時數，狀態就會更新；若您認為時數有誤，請洽機關的承辦人。"
    return Letter(f"資通安全訓練時數還缺：{lacking}", "\n".join([*lines, end]))


def last_reminded(accounts: list[int], since: datetime | None = None) -> dict[int, datetime]:
    """When each of these people was last reminded, if ever."""
    notices = Notice.objects.filter(kind=KIND, account__in=accounts).order_by()
    if since:
        notices = notices.filter(created_at__gte=since)
    return dict(notices.values_list("account").annotate(Max("created_at")))


def _midnight() -> datetime:
    return timezone.make_aware(datetime.combine(timezone.localdate(), time()))


@transaction.atomic
def remind(agency: Agency, search: dict[str, Any], *, seen: str, by: Account) -> Plan:
    """Tell these people what they lack; `seen` is the digest of the plan that `by` has looked at.

    Raises ActionRefused when nobody is left to be told, or when the plan is another one by now.
    """
    # Two who press the button at once take turns, so that nobody is told twice.
    Agency.objects.select_for_update(no_key=True).get(pk=agency.pk)
    now = plan(agency, search)
    if not now.letters:
        raise ActionRefused("選取的同仁今天都已經提醒過或已經達標，沒有寄出；明天可以再提醒。")
    if now.digest != seen:
        raise ActionRefused("名單或時數在您預覽之後有變動，還沒有寄出；請看過新的預覽再按一次。")
    accounts = Account.objects.in_bulk([person.account for person, _ in now.letters])
    by_letter: dict[Letter, list[Account]] = defaultdict(list)
    for person, words in now.letters:
        by_letter[words].append(accounts[person.account])
    for words, recipients in by_letter.items():
        notify(
            recipients,
            kind=KIND,
            subject=words.subject,
            body=words.body,
            link=reverse("portal:home"),
        )
    trail.record(verbs.REMIND, actor=by.username, agency=agency.code, people=len(now.letters))
    return now
