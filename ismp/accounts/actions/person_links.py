"""同一人: two accounts with one national ID are one person only when that was confirmed (ADR 23).

Whoever sets a number proves nothing by it.  So `numbers_set` asks the other agency, which confirms
or refuses; the platform may revoke.  The links are the truth; `Account.person` is what follows
from those that stand, kept so that the accounts of a person are one indexed query.

Nothing here is shown to who set the number: not that it is known elsewhere, not that it was
refused.  Who may decide says `PersonLink.objects.to_decide_by`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from ismp.accounts import consequences, national_id, separation, verbs
from ismp.accounts.models import Account, AccountControl, Agency, PersonLink
from ismp.accounts.persons import linked_pairs, lowest_of_groups, several
from ismp.accounts.roles import Right
from ismp.audit import trail
from ismp.errors import ActionRefused

State = PersonLink.State
_BATCH = 500
_LONGEST = 500
_WITH = ("account__agency", "other__agency")
_REPORT = "有疑問時，請按「報修」告訴平台管理者。"


def _regroup(accounts: Iterable[int]) -> None:
    """Make `Account.person` what the standing links say, for all whom these accounts lead to."""
    touched = set(accounts)
    touched |= set(several(accounts=touched))
    person_of = lowest_of_groups(linked_pairs(PersonLink.objects.standing(), touched))
    wanted: dict[int | None, list[int]] = defaultdict(list)
    for account in touched | set(person_of):
        wanted[person_of.get(account)].append(account)
    for person, members in wanted.items():
        Account.objects.filter(pk__in=members).update(person=person)


# --- A number is set -----------------------------------------------------------------------------


@transaction.atomic
def numbers_set(accounts: Iterable[Account], *, by: Account | None) -> None:
    """Follow that accounts got a national ID, or another one, or none any more.

    What was confirmed or refused of the former number is over; where the new one is known, its
    account's agency is asked.  Costs the same queries whether or not it is known, but for the
    question itself.
    """
    keys = sorted({account.pk for account in accounts})
    batches = [frozenset(keys[n : n + _BATCH]) for n in range(0, len(keys), _BATCH)]
    for batch in batches:
        _end(batch, by)
    for batch in batches:
        _ask(batch, frozenset(keys), by)


def ask_missing() -> int:
    """Ask about accounts that got one number in the same moment and so did not see each other.

    Called every hour by the worker.  Returns how many were asked about.
    """
    shared = _shared(Account.objects.exclude(id_hash=None))
    alike = Account.objects.filter(id_hash__in=shared).order_by("pk")
    keys = list(alike.values_list("pk", flat=True))
    count = 0
    for start in range(0, len(keys), _BATCH):
        with transaction.atomic():
            count += _ask(frozenset(keys[start : start + _BATCH]), frozenset(keys), None)
    return count


def _shared(some: QuerySet[Account]) -> QuerySet[Any, Any]:
    """Return the keyed hashes of the numbers that several of these accounts have."""
    numbers = some.order_by().values("id_hash").annotate(n=Count("pk"))
    return numbers.filter(n__gt=1).values_list("id_hash", flat=True)


def _ask(some: Collection[int], new: frozenset[int], by: Account | None) -> int:
    """Ask the earlier accounts with the numbers of `some`, of which all of `new` are the latest.

    Another agency is not asked about an account whose own number is in doubt: from the question
    it would learn who has the number elsewhere.  Within one agency that does not matter, lest it
    learns from the missing question that a number is in doubt, and so is known elsewhere.
    """
    numbers = Account.objects.filter(pk__in=some).exclude(id_hash=None)
    # As values, not as a query within a query: so the index is used whatever the statistics say.
    alike = Account.objects.filter(id_hash__in=list(numbers.values_list("id_hash", flat=True)))
    holders = Account.objects.filter(id_hash__in=list(_shared(alike))).order_by("pk")
    by_number: dict[bytes, list[Account]] = defaultdict(list)
    for account in holders.select_related("agency"):
        by_number[bytes(account.id_hash or b"")].append(account)
    known = PersonLink.objects.unended().filter(
        account__in=[account.pk for group in by_number.values() for account in group]
    )
    links = list(known.select_related("account", "other"))
    asked = {frozenset((link.account_id, link.other_id)) for link in links}
    doubted = {link.account_id for link in links if not _is_one(link.account, link.other)}
    created = []
    for group in by_number.values():
        for account in (one for one in group if one.pk in some):
            found = [
                PersonLink(account=account, other=other, asked_by=by)
                for other in _earlier(account, group, new)
                if frozenset((account.pk, other.pk)) not in asked
                and (other.agency_id == account.agency_id or not {account.pk, other.pk} & doubted)
            ]
            created += found
            doubted |= {account.pk} if found else set()
    PersonLink.objects.bulk_create(created)
    for link in created:
        consequences.tell(
            [link.other],
            kind="request",
            subject="有另一個帳號登錄了與您相同的身分證字號",
            body="管理者會在「機關審核作業」確認是不是您的帳號；確認之前，兩邊互相看不到資料。",
            link="/my/hours/",
        )
        trail.record(verbs.ASK_PERSON_LINK, link, actor=by.username if by else trail.SYSTEM)
    return len(created)


def _earlier(account: Account, group: list[Account], new: frozenset[int]) -> list[Account]:
    """Return who of a group had the number before, and is not known to be the same person."""
    return [
        other
        for other in group
        if (other.pk < account.pk or other.pk not in new) and not _is_one(account, other)
    ]


def _is_one(account: Account, other: Account) -> bool:
    return account.person_id is not None and account.person_id == other.person_id


def _end(accounts: Collection[int], by: Account | None) -> None:
    """Close what was asked about accounts whose number was changed or taken off."""
    touching = Q(account__in=accounts) | Q(other__in=accounts)
    links = list(PersonLink.objects.unended().filter(touching).select_related(*_WITH))
    if not links:
        return
    were_one = [link for link in links if link.state == State.CONFIRMED]
    for link in links:
        link.state, link.ended_at = State.ENDED, link.ended_at or timezone.now()
    PersonLink.objects.bulk_update(links, ["state", "ended_at"])
    _regroup({account for link in were_one for account in (link.account_id, link.other_id)})
    for link in were_one:
        _tell_both(
            link,
            "您的帳號與另一個帳號不再合併採計",
            "其中一個帳號的身分證字號已經變更，兩個帳號的時數從現在起各自採計。",
        )
        trail.record(verbs.END_PERSON_LINK, link, actor=by.username if by else trail.SYSTEM)


# --- Deciding ------------------------------------------------------------------------------------


@transaction.atomic
def confirm(
    link: PersonLink, *, comment: str = "", by: Account, in_place_of: Account | None = None
) -> PersonLink:
    """Make the two accounts one person: from now on their hours count together.

    Where another agency said no about the same person, only the platform may say yes.
    """
    link = _held(link, State.WAITING)
    _refuse_own(link, by, in_place_of)
    return _confirm(link, comment, by, in_place_of)


def _confirm(
    link: PersonLink, comment: str, by: Account, in_place_of: Account | None = None
) -> PersonLink:
    if not (in_place_of or by).may(Right.ALL_AGENCIES) and _refused_between(link):
        raise ActionRefused("另一個帳號的機關已決定不是同一人，請由平台管理者決定。")
    link.confirmed_at = timezone.now()
    _decide(link, State.CONFIRMED, comment, by, in_place_of)
    _regroup([link.account_id, link.other_id])
    _tell_both(link, "您的另一個帳號已確認與您為同一人", "兩個帳號的時數從現在起合併採計。")
    administrators = Account.objects.who_may(Right.EDIT_PEOPLE).exclude(agency=link.other.agency_id)
    consequences.tell(
        administrators.filter(agency=link.account.agency_id).exclude(
            pk__in=[by.pk, link.account_id]
        ),
        kind="request",
        subject="貴機關一個帳號的身分證字號已由對方機關確認",
        body=f"{link.account.name}（{link.account}）與{link.other.agency}的{link.other.name}"
        f"（{link.other}）是同一人。{_REPORT}",
        link=f"/manage/accounts/{link.account_id}/",
    )
    trail.record(verbs.CONFIRM_PERSON_LINK, link, actor=by.username, **_stead(in_place_of))
    return link


@transaction.atomic
def refuse(
    link: PersonLink, *, comment: str, by: Account, in_place_of: Account | None = None
) -> PersonLink:
    """Leave the two accounts apart; they are not asked about again until a number is set anew."""
    link = _held(link, State.WAITING)
    _refuse_own(link, by, in_place_of)
    if not comment.strip():
        raise ActionRefused("不同意時，請寫明理由。")
    _decide(link, State.REFUSED, comment, by, in_place_of)
    consequences.tell(
        [link.other],
        kind="request",
        subject="登錄了相同身分證字號的另一個帳號不是您的",
        body=f"管理者已決定兩個帳號不是同一人，資料不會合併。{_REPORT}",
    )
    trail.record(verbs.REFUSE_PERSON_LINK, link, actor=by.username, **_stead(in_place_of))
    return link


@transaction.atomic
def revoke(link: PersonLink, *, reason: str, by: Account) -> PersonLink:
    """Take a wrong confirmation back: from now on the two are apart, and stay so."""
    link = _held(link, State.CONFIRMED)
    separation.refuse_own(by, [link.account, link.other], right=Right.ALL_AGENCIES)
    if not reason.strip():
        raise ActionRefused("請寫明撤銷的理由。")
    link.state, link.ended_at = State.REVOKED, timezone.now()
    link.comment = national_id.hide(f"撤銷：{reason.strip()}")[:_LONGEST]
    link.save(update_fields=["state", "ended_at", "comment"])
    _regroup([link.account_id, link.other_id])
    _tell_both(
        link,
        "您的帳號與另一個帳號不再合併採計",
        "平台管理者撤銷了「同一人」的確認，兩個帳號的時數從現在起各自採計。",
    )
    trail.record(verbs.REVOKE_PERSON_LINK, link, actor=by.username)
    return link


@transaction.atomic
def join(account: Account, agency: Agency, *, by: Account) -> None:
    """Confirm what a transfer to an agency says, that both agencies agreed to or the platform
    made: accounts of the number there are the person's.

    Call it before the account moves.  Where a third agency said no, the question stays open.
    """
    same = Account.objects.with_number_of(account).exclude(pk=account.pk)
    if same.filter(pk=by.pk).exists():  # nobody decides about themselves
        return
    for other in same.filter(agency=agency).order_by("pk"):
        pair = Q(account=account, other=other) | Q(account=other, other=account)
        link = PersonLink.objects.unended().filter(pair).first()
        if link and link.state in {State.REFUSED, State.REVOKED}:
            link.state, link.ended_at = State.ENDED, link.ended_at or timezone.now()
            link.save(update_fields=["state", "ended_at"])
            link = None
        if link is None:
            link = PersonLink.objects.create(account=account, other=other, asked_by=by)
        if link.state == State.WAITING and (
            by.may(Right.ALL_AGENCIES) or not _refused_between(link)
        ):
            _confirm(_held(link, State.WAITING), "機關異動", by)


def _held(link: PersonLink, state: State) -> PersonLink:
    """Return the link as it is now, locked; and before it all accounts with its number, so that of
    two decisions about one person the second sees what the first made.  Raises ActionRefused."""
    same = Account.objects.with_number_of(link.account).order_by("pk")
    numbers = {account.pk for account in same.select_for_update(of=("self",), no_key=True)}
    held = PersonLink.objects.select_for_update(of=("self",)).select_related(*_WITH)
    link = held.get(pk=link.pk)
    if link.state != state:
        raise ActionRefused("這件同一人確認已經有人決定過了，請重新整理清單。")
    if not {link.account_id, link.other_id} <= numbers:
        raise ActionRefused("兩個帳號的身分證字號已經不同，不能決定。")
    return link


def _refuse_own(link: PersonLink, by: Account, in_place_of: Account | None) -> None:
    people, asker = [link.account, link.other], link.asked_by
    if asker and (asker.pk in separation.accounts_of(by) or barring_asker(link)):
        people.append(asker)
    people += Account.objects.filter(pk__in=registrars([link])[link.pk])
    separation.refuse_own(by, people, in_place_of=in_place_of, agency=link.other.agency)


def barring_asker(link: PersonLink) -> int | None:
    """Return the account that set the number, if nobody whose account it controls may decide.

    The platform's does not bar so far: it appoints the administrators of all agencies, and where
    it brought in the roster nobody could decide for 30 days.
    """
    asker = link.asked_by
    return None if asker is None or asker.may(Right.ALL_AGENCIES) else asker.pk


def registrars(links: Iterable[PersonLink]) -> dict[int, frozenset[int]]:
    """Return, of each link by its id, who within `CONTROL_DAYS` made the account that was there
    first, or set its number: who registers a number before its owner's agency does would otherwise
    answer his own question.  As with the asker, the platform's do not bar."""
    chosen = list(links)
    numbered = AccountControl.objects.filter(
        account__in={link.other_id for link in chosen},
        kind__in=[AccountControl.Kind.CREATED, AccountControl.Kind.NUMBER],
        at__gte=timezone.now() - timedelta(days=separation.CONTROL_DAYS),
    )
    by_account: dict[int, set[int]] = defaultdict(set)
    for one in numbered.select_related("by"):
        if not one.by.may(Right.ALL_AGENCIES):
            by_account[one.account_id].add(one.by_id)
    return {link.pk: frozenset(by_account[link.other_id]) for link in chosen}


def _refused_between(link: PersonLink) -> bool:
    """Whether somebody said no about accounts that would become one person by this link."""
    sides = [Account.objects.of_person(one).values("pk") for one in (link.account, link.other)]
    between = Q(account__in=sides[0], other__in=sides[1]) | Q(
        account__in=sides[1], other__in=sides[0]
    )
    said_no = PersonLink.objects.filter(state__in=[State.REFUSED, State.REVOKED])
    return said_no.filter(between).exists()


def _decide(
    link: PersonLink, state: State, comment: str, by: Account, in_place_of: Account | None
) -> None:
    link.state, link.decided_at = state, timezone.now()
    link.decided_by, link.in_place_of = by, in_place_of
    link.comment = national_id.hide(comment.strip())[:_LONGEST]
    decided = ("state", "decided_at", "confirmed_at", "decided_by", "in_place_of")
    link.save(update_fields=[*decided, "comment"])


def _tell_both(link: PersonLink, subject: str, follows: str) -> None:
    """Each of the two: which the other account is, and what follows."""
    for one, other in ((link.account, link.other), (link.other, link.account)):
        body = f"{other.agency}的{other.name}（{other}）：{follows}{_REPORT}"
        consequences.tell([one], kind="request", subject=subject, body=body, link="/my/hours/")


def _stead(in_place_of: Account | None) -> dict[str, str]:
    """Return the event's detail about the principal of a delegate."""
    return {"in_place_of": in_place_of.username} if in_place_of else {}
