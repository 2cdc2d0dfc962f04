"""Hooks for the packages above: consequences of a changed posting, and notices to people.

The packages above register what they do in their `AppConfig.ready()`; accounts knows none of them:

    following.on_change(free_the_places)      # free_the_places(account, before)
    following.tell_by(notify)                 # ismp.notifications does
    following.write_by(write)                 # it too

All of it happens in the transaction of the action that gave cause.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ismp.accounts.models import Account


@dataclass(frozen=True)
class Served:
    """Where and as what a person served until now."""

    agency_id: int
    department_id: int | None
    identities: str
    status: str

    @classmethod
    def now(cls, account: "Account") -> "Served":
        values = {name: getattr(account, name) for name in cls.__annotations__}
        return cls(**values)


Follower = Callable[["Account", Served], Any]
"""(the account as it is now, how it served before); raises what undoes the action."""
_followers: list[Follower] = []
_tellers: list[Callable[..., Any]] = []
_writers: list[Callable[..., Any]] = []


def on_change(follower: Follower) -> None:
    """Have `follower` called for each account whose agency, department, identities or status of
    today become others: by an action, a roster, or a day that has come."""
    if follower not in _followers:
        _followers.append(follower)


def follow(account: "Account", before: Served) -> None:
    """Call the followers; nothing follows when the account serves as before."""
    if Served.now(account) != before:
        for one in _followers:
            one(account, before)


def follow_all(accounts: Iterable["Account"], before: dict[int, Served]) -> None:
    """`follow` for many accounts; `before` by their numbers."""
    for account in accounts:
        follow(account, before[account.pk])


def tell_by(notify: Callable[..., Any]) -> None:
    """Have people told by `notify(accounts, kind=…, subject=…, body=…, link=…)`."""
    if notify not in _tellers:
        _tellers.append(notify)


def tell(
    accounts: Iterable["Account"], *, kind: str, subject: str, body: str = "", link: str = ""
) -> None:
    """Tell each of these people.  Name nobody in `subject`: it may travel by e-mail."""
    chosen = list(accounts)
    for notify in _tellers if chosen else ():
        notify(chosen, kind=kind, subject=subject, body=body, link=link)


def write_by(send: Callable[..., Any]) -> None:
    """Have letters sent by `send(addresses, subject=…, body=…)`."""
    if send not in _writers:
        _writers.append(send)


def write(addresses: Iterable[str], *, subject: str, body: str) -> None:
    """Have a letter sent to each address soon, not with the digest of the day: what an owner must
    learn although his account may be in other hands.  Name nobody but the account."""
    chosen = list(addresses)
    for send in _writers if chosen else ():
        send(chosen, subject=subject, body=body)
