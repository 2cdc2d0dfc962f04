"""Writing what lines of a roster change, and what follows from it."""

from datetime import date
from typing import Any

from django.utils import timezone

from ismp.accounts import consequences, effective_dated, timeline, verbs
from ismp.accounts.actions import accounts as account_actions
from ismp.accounts.actions import person_links
from ismp.accounts.identities import Identity
from ismp.accounts.models import Account, AccountControl, Agency, Posting, Status
from ismp.accounts.roster import changes as roster_changes
from ismp.accounts.roster.changes import LineChange, Places
from ismp.audit import trail

_BATCH = 500


# --- Writing -------------------------------------------------------------------------------------


def write(changed: list[LineChange], places: Places, sender: Account | None, by: str) -> None:
    controls = [control for one in changed for control in _controls(one, sender)]
    former = [
        (one.account, one.account.email)
        for one in changed
        if one.account.pk and "email" in one.fields
    ]
    _store(changed, places, sender, by)
    AccountControl.objects.bulk_create(controls, batch_size=_BATCH)
    account_actions.tell_of_email(former, sender)


def _store(changed: list[LineChange], places: Places, sender: Account | None, by: str) -> None:
    """Write the accounts that lines change, their service, and what follows from both."""
    places.add_missing()
    created: list[Account] = []
    updated: list[tuple[Account, consequences.Served]] = []
    values: dict[int, dict[str, Any]] = {}
    served: list[Posting] = []
    for one in changed:
        account = one.account
        is_new = account.pk is None
        if account.pk:
            before = consequences.Served.now(account)
            values[account.pk] = one.apply(places)
            updated.append((account, before))
            anew = consequences.Served.now(account) != before
        else:
            one.apply(places)
            # Nobody can sign in until a password is set; hashing a random one would be slow.
            account.password = "!"  # noqa: S105 (marks an unusable one)
            created.append(account)
            anew = True
        if anew:
            agency = places.agencies[one.entry.agency_code]
            served.append(timeline.as_now(account, _since(agency, is_new=is_new), by))
    roster_changes.write(values)
    # In one order, so that two rosters with the same new people wait for each other.
    created.sort(key=lambda account: account.username.lower())
    Account.objects.bulk_create(created, batch_size=_BATCH)
    _begin(served)
    person_links.numbers_set([one.account for one in changed if one.number_is_new], by=sender)
    for account, before in updated:
        consequences.follow(account, before)


def _since(agency: Agency, *, is_new: bool) -> date:
    """The first roster of an agency tells who has served there, not since when."""
    return Posting.UNKNOWN if is_new and agency.in_first_roster else timezone.localdate()


def _begin(served: list[Posting]) -> None:
    """Store entries of service in bulk; each takes the place of one of the same day."""
    now = timezone.now()
    for start in range(0, len(served), _BATCH):
        some = {one.account.pk: one for one in served[start : start + _BATCH]}
        day = [one.since for one in some.values()]
        former = Posting.objects.standing().filter(account__in=some, since__in=day)
        replaced = [one for one in former if one.since == some[one.account_id].since]
        by = served[start].recorded_by
        effective_dated.cancel_all(replaced, reason="同一天重新匯入名冊", by=by, at=now)
        for one in some.values():
            one.recorded_at = now
        Posting.objects.bulk_create(some.values())
        for one in replaced:
            Posting.objects.filter(pk=one.pk).update(replaced_by=some[one.account_id])


def _controls(change: LineChange, sender: Account | None) -> list[AccountControl]:
    """Controls of an account that a roster line gives its sender (`separation`)."""
    entry, account = change.entry, change.account
    if sender is None or account.pk == sender.pk:
        return []
    kind, facts = AccountControl.Kind, {"account": account, "by": sender}
    if account.pk is None:
        return [AccountControl(kind=kind.CREATED, **facts)]
    found = []
    if "email" in change.fields:
        found.append(AccountControl(kind=kind.EMAIL, **facts))
    if "status" in change.fields and entry.status == Status.ACTIVE:
        found.append(AccountControl(kind=kind.RETURNED, **facts))
    if change.number_is_new:
        found.append(AccountControl(kind=kind.NUMBER, former_hash=account.id_hash, **facts))
    return found


def event_of(change: LineChange) -> trail.Entry:
    """The event of one account: which line of the file changed what of it."""
    entry, account = change.entry, change.account
    facts: dict[str, Any] = {"agency": entry.agency_code, "line": entry.line}
    if change.is_new:
        facts["identities"] = entry.identities or Identity.GENERAL.value
        return trail.about(verbs.CREATE_BY_ROSTER, account, **facts)
    return trail.about(verbs.CHANGE_BY_ROSTER, account, **facts, changes=change.changes)
