"""Template context of every page's head: the signed-in person, their rights, open sessions."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from ismp.accounts.models import Account
from ismp.accounts.roles import Right


def signed_in(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    if not isinstance(user, Account) and not getattr(user, "is_authenticated", False):
        return {"may": {}}
    return {
        "may": {right.value: user.may(right) for right in Right},  # type: ignore[union-attr]
        "online": SimpleLazyObject(lambda: _online(user)),  # only 管理環境's head line asks
    }


def _online(user: Any) -> dict[str, int]:
    by_agency = Account.objects.online()
    return {"platform": sum(by_agency.values()), "agency": by_agency.get(user.agency.code, 0)}
