"""How many things wait for the person, for the menus of every page.

Counting takes a query or more for each kind of thing, so it is kept until an action that can change
it (ADR 18).
"""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from ismp.accounts.models import Account
from ismp.accounts.roles import Right
from ismp.audit.event_cache import EventCache, Happened
from ismp.audit.verbs import AGENCY, ALL
from ismp.reviews.queue import decides, principals_of, waiting_for


@dataclass(frozen=True)
class _Waiting:
    """The count of a menu, and the agency whose actions can change it; empty: any agency's."""

    count: int
    agency: str


def _concerns(event: Happened, value: _Waiting) -> bool:
    if event.verb.reviews is not AGENCY:
        return event.verb.reviews is ALL
    return event.agency == value.agency or not (event.agency and value.agency)


_waiting = EventCache[_Waiting](concerns=_concerns)
_principals = EventCache[_Waiting](concerns=_concerns)


def waiting(request: HttpRequest) -> dict[str, Any]:
    """`reviews_waiting` in the menu of 管理環境, `stands_in` in the person's own menu."""
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    return {
        "reviews_waiting": SimpleLazyObject(lambda: _waiting_for(user) if decides(user) else 0),
        "stands_in": SimpleLazyObject(lambda: bool(_principals_of(user).count)),
    }


def _waiting_for(user: Account) -> int:
    agency = _principals_of(user).agency
    return _waiting.get(_key(user), lambda: _Waiting(len(waiting_for(user)), agency)).count


def _principals_of(user: Account) -> _Waiting:
    def read() -> _Waiting:
        principals = [delegation.principal for delegation in principals_of(user)]
        everywhere = any(one.may(Right.ALL_AGENCIES) for one in (user, *principals))
        return _Waiting(len(principals), "" if everywhere else user.agency.code)

    return _principals.get(_key(user), read)


def _key(user: Account) -> tuple[Any, ...]:
    """Delegations begin and end with a day; the rest belongs to the person."""
    return user.pk, user.role, user.agency_id, timezone.localdate()
