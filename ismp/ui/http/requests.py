"""The request of somebody who has signed in: what views take.

`ismp.accounts.sign_in.middleware` lets nobody else come to them.  Views that also serve who has not
signed in take Django's own `HttpRequest`.
"""

from typing import TYPE_CHECKING

import django.http

if TYPE_CHECKING:
    # To the type checker it is AUTH_USER_MODEL: `accounts.Account`, which `ui` cannot import.
    from django.contrib.auth.models import _User


class HttpRequest(django.http.HttpRequest):
    """Never made: it says to the type checker that `user` is an Account."""

    user: "_User"
