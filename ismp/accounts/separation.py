"""Separation of duties: who may not decide what concerns whom.  One rule, asked by every action
that approves, marks, scores, finishes, reviews, closes or answers.

Nobody decides what concerns themselves (under whatever account), the person they stand in
for, or whoever had control of the deciding account within the last 30 days: who made it, gave
it its role, changed its e-mail or reset its password (`AccountControl`); nor whoever controlled
that account, and so on.  Who acts in an agency's place says so (`on_behalf_of`).

Asks only; knows no kind of thing.  Sources: 附表十 (職務區隔, 最小權限), ADR 24.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from ismp.accounts.models import Account, AccountControl, Agency
from ismp.accounts.roles import Right
from ismp.errors import ActionRefused

CONTROL_DAYS = 30
"""For how long an account does not decide for whoever controlled it."""
_CANDIDATES = 5
"""How many others are looked at, to name who can decide instead."""

Kind = AccountControl.Kind


def note_control(
    account: Account, kind: Kind, by: Account | str, former_hash: bytes | None = None
) -> None:
    """Note that `by` (an account or its username) had control of somebody else's account.

    The system and the commands of the operator are nobody's account: nothing is noted.
    """
    if isinstance(by, str):
        found = Account.objects.filter(username=by).first()
        if found is None:
            return
        by = found
    if by.pk != account.pk:
        AccountControl.objects.create(account=account, by=by, kind=kind, former_hash=former_hash)


def recent_controls(accounts: Collection[int]) -> QuerySet[AccountControl]:
    """Return what gave others control of these accounts within `CONTROL_DAYS`, the oldest first."""
    lately = AccountControl.objects.filter(account__in=accounts, at__gte=_since())
    return lately.exclude(kind=Kind.NUMBER)


def conflicts(by: Account, in_place_of: Account | None = None) -> frozenset[int]:
    """Return the ids of all accounts whose affairs `by` may not decide, their own among them.

    Takes the same few queries however many things are to be decided.
    """
    known = _same_people({one.pk for one in (by, in_place_of) if one})
    while True:
        controllers = set(recent_controls(known).values_list("by", flat=True)) - known
        if not controllers:
            return frozenset(known)
        known |= _same_people(controllers)


def may_decide(by: Account, account_id: int) -> bool:
    """Whether `by` may decide what concerns an account, for pages that offer it or not."""
    return account_id not in conflicts(by)


def refuse_own(
    by: Account,
    concerned: Iterable[Account],
    *,
    in_place_of: Account | None = None,
    right: Right = Right.EDIT_PEOPLE,
    agency: Agency | None = None,
) -> None:
    """Raise ActionRefused when `by` may not decide what concerns any of these accounts.

    `right` is what a decider needs and `agency` whose thing it is: the sentence names who can.
    """
    chosen = {one.pk: one for one in concerned}
    barred = conflicts(by, in_place_of) & chosen.keys()
    if not barred:
        return
    own = _same_people({by.pk})
    instead = _who_can(chosen, right, agency)
    if barred & own:
        raise ActionRefused(f"這件事與您自己有關，不能由您決定；{instead}")
    name = chosen[min(barred)].name
    if in_place_of and barred & _same_people({in_place_of.pk}):
        raise ActionRefused(f"這件事與您代理的{name}有關，不能由您代為決定；{instead}")
    raise ActionRefused(
        f"{name}在 {CONTROL_DAYS} 天內建立過您的帳號，或變更過您的密碼、電子郵件、角色"
        f"（或經手這些事的人），他的事不能由您決定；{instead}"
    )


def on_behalf_of(by: Account, agency: Agency, reason: str) -> dict[str, str]:
    """Return what the event says of who does what is an agency's own to do; empty for its people.

    Who belongs to another agency (the platform's) says that it is in its place, and why.  Raises
    ActionRefused.  Platform's own tasks (審核, 發布, rules) do not ask this.
    """
    if agency.pk in by.agency_ids():
        return {}
    if not by.may(Right.ALL_AGENCIES) or not reason.strip():
        raise ActionRefused(
            f"這件事由{agency}自己辦理；確實要代為辦理時，請勾選「代{agency}辦理」並填寫代辦原因。"
        )
    return {"on_behalf_of": agency.name, "because": reason.strip()}


def accounts_of(person: Account) -> frozenset[int]:
    """Return the ids of the accounts that are, or within `CONTROL_DAYS` were, the same person's."""
    return frozenset(_same_people({person.pk}))


def _since() -> datetime:
    return timezone.now() - timedelta(days=CONTROL_DAYS)


def _same_people(accounts: set[int]) -> set[int]:
    """These accounts and all others of the same people.

    A number alone, without a confirmation, is enough to bar: it can only forbid.  One that was
    changed or removed lately still counts, so that nobody gives up a number in order to decide.
    """
    if not accounts:
        return set()
    found = set(accounts)
    chosen = Account.objects.filter(pk__in=accounts)
    changed = AccountControl.objects.filter(kind=Kind.NUMBER, at__gte=_since())
    former = changed.filter(account__in=accounts).exclude(former_hash=None)
    for one in chosen:
        found |= set(Account.objects.of_person(one).values_list("pk", flat=True))
        found |= set(Account.objects.with_number_of(one).values_list("pk", flat=True))
    numbers = [bytes(one) for one in former.values_list("former_hash", flat=True) if one]
    found |= set(Account.objects.filter(id_hash__in=numbers).values_list("pk", flat=True))
    numbers += [bytes(one.id_hash) for one in chosen if one.id_hash]
    found |= set(changed.filter(former_hash__in=numbers).values_list("account", flat=True))
    return found


def _who_can(concerned: Collection[int], right: Right, agency: Agency | None) -> str:
    """請由 … 辦理。"""
    may = Account.objects.who_may(right)
    platform = may.filter(pk__in=Account.objects.who_may(Right.ALL_AGENCIES).values("pk"))
    here = _named(may.filter(agency=agency).exclude(pk__in=platform), concerned) if agency else []
    above = _named(platform, concerned)
    places = [f"{agency}的{'、'.join(here)}"] if here else []
    places += [f"平台管理者{'、'.join(above)}"] if above else []
    if not places:
        return "目前沒有別人可以辦理，請先指派另一位管理者。"
    return f"請由{'，或'.join(places)}辦理。"


def _named(candidates: QuerySet[Account], concerned: Collection[int]) -> list[str]:
    found = candidates.exclude(pk__in=concerned).order_by("username")[:_CANDIDATES]
    able = [one for one in found if not conflicts(one) & set(concerned)]
    return [f"{one.name}（{one.username}）" for one in able[:2]]
