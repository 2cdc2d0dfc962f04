"""A person's postings one after another, and the obstacles to a new one.

Questions only; the actions are in `actions.postings` and `actions.cancelling`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from ismp.accounts import effective_dated
from ismp.accounts.models import Account, Posting, Status
from ismp.accounts.roles import Right
from ismp.errors import ActionRefused
from ismp.ui.text import roc_dates

SERVED = ("agency_id", "department_id", "identities", "status")
"""What an account copies from the entry of its service that holds today."""


def as_now(account: Account, since: date, by: str) -> Posting:
    """An entry, not stored yet, by which an account serves from a day on as it does now."""
    served = {name: getattr(account, name) for name in SERVED}
    return Posting(account=account, since=since, recorded_by=by, **served)


@dataclass(frozen=True)
class Step:
    """An entry that stands, with what it changed, in words."""

    entry: Posting
    words: str

    def __str__(self) -> str:
        return f"{day_of(self.entry.since)}「{self.words}」"


def day_of(since: date) -> str:
    """115-01-31; 最早 for what an agency's first roster told."""
    return "最早" if since == Posting.UNKNOWN else roc_dates.roc_date(since)


def build(account: Account) -> list[Step]:
    """The entries of an account that stand, in order."""
    return list(_steps(entries_of(account)))


def entries_of(account: Account) -> list[Posting]:
    entries = account.postings.standing().select_related("agency", "department")
    return list(entries.order_by("since", "pk"))


def _steps(entries: Iterable[Posting]) -> Iterator[Step]:
    before = None
    for entry in entries:
        yield Step(entry, words(entry, before))
        before = entry


def words(entry: Posting, before: Posting | None) -> str:
    """Describe an entry by its differences from the one before: 調至乙局、身分改為資訊人員."""
    if before is None:
        parts = [f"任職於{entry.agency}"]
        parts += [str(entry.department)] if entry.department else []
        parts += [entry.get_identities_display()]
        parts += ["離職"] if entry.status == Status.LEFT else []
        return "・".join(parts)
    found = []
    if entry.status != before.status:
        found.append("離職" if entry.status == Status.LEFT else "復職")
    if entry.agency_id != before.agency_id:
        found.append(f"調至{entry.agency}")
    if entry.department_id != before.department_id:
        found.append(f"部門改為{entry.department or '未分部門'}")
    if entry.identities != before.identities:
        found.append(f"身分改為{entry.get_identities_display()}")
    return "、".join(found) or "沒有變動"


def later_than(account: Account, since: date) -> list[Step]:
    """The entries that stand after a day: an entry of that day would not reach beyond them."""
    return [step for step in build(account) if step.entry.since > since]


def without(entry: Posting) -> list[Step]:
    """Return the entry that would hold if this one were cancelled."""
    stays = [one for one in entries_of(entry.account) if one.pk != entry.pk]
    return list(
        _steps(sorted([*stays, *effective_dated.back_with(entry)], key=lambda one: one.since))
    )


def later_of_each(accounts: Iterable[Account], since: date) -> dict[Account, list[Step]]:
    """`later_than` of those accounts that have such entries."""
    chosen = list(accounts)
    later = Posting.objects.standing().filter(account__in=chosen, since__gt=since)
    holders = set(later.values_list("account", flat=True))
    return {one: later_than(one, since) for one in chosen if one.pk in holders}


def changes_nothing(account: Account, since: date, **what: object) -> bool:
    """Whether an account serves so already on that day, and nothing comes after it."""
    held = held_on(account, since)
    given = {name: value for name, value in what.items() if value is not None}
    same = held is not None and all(getattr(held, name) == one for name, one in given.items())
    return same and not later_than(account, since)


def refusal(account: Account, since: date, later: Iterable[Step]) -> str:
    """Why an entry for that day cannot simply be made, and what to do."""
    steps = list(later)
    last = roc_dates.roc_date(steps[-1].entry.since)
    return (
        f"{account.name}（{account.username}）之後已有登記：{'；'.join(map(str, steps))}。"
        f"生效日 {roc_dates.roc_date(since)} 比它早，存檔也不會有完整的效果；"
        f"請改填 {last} 以後的日期，或選擇「取代之後的異動」。"
    )


def out_of_reach(account: Account, since: date, *, replace: bool, agencies: set[int]) -> str:
    """Why those who answer for these agencies may not write this day of a person: it belongs to
    another agency, be it that of the posting then or that of an entry to be replaced.  Empty when
    they may."""
    steps = build(account)
    held = [step for step in steps if step.entry.since <= since][-1:]
    touched = held + [step for step in steps if replace and step.entry.since > since]
    foreign = next((one for one in touched if one.entry.agency_id not in agencies), None)
    if foreign is None:
        return ""
    which = f"{day_of(foreign.entry.since)} 起任職於{foreign.entry.agency}"
    return (
        f"{account.name}（{account.username}）{which}，那段期間的任職不是由您的機關登記；"
        f"請改填生效日，或洽平台管理者。"
    )


def keep_within_reach(account: Account, since: date, *, replace: bool, by: Account) -> None:
    """Raises ActionRefused when `by` would write the service of another agency's days."""
    if by.may(Right.TRANSFER_PEOPLE):
        return
    if reason := out_of_reach(account, since, replace=replace, agencies={by.agency_id}):
        raise ActionRefused(reason)


def has_double(entry: Posting) -> bool:
    """Whether another account with the same ID is in office in the agency on the entry's day."""
    number = entry.account.id_hash
    if number is None or entry.status != Status.ACTIVE:
        return False
    others = Account.objects.filter(id_hash=number).exclude(pk=entry.account_id)
    held = Posting.objects.filter(account__in=others).on(entry.since)
    return held.filter(agency=entry.agency_id, status=Status.ACTIVE).exists()


def held_on(account: Account, day: date, known_at: datetime | None = None) -> Posting | None:
    """Where and as what an account serves on a day."""
    entries = account.postings.on(day, known_at).select_related("agency", "department")
    found: Posting | None = entries.first()
    return found
