"""Who guesses is slowed down: by account and address, by account, and by address over accounts.

A stranger locks out their own address, not the owner: failures while locked do not count, and
the owner signs in from another one.  Failures are rows of django-axes, whose backend asks `Handler`
before a password is looked at.  Source: 附表十 control 40 (五次, 十五分鐘); ADR 21.
"""

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Self

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db import transaction
from django.db.models import F, Max, Sum
from django.http import HttpRequest
from django.utils import timezone

from ismp.accounts import verbs
from ismp.accounts.models import Account
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.audit.origin import client_address
from ismp.audit.verbs import Verb

_SPRAYED = timedelta(minutes=5)
"""Within so long the accounts are counted that fail from one address."""
_KNOWN = 5
"""So many times more of them keep out those who have signed in from that address before."""
_CODES = "reset:"
"""Before the names of whose one-time codes are guessed."""
_FORGOTTEN = timedelta(hours=1)
UNKNOWN = "（沒有這個帳號）"
"""Who fails to sign in when no account has the name: what was typed may be anything."""
_UNKNOWN_AGAIN = timedelta(minutes=1)


class Handler(AxesDatabaseHandler):  # type: ignore[misc]  # axes has no types
    """Handler that django-axes asks about passwords (settings.AXES_HANDLER)."""

    def is_locked(self, request: Any, credentials: dict[str, Any] | None = None) -> bool:
        request.sign_in_wait = wait_for_password(Guess.from_request(_typed(credentials), request))
        return bool(request.sign_in_wait)

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: Any = None, **kwargs: Any
    ) -> None:
        if request is None or request.axes_locked_out:
            return  # refused before the password was looked at: that counts for nothing
        guess, user = (
            Guess.from_request(_typed(credentials), request),
            getattr(request, "user", None),
        )
        with transaction.atomic():
            _count(guess.key, guess.place)
            request.sign_in_wait = wait_for_password(guess)
            request.axes_locked_out = locked = bool(request.sign_in_wait)
            within = user is not None and user.is_authenticated
            _note(verbs.FAIL_OLD_PASSWORD if within else verbs.SIGN_IN_FAILED, guess, locked=locked)

    def user_logged_in(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        guess = Guess.from_request(user.get_username(), request)
        AccessAttempt.objects.filter(username=guess.key, ip_address=guess.place).delete()

    def user_logged_out(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        pass


@dataclass(frozen=True)
class Guess:
    """An attempt: the account whose secret is tried, and the address it comes from."""

    name: str
    """As it was typed, in one width and case."""
    account: Account | None
    key: str
    """What failures are counted under: the account's name; for any other a keyed hash, because
    people type passwords and numbers of their own where the name belongs."""
    place: str
    """The address; of IPv6 the network that one subscriber has (RFC 6177)."""
    address: str

    @classmethod
    def from_request(cls, typed: str, request: HttpRequest) -> Self:
        name = unicodedata.normalize("NFKC", typed).strip().lower()[:50]
        try:
            account = Account.objects.get_by_natural_key(name)
        except Account.DoesNotExist:
            account = None
        hashed = "?" + settings.KEYS.blind_index(f"name:{name}").hex()[:32]
        address = client_address(request)
        return cls(name, account, name if account else hashed, _place(address), address)

    def is_from_home(self) -> bool:
        """Whether the account has signed in from this very address before."""
        if self.account is None or not self.address:
            return False
        signed_in = Event.objects.filter(actor=self.account.username, verb=verbs.SIGN_IN.name)
        return signed_in.filter(address=self.address).exists()


def _typed(credentials: dict[str, Any] | None) -> str:
    return (credentials or {}).get("username") or ""


def _place(text: str) -> str:
    address = ip_address(text or "0.0.0.0")  # noqa: S104 (none is known)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False).network_address)
    return str(address)


# --- How long to wait ----------------------------------------------------------------------------


def wait_for_password(guess: Guess) -> timedelta | None:
    """Return how long no password of this name is looked at from here; None when it is now."""
    now, cool_off = timezone.now(), settings.AXES_COOLOFF_TIME
    lately = AccessAttempt.objects.filter(username=guess.key, attempt_time__gt=now - cool_off)
    here = _failures(lately.filter(ip_address=guess.place))
    if here[0] >= settings.AXES_FAILURE_LIMIT:
        return here[1] + cool_off - now
    everywhere, sprayed = _failures(lately), _end_of_spraying(guess.place, now)
    is_crowded = everywhere[0] >= settings.SIGN_IN_FAILURES_OF_ACCOUNT
    if not is_crowded and not sprayed:
        return None
    if not guess.is_from_home():
        return max(everywhere[1] + cool_off if is_crowded else now, sprayed or now) - now
    sprayed = _end_of_spraying(guess.place, now, _KNOWN)
    return sprayed - now if sprayed else None


def wait_for_code(guess: Guess) -> timedelta | None:
    """Return how long no one-time code of this name is looked at from here; None when it is now.

    The first four wrong ones cost nothing; then a minute, and twice as long after each further
    one, up to 15.  The code itself stays good: 58 bits are not guessed at this pace.
    """
    now = timezone.now()
    rows = AccessAttempt.objects.filter(username=_CODES + guess.key, ip_address=guess.place)
    failures, last = _failures(rows.filter(attempt_time__gt=now - _FORGOTTEN))
    end = _end_of_spraying(guess.place, now) or now
    if failures >= settings.AXES_FAILURE_LIMIT:
        pause = timedelta(minutes=2 ** min(failures - settings.AXES_FAILURE_LIMIT, 10))
        end = max(end, last + min(pause, settings.AXES_COOLOFF_TIME))
    return end - now if end > now else None


def _failures(rows: Any) -> tuple[int, datetime]:
    """How many, and when the last one was."""
    found = rows.aggregate(number=Sum("failures_since_start"), last=Max("attempt_time"))
    return found["number"] or 0, found["last"]


def _end_of_spraying(place: str, now: datetime, times: int = 1) -> datetime | None:
    """When fewer accounts will stand failed from an address than it takes to keep it out.

    A sign-in removes that person's failures: in an office where many mistype, few remain.
    """
    rows = AccessAttempt.objects.filter(ip_address=place, attempt_time__gt=now - _SPRAYED)
    most = settings.SIGN_IN_ACCOUNTS_OF_ADDRESS * times
    newest = rows.order_by("-attempt_time").values_list("attempt_time", flat=True)
    beyond = newest[most - 1 : most].first()
    return beyond + _SPRAYED if beyond else None


# --- Counting ------------------------------------------------------------------------------------


def fail_code(guess: Guess) -> None:
    """Count a wrong one-time code, and leave an event."""
    _count(_CODES + guess.key, guess.place)
    _note(verbs.RESET_FAILED, guess)


def forget_codes(guess: Guess) -> None:
    """Take off the wrong codes before a right one."""
    AccessAttempt.objects.filter(username=_CODES + guess.key, ip_address=guess.place).delete()


def refuse_name(masked: str) -> None:
    """Leave an event that a national ID was typed for a name; it is nobody's failure."""
    with transaction.atomic():
        _note_stranger(verbs.SIGN_IN_FAILED, " ".join(masked.split())[:50])


def _count(key: str, place: str) -> None:
    """Count a failure; nothing else of the request is kept."""
    now = timezone.now()
    AccessAttempt.objects.filter(attempt_time__lt=now - _FORGOTTEN).delete()
    row, is_new = AccessAttempt.objects.select_for_update().get_or_create(
        username=key,
        ip_address=place,
        user_agent="",
        defaults={"failures_since_start": 1, "attempt_time": now},
    )
    if not is_new:
        # Who mistypes once in a while is not locked by the fifth time.
        goes_on = key.startswith(_CODES) or row.attempt_time > now - settings.AXES_COOLOFF_TIME
        number = F("failures_since_start") + 1 if goes_on else 1
        AccessAttempt.objects.filter(pk=row.pk).update(
            failures_since_start=number, attempt_time=now
        )


def _note(verb: Verb, guess: Guess, **detail: Any) -> None:
    """Leave an event in the name that was typed, if an account has it; else one a minute."""
    if guess.account:
        trail.record(verb, guess.account, actor=guess.name, agency="", **detail)
    else:
        _note_stranger(verb, UNKNOWN)


def _note_stranger(verb: Verb, actor: str) -> None:
    if trail.is_new(verb, within=_UNKNOWN_AGAIN, actor=actor):
        trail.record(verb, actor=actor)
