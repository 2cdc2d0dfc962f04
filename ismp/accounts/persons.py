"""Which accounts are one person: those that confirmed links join."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from ismp.accounts.models import Account, PersonLink


def accounts_of(account: Account, known_at: datetime | None = None) -> QuerySet[Account]:
    """Return the accounts of one person, as they are confirmed now or were at a moment."""
    if known_at is None:
        return Account.objects.of_person(account)
    person_of = several(known_at, [account.pk])
    return Account.objects.filter(pk__in=person_of or [account.pk])


def several(
    known_at: datetime | None = None, accounts: Collection[int] | None = None
) -> dict[int, int]:
    """Return, of each account whose person has several, the lowest number of them.

    Of all persons, or of those who have one of `accounts`: then with all accounts of theirs.
    """
    if known_at:
        return lowest_of_groups(linked_pairs(PersonLink.objects.known_at(known_at), accounts))
    found = Account.objects.exclude(person=None).order_by()
    if accounts is not None:
        theirs = Account.objects.filter(pk__in=accounts).exclude(person=None)
        found = found.filter(person__in=theirs.values("person"))
    return {pk: person for pk, person in found.values_list("pk", "person") if person}


def linked_pairs(links: QuerySet[Any], start: Collection[int] | None) -> list[tuple[int, int]]:
    """Return the pairs of accounts that are linked: all, or those that can be reached."""
    pairs = links.order_by().values_list("account", "other")
    if start is None:
        return list(pairs)
    found: set[tuple[int, int]] = set()
    reached, ahead = set(), set(start)
    while ahead:
        reached |= ahead
        found |= set(pairs.filter(Q(account__in=ahead) | Q(other__in=ahead)))
        ahead = {account for pair in found for account in pair} - reached
    return sorted(found)


def lowest_of_groups(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Return, of each account in a pair, the lowest one that pairs lead to."""
    lowest: dict[int, int] = {}
    members: dict[int, set[int]] = {}
    for pair in pairs:
        persons = {lowest.get(account, account) for account in pair}
        person = min(persons)
        together = set().union(*(members.pop(one, {one}) for one in persons))
        members[person] = together
        lowest.update(dict.fromkeys(together, person))
    return lowest
