"""Signing in by 公務帳號 and password."""

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from ismp.accounts.models import Account


class AccountBackend(BaseBackend):
    """Accepts active accounts only; takes as long for an unknown account as for a known one."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Account | None:
        if username is None or password is None:
            return None
        try:
            account = Account.objects.get_by_natural_key(username)
        except Account.DoesNotExist:
            Account().set_password(password)
            return None
        return account if account.check_password(password) and account.is_active else None

    def get_user(self, user_id: int) -> Account | None:
        account = Account.objects.select_related("agency").filter(pk=user_id).first()
        return account if account and account.is_active else None
