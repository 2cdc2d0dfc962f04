"""Deciding an application: once, by somebody it waits for or by a delegate of theirs.

Each kind has its action; all take `accept`, `comment`, `by` and `in_place_of`, and raise
ActionRefused.  What the approval changes is done by the actions of `ismp.accounts`.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from ismp.accounts import national_id, separation, timeline
from ismp.accounts.actions import accounts as account_actions
from ismp.accounts.actions import person_links
from ismp.accounts.actions import postings as accounts
from ismp.accounts.effective_dated import LaterEntry
from ismp.accounts.models import Account, Department, PersonLink, Status
from ismp.accounts.roles import Right
from ismp.applications import verbs
from ismp.applications.actions import delegating
from ismp.applications.models import AccountApplication, IdentityChange, Request, State, Transfer
from ismp.audit import trail
from ismp.errors import ActionRefused
from ismp.notifications.actions import notify
from ismp.ui.text.roc_dates import roc_date

Asked = TypeVar("Asked", bound=Request)
_LONGEST = 500
_NOT_THERE = (
    "調往的機關目前不能接收這個帳號，請該機關的管理者先檢查他們的帳號；或填寫意見後按「不同意」。"
)


@transaction.atomic
def decide_application(
    application: AccountApplication,
    *,
    accept: bool,
    comment: str,
    by: Account,
    in_place_of: Account | None = None,
) -> Account | None:
    """Make the account, or refuse it with a reason.  The number leaves the application."""
    application = _hold(application, by, in_place_of)
    account = None
    if accept:
        account = account_actions.save_account(account_of(application), by=by)
        notify(
            [account],
            kind="request",
            subject="您的帳號申請已核可",
            body=f"歡迎使用資安統籌管理平台。資安列管身分：{account.get_identities_display()}。",
            link="/my/hours/",
        )
    application.national_id = ""
    _decide(application, accept, comment, by, in_place_of, *application.ID_COLUMNS)
    trail.record(
        verbs.DECIDE_APPLICATION,
        application,
        actor=by.username,
        **_decided(application),
        account=application.username,
    )
    return account


def account_of(application: AccountApplication) -> Account:
    """The account that an approval would make; raises ActionRefused when there can be none."""
    account = Account(
        username=application.username,
        name=application.name,
        email=application.email,
        agency=application.agency,
        department=department_of(application),
        identities=application.identities,
    )
    account.national_id = application.national_id
    try:
        account.validate_constraints()
    except ValidationError as faults:
        raise ActionRefused(f"無法建立帳號：{faults.messages[0]}") from faults
    return account


def department_of(application: AccountApplication) -> Department | None:
    """The department that the applicant named, if the agency has it."""
    open_ones = Department.objects.filter(agency=application.agency_id).open()
    return open_ones.filter(name=application.department).first()


@transaction.atomic
def decide_transfer(
    transfer: Transfer,
    *,
    accept: bool,
    comment: str,
    by: Account,
    in_place_of: Account | None = None,
    replace: bool = False,
) -> None:
    """Let the person serve at the other agency from the day that was asked for, or refuse it.

    Later postings of the person refuse an approval, unless they are to be replaced.
    """
    transfer = _hold(transfer, by, in_place_of)
    if transfer.asked_by_id == by.pk:
        raise ActionRefused("提出異動的人不能自己同意，要由另一個機關的管理者決定。")
    if accept:
        _refuse_what_cannot_be(transfer, in_place_of or by)
        person_links.join(transfer.account, transfer.destination, by=by)
        try:
            accounts.assign(
                transfer.account,
                agency=transfer.destination,
                department=transfer.department,
                since=transfer.since,
                replace=replace,
                by=by.username,
            )
        except LaterEntry:
            raise
        except ActionRefused as reason:
            if transfer.comes and not by.may(Right.ALL_AGENCIES):
                # What stands in the way is an account of the other agency.
                raise ActionRefused(_NOT_THERE) from reason
            raise
    _decide(transfer, accept, comment, by, in_place_of)
    _tell(transfer, transfer.account, "機關異動申請")
    _tell(transfer, transfer.asked_by, "機關異動申請", f"/manage/transfers/{transfer.pk}/")
    trail.record(
        verbs.DECIDE_TRANSFER, transfer, actor=by.username, **_decided(transfer), **_of(transfer)
    )


@transaction.atomic
def decide_identities(
    change: IdentityChange,
    *,
    accept: bool,
    comment: str,
    by: Account,
    in_place_of: Account | None = None,
    replace: bool = False,
) -> None:
    """Give the person the identities asked for from the day asked for on, or refuse.

    Later postings of the person refuse an approval, unless they are to be replaced.
    """
    change = _hold(change, by, in_place_of)
    if accept:
        _refuse_what_cannot_be(change, in_place_of or by)
        accounts.assign(
            change.account,
            identities=change.identities,
            since=change.since,
            replace=replace,
            by=by.username,
        )
    _decide(change, accept, comment, by, in_place_of)
    _tell(change, change.account, "資安列管身分變更申請", "/my/identities/")
    trail.record(
        verbs.DECIDE_IDENTITIES,
        change,
        actor=by.username,
        **_decided(change),
        identities=change.identities,
        **_of(change),
    )


@transaction.atomic
def decide_person_link(
    link: PersonLink,
    *,
    accept: bool,
    comment: str,
    by: Account,
    in_place_of: Account | None = None,
) -> None:
    """Confirm that two accounts are one person's, or say that they are not."""
    asked = PersonLink.objects.filter(pk=link.pk)
    if not asked.to_decide_by(in_place_of or by).exists() or link.asked_by_id == by.pk:
        raise ActionRefused("這件同一人確認不是由您決定，或已經有人決定過了；請重新整理清單。")
    delegating.refuse_past_days(by, in_place_of)
    action = person_links.confirm if accept else person_links.refuse
    action(link, comment=comment, by=by, in_place_of=in_place_of)


def obstacle_to(request: Transfer | IdentityChange) -> str:
    """Why nobody can approve a request as it stands; empty when it can be approved."""
    person, here, where = request.account, request.agency_id, "本機關"
    if isinstance(request, Transfer):
        here, where = request.origin_id, "原機關"
    if not person.is_active or person.agency_id != here:
        return f"這位同仁已經不在{where}任職，無法核可；請填寫意見後按「不同意」。"
    held = timeline.held_on(person, request.since)
    if held and held.status == Status.LEFT:
        return f"這位同仁 {timeline.day_of(held.since)} 起離職，無法核可；請先取消離職的登記。"
    return ""


def beyond_both_sides(request: Transfer | IdentityChange) -> str:
    """Why only the platform can approve it: the day, or what would be replaced, belongs to an
    agency that was not asked.  Empty when the decider's agency can."""
    sides = {request.agency_id}
    if isinstance(request, Transfer):
        sides = {request.origin_id, request.destination_id}
    return timeline.out_of_reach(request.account, request.since, replace=True, agencies=sides)


def _refuse_what_cannot_be(request: Transfer | IdentityChange, decider: Account) -> None:
    reason = obstacle_to(request)
    if not reason and not decider.may(Right.TRANSFER_PEOPLE):
        reason = beyond_both_sides(request)
    if reason:
        raise ActionRefused(reason)


def _hold(request: Asked, by: Account, in_place_of: Account | None) -> Asked:
    """The request as it is now, held: of two who decide at the same time the second is told."""
    rows: Any = type(request)._default_manager
    held: Asked = rows.select_for_update(of=("self",)).get(pk=request.pk)
    if not held.is_waiting:
        raise ActionRefused("這件申請已經有人決定過了，請重新整理清單。")
    separation.refuse_own(by, concerned(held), in_place_of=in_place_of, agency=held.agency)
    if not rows.filter(pk=held.pk).to_decide_by(in_place_of or by).exists():
        raise ActionRefused("這件申請不是由您決定，請由負責的機關管理者辦理。")
    delegating.refuse_past_days(by, in_place_of)
    return held


def concerned(request: Request) -> list[Account]:
    """Whom a request is about and who asked: none of them decides it.

    An application comes from somebody without an account: from whoever has their number or e-mail.
    """
    if isinstance(request, AccountApplication):
        return list(Account.objects.filter(pk__in=known_of([request])[request.pk]))
    people = (getattr(request, name, None) for name in ("account", "asked_by"))
    return [one for one in people if one]


def known_of(applications: Iterable[AccountApplication]) -> dict[int, frozenset[int]]:
    """Return the accounts with the number or the e-mail of each application, by its id."""
    chosen = list(applications)
    numbers = {bytes(one.id_hash) for one in chosen if one.id_hash}
    addresses = {one.email.lower() for one in chosen if one.email}
    accounts = Account.objects.alias(address=Lower("email"))
    found = accounts.filter(Q(id_hash__in=numbers) | Q(address__in=addresses))
    known = [(one.pk, one.id_hash and bytes(one.id_hash), one.email.lower()) for one in found]
    return {
        one.pk: frozenset(
            pk
            for pk, number, address in known
            if (one.id_hash and number == bytes(one.id_hash)) or address == one.email.lower()
        )
        for one in chosen
    }


def _decide(
    request: Request,
    accept: bool,
    comment: str,
    by: Account,
    in_place_of: Account | None,
    *changed: str,
) -> None:
    if not accept and not comment.strip():
        raise ActionRefused("不同意時，請寫明理由。")
    request.state = State.APPROVED if accept else State.REFUSED
    request.comment = national_id.hide(comment.strip())[:_LONGEST]
    request.decided_by, request.in_place_of = by, in_place_of
    request.decided_at = timezone.now()
    own = ("state", "comment", "decided_by", "in_place_of", "decided_at")
    request.save(update_fields=[*own, *changed])


def _tell(request: Request, person: Account, what: str, link: str = "") -> None:
    outcome = State(request.state).label
    body = f"意見：{request.comment}" if request.comment else ""
    notify([person], kind="request", subject=f"{what}：{outcome}", body=body, link=link)


def _of(request: Transfer | IdentityChange) -> dict[str, str]:
    return {"account": request.account.username, "since": roc_date(request.since)}


def _decided(request: Request) -> dict[str, str]:
    """Return the event's detail about a decision: the outcome, and the principal of a delegate."""
    stead = {"in_place_of": request.in_place_of.username} if request.in_place_of else {}
    return {"state": request.state, **stead}
