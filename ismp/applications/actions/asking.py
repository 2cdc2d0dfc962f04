"""Asking: for an account, for a transfer, for other identities; and taking a request back.

Whatever people type goes through `national_id.hide` before it is stored.
"""

from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from ismp.accounts import codes, national_id
from ismp.accounts.models import Account, Agency, Department
from ismp.applications import verbs
from ismp.applications.models import AccountApplication, IdentityChange, Request, State, Transfer
from ismp.audit import trail
from ismp.errors import ActionRefused
from ismp.ui.text.roc_dates import roc_date

STRANGER = "（未登入）"
"""Who acts while nobody is signed in: what is typed proves no name."""
_FARTHEST = timedelta(days=366)
_NOT_HERE = "找不到這個公務帳號與姓名的在職同仁；請向他現在的機關確認後再填。"


@transaction.atomic
def apply_for_account(
    *, agency: Agency, number: str, source: str, department: str, reason: str, **facts: str
) -> AccountApplication:
    """Let somebody without an account ask for one.

    Asks nobody whether the person or the account is known: the answer is the same.  Raises
    ActionRefused when too many came with the number for the agency from `source` (an address)
    within the hour, or far too many of all people, or for all agencies together.
    """
    origin = settings.KEYS.blind_index(f"from:{source}")
    lately = timezone.now() - timedelta(hours=1)
    sent = AccountApplication.objects.filter(source=origin, asked_at__gt=lately)
    of_agency = sent.filter(agency=agency)
    of_person = of_agency.filter(id_hash=settings.KEYS.blind_index(number))
    limits = (
        (of_person, settings.APPLICATIONS_PER_HOUR),
        (of_agency, settings.APPLICATIONS_OF_AGENCY_PER_HOUR),
        (sent, settings.APPLICATIONS_OF_ADDRESS_PER_HOUR),
    )
    if any(rows.count() >= most for rows, most in limits):
        raise ActionRefused("同一個網路位址一小時內申請太多件，請一小時後再試，或洽機關管理者。")
    application = AccountApplication(
        agency=agency,
        department=national_id.hide(department),
        reason=national_id.hide(reason),
        receipt=codes.new(),
        source=origin,
        **facts,
    )
    application.national_id = number
    application.save(force_insert=True)
    trail.record(verbs.APPLY_FOR_ACCOUNT, application, actor=STRANGER)
    return application


@transaction.atomic
def ask_for(
    *,
    username: str,
    name: str,
    department: Department | None,
    since: date,
    reason: str,
    by: Account,
) -> Transfer:
    """調入: ask the agency of a person to let them come.

    Found only by 公務帳號 and name together, so that nobody can try out who serves elsewhere.
    """
    found = Account.objects.filter(username__iexact=username, name=name, status="active")
    account = found.exclude(agency=by.agency_id).select_related("agency").first()
    if account is None:
        raise ActionRefused(_NOT_HERE)
    facts = {"origin": account.agency, "agency": account.agency, "destination": by.agency}
    return _ask_transfer(account, since, reason, by, department=department, **facts)


@transaction.atomic
def give_away(*, username: str, agency: Agency, since: date, reason: str, by: Account) -> Transfer:
    """調出: offer a person of one's own agency to another one."""
    own = Account.objects.filter(username__iexact=username, status="active", agency=by.agency_id)
    account = own.first()
    if account is None:
        raise ActionRefused("本機關沒有這個公務帳號的在職同仁，請檢查後再填。")
    if not by.may_touch(account):
        raise ActionRefused(
            f"{account} 是{account.get_role_display()}，這個帳號請由平台管理者維護。"
        )
    facts = {"origin": by.agency, "agency": agency, "destination": agency}
    return _ask_transfer(account, since, reason, by, **facts)


def _ask_transfer(
    account: Account, since: date, reason: str, by: Account, **facts: Any
) -> Transfer:
    if account.pk == by.pk:
        raise ActionRefused("不能為自己申請異動，請由另一位管理者提出。")
    if facts["origin"] == facts["destination"]:
        raise ActionRefused("調往的機關就是現在的機關，請重新選擇。")
    _check_day(since)
    transfer = Transfer(
        account=account, since=since, reason=national_id.hide(reason), asked_by=by, **facts
    )
    _save_only_one(transfer, "這位同仁已有一件等候審核的機關異動，請等它決定或撤回後再申請。")
    trail.record(
        verbs.ASK_TRANSFER,
        transfer,
        actor=by.username,
        account=account.username,
        since=roc_date(since),
        into=transfer.destination.name,
    )
    return transfer


@transaction.atomic
def ask_for_identities(*, identities: str, since: date, reason: str, by: Account) -> IdentityChange:
    """Let a person ask to be listed under other identities from a day on."""
    if identities == by.identities:
        raise ActionRefused("勾選的身分和現在相同；請勾選變更後的全部身分。")
    _check_day(since)
    change = IdentityChange(
        account=by,
        agency=by.agency,
        identities=identities,
        since=since,
        reason=national_id.hide(reason),
    )
    _save_only_one(change, "您已有一件等候審核的申請，請等它決定，或先撤回再申請。")
    trail.record(
        verbs.ASK_IDENTITIES,
        change,
        actor=by.username,
        account=by.username,
        since=roc_date(since),
        identities=identities,
    )
    return change


def _check_day(since: date) -> None:
    """A year mistyped would judge past years anew."""
    if abs(since - timezone.localdate()) > _FARTHEST:
        raise ActionRefused("生效日要在前後一年之內，請檢查年份。")


def _save_only_one(request: Request, otherwise: str) -> None:
    try:
        with transaction.atomic():
            request.save(force_insert=True)
    except IntegrityError as error:
        raise ActionRefused(otherwise) from error


@transaction.atomic
def withdraw(request: Transfer | IdentityChange, *, by: Account) -> None:
    """Take back what one's own side asked for and nobody has decided yet."""
    rows: Any = type(request)._default_manager
    request = rows.select_for_update(of=("self",)).get(pk=request.pk)
    if not request.is_waiting:
        raise ActionRefused("這件申請已經決定了，不能撤回。")
    request.state, request.decided_at, request.decided_by = State.WITHDRAWN, timezone.now(), by
    request.save(update_fields=["state", "decided_at", "decided_by"])
    trail.record(
        verbs.WITHDRAW_REQUEST, request, actor=by.username, account=request.account.username
    )


@transaction.atomic
def expire() -> int:
    """Close account applications that nobody decided in time; return how many.

    What waits is a stranger's national ID: it is not kept for ever because nobody looked.  Called
    every hour by the worker.
    """
    days = settings.APPLICATIONS_WAIT_DAYS
    late = AccountApplication.objects.waiting().filter(
        asked_at__lt=timezone.now() - timedelta(days=days)
    )
    # Whoever is deciding one in this moment has it: it is no longer forgotten.
    held = list(late.select_for_update(of=("self",), skip_locked=True).select_related("agency"))
    for application in held:
        application.national_id = ""
        application.state, application.decided_at = State.EXPIRED, timezone.now()
        application.comment = f"超過 {days} 天沒有審核，自動結案。"
        own = ("state", "decided_at", "comment")
        application.save(update_fields=[*own, *application.ID_COLUMNS])
    for application in held:
        trail.record(verbs.EXPIRE_APPLICATION, application, actor=trail.SYSTEM)
    return len(held)


def purge() -> int:
    """Forget account applications closed `settings.APPLICATIONS_KEPT_DAYS` ago; return how many.

    Called every hour by the worker.
    """
    before = timezone.now() - timedelta(days=settings.APPLICATIONS_KEPT_DAYS)
    with transaction.atomic():
        count = AccountApplication.objects.filter(decided_at__lt=before).delete()[0]
        if count:
            trail.record(verbs.PURGE_APPLICATIONS, actor=trail.SYSTEM, count=count)
    return count
