"""Sessions in the database under a keyed hash of their key (settings.SESSION_ENGINE).

Whoever reads the table or a copy of it has no key that a browser could send: the key of the hash
is in `keys.json`.
"""

from copy import deepcopy
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.utils import timezone

_LENGTH = 40
"""Of django_session.session_key; 160 bits as hex digits."""


def stored_key(session_key: str) -> str:
    """Return under what a session is stored whose cookie holds `session_key`."""
    digest: bytes = settings.KEYS.blind_index(f"session:{session_key}")
    return digest.hex()[:_LENGTH]


class SessionStore(DatabaseSessionStore):
    _written: tuple[str | None, dict[str, Any]] | None = None
    """The key and the contents that this request has stored."""

    def save(self, must_create: bool = False) -> None:
        """Store the session, unless it is stored already as it is: the end of a sign-in, whose
        transaction has stored it, need not wait for others who write once more."""
        if must_create or self._written != (self.session_key, dict(self.items())):
            super().save(must_create)
            self._written = self.session_key, deepcopy(dict(self.items()))

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        stored = self.model.objects.filter(expire_date__gt=timezone.now())
        found: AbstractBaseSession | None = stored.filter(
            session_key=stored_key(self.session_key or "")
        ).first()
        if found is None:
            self._session_key = None
        return found

    def exists(self, session_key: str) -> bool:
        return super().exists(stored_key(session_key))

    def create_model_instance(self, data: dict[str, object]) -> AbstractBaseSession:
        made = super().create_model_instance(data)
        made.session_key = stored_key(made.session_key)
        return made

    def delete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            super().delete(stored_key(key))
