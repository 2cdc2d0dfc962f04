"""How many things wait for the person, for the menus: one query for each kind."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from ismp.accounts.models import Account
from ismp.reviews.queue import decides, principals_of, waiting_for


def waiting(request: HttpRequest) -> dict[str, Any]:
    """`reviews_waiting` in the menu of 管理環境, `stands_in` in the person's own menu."""
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    return {
        "reviews_waiting": SimpleLazyObject(lambda: _count(user)),
        "stands_in": SimpleLazyObject(lambda: bool(principals_of(user))),
    }


def _count(user: Account) -> int:
    return len(waiting_for(user)) if decides(user) else 0
