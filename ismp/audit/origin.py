"""Where an event comes from: the address of the client, the session, the reference of the request.

Set for each request by `ui.http.middleware.ReferenceMiddleware`; empty for workers and commands.
"""

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest

_request: ContextVar[HttpRequest | None] = ContextVar("origin", default=None)
_PRIVATE = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""Where our own proxy stands unless `ISMP_PROXIES` says otherwise."""


@dataclass(frozen=True)
class Origin:
    address: str = ""
    session: str = ""
    """Twelve digits by which events of one session belong together; not the key of the session."""
    reference: str = ""


@contextmanager
def of_request(request: HttpRequest) -> Iterator[None]:
    """Let what is recorded inside come from this request."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


def here() -> Origin:
    """Return where the present request comes from, as known at this moment."""
    request: Any = _request.get()
    if request is None:
        return Origin()
    session = getattr(getattr(request, "session", None), "session_key", None)
    return Origin(
        client_address(request),
        _name_of(session) if session else "",
        getattr(request, "reference", ""),
    )


def _name_of(session_key: str) -> str:
    """Digits only: with a letter among them, one in some hundred would look like a national ID."""
    keyed = settings.KEYS.blind_index(f"trail:{session_key}")
    return f"{int.from_bytes(keyed[:8]) % 10**12:012}"


def note(number: int) -> None:
    """Note on the present request, if there is one, that it recorded an event."""
    request: Any = _request.get()
    if request is not None:
        request.events = [*getattr(request, "events", ()), number]


def client_address(request: HttpRequest) -> str:
    """Return the network address of the client; empty when nothing tells one.

    It is the peer's, unless the peer is our own proxy: of that we believe `X-Real-IP`, or the last
    entry of `X-Forwarded-For`, which it has written itself (deploy/nginx.conf).  A header that
    comes without a trusted proxy counts for nothing.
    """
    peer = _plain(request.META.get("REMOTE_ADDR", ""))
    trusted = tuple(settings.PROXIES) or (_PRIVATE if settings.BEHIND_TLS else ())
    if not _is_within(peer, trusted):
        return peer
    named = request.headers.get("X-Real-IP") or request.headers.get("X-Forwarded-For", "")
    return _plain(named.rpartition(",")[2].strip()) or peer


def _plain(text: str) -> str:
    """An address in its shortest form, IPv4 within IPv6 as IPv4; empty when it is none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


@lru_cache(maxsize=1_000)
def _is_within(address: str, networks: tuple[str, ...]) -> bool:
    if not address:
        return False
    one = ipaddress.ip_address(address)
    return any(one in ipaddress.ip_network(network, strict=False) for network in networks)
