"""How many notices wait for the person, for the head of every page."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from ismp.notifications.models import Notice


def waiting(request: HttpRequest) -> dict[str, Any]:
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    unread = Notice.objects.unread().visible_to(user)
    return {"unread_notices": SimpleLazyObject(unread.count)}
