"""Actions on single accounts: add, edit, change the national ID, reset the password, end sessions.

Where and as what a person serves is changed by `actions.assign`.  Nobody touches the account of
somebody whose role they may not give (`roles.APPOINTS`), or their own.
"""

import secrets
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from ismp.accounts import codes, consequences, separation, verbs
from ismp.accounts.actions import person_links
from ismp.accounts.models import Account, AccountControl, Posting, ResetCode
from ismp.audit import changes, trail
from ismp.errors import ActionRefused
from ismp.ui.resources import versions
from ismp.ui.text import roc_dates

_SECOND_ACCOUNT = "這個機關已有另一個在職帳號使用同一個身分證字號，請先將那個帳號改為離職。"
REPORT = "如果不是您本人要求的，請立刻通知機關管理者或報修。"


def touch(accounts: Iterable[Account], by: Account) -> list[Account]:
    """The accounts, all of which `by` may change; raises ActionRefused."""
    chosen, own = list(accounts), separation.accounts_of(by)
    for account in chosen:
        if account.pk in own:
            raise ActionRefused("不能變更自己的帳號，請由另一位管理者辦理。")
        if not by.may_touch(account):
            raise ActionRefused(
                f"{account} 是{account.get_role_display()}，這個帳號請由平台管理者維護。"
            )
    return chosen


@transaction.atomic
def save_account(account: Account, *, since: date | None = None, by: Account) -> Account:
    """Add an account that serves `since` a day, or store a changed name or e-mail of one.

    All else of an account has an action of its own, and nothing of that is written here.
    """
    if account.pk:
        touch([account], by)
        before = changes.stored(account)
        _save(account, update_fields=["name", "email"])
        if before and before.email != account.email:
            separation.note_control(account, AccountControl.Kind.EMAIL, by)
            tell_of_email([(account, before.email)], by)
        trail.record(
            verbs.SAVE_ACCOUNT, account, actor=by.username, changes=changes.between(before, account)
        )
        return account
    if reason := account.agency.why_closed(timezone.localdate()):
        raise ActionRefused(reason)
    account.password = "!"  # noqa: S105 (marks an unusable one)
    _save(account, force_insert=True)
    entry = Posting.objects.create(
        account=account,
        agency=account.agency,
        department=account.department,
        identities=account.identities,
        status=account.status,
        since=since or timezone.localdate(),
        recorded_by=by.username,
    )
    person_links.numbers_set([account], by=by)
    separation.note_control(account, AccountControl.Kind.CREATED, by)
    detail = {"since": roc_dates.roc_date(entry.since), "identities": entry.identities}
    trail.record(verbs.ADD_ACCOUNT, account, actor=by.username, **detail)
    return account


def _save(account: Account, **options: Any) -> None:
    try:
        with transaction.atomic():
            account.save(**options)
    except IntegrityError as error:
        raise ActionRefused(_SECOND_ACCOUNT) from error


@transaction.atomic
def set_national_id(accounts: Iterable[Account], *, number: str, by: Account) -> str:
    """Put a person's national ID right, or take it off (empty)."""
    [account] = touch(accounts, by)
    former = bytes(account.id_hash) if account.id_hash else None
    account.national_id = number
    _save(account, update_fields=Account.ID_COLUMNS)
    if account.id_hash != former:
        person_links.numbers_set([account], by=by)
    separation.note_control(account, AccountControl.Kind.NUMBER, by, former)
    changed = [changes.SECRET_CHANGED] if account.id_hash != former else []
    trail.record(verbs.SET_NATIONAL_ID, account, actor=by.username, changes=changed)
    return f"已更新 {account} 的身分證字號。"


@transaction.atomic
def end_sessions(accounts: Iterable[Account], *, by: Account) -> str:
    """Sign people out wherever they are signed in."""
    chosen = touch(accounts, by)
    for account in chosen:
        _end_sessions(account)
        trail.record(verbs.END_SESSIONS, account, actor=by.username)
    return f"已結束 {len(chosen)} 個帳號的登入。"


def _end_sessions(account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(
        session_round=F("session_round") + 1, last_seen_at=None
    )


# --- A new password by a one-time code -----------------------------------------------------------


def store_reset_code(account: Account, code: str, good_for: timedelta) -> None:
    """Make the old password worthless, end the sessions, and let a code set a new one.

    The code is good once; nobody can read it again.  Part of `password_resets`, which records the
    event.
    """
    account.set_unusable_password()
    account.save(update_fields=["password"])
    _end_sessions(account)
    ResetCode.objects.update_or_create(
        account=account,
        defaults={
            "digest": _digest(account, code),
            "expires_at": timezone.now() + good_for,
        },
    )


@transaction.atomic
def check_reset_code(username: str, code: str) -> Account | None:
    """The account whose code this is, held until the transaction ends; None when it is not good.

    Wrong ones cost time (`lockout.wait_for_code`), never the code: else a stranger could burn it.
    """
    owners = Account.objects.filter(username__iexact=username.strip())
    versions.hold(Account.objects.all(), owners.values_list("pk", flat=True))  # before their code
    held = ResetCode.objects.select_for_update(of=("self",)).select_related("account__agency")
    issued = held.filter(account__in=owners).first()
    if issued is None or not issued.account.is_active or issued.expires_at < timezone.now():
        return None
    account: Account = issued.account
    good = secrets.compare_digest(bytes(issued.digest), _digest(account, codes.tidy(code)))
    return account if good else None


@transaction.atomic
def change_password(account: Account, *, old: str, new: str) -> None:
    """Change the password of a signed-in person who has entered the present one.

    Raises ActionRefused when it was reset, or changed elsewhere, since the page asked for it.
    """
    versions.hold(Account.objects.all(), [account.pk])
    if not Account.objects.get(pk=account.pk).check_password(old):
        raise ActionRefused("您的密碼剛剛已在別處變更或重設，這次沒有變更；請重新登入後再試。")
    account.set_password(new)
    account.save(update_fields=["password"])
    trail.record(verbs.CHANGE_PASSWORD, account, actor=account.username)


@transaction.atomic
def set_password(account: Account, password: str) -> None:
    """Set a new password for the person whom a reset code identifies; uses the code up."""
    account.set_password(password)
    account.save(update_fields=["password"])
    ResetCode.objects.filter(account=account).delete()
    subject = "您已用一次性代碼設定新密碼"
    consequences.tell([account], kind="reset", subject=subject, body=REPORT)
    if account.email:
        letter = f"公務帳號 {account} 已用一次性代碼設定新密碼。{REPORT}"
        consequences.write([account.email], subject=subject, body=letter)
    trail.record(verbs.SET_PASSWORD, account, actor=account.username)


def tell_of_email(changed: Iterable[tuple[Account, str]], by: Account | None) -> None:
    """Tell owners that somebody else changed their e-mail: on the site, and at the former
    address (of each pair)."""
    pairs = list(changed)
    who = f"{by.name}（{by}）" if by else "平台維運人員"
    body = f"{who}變更了您帳號的電子郵件；之後的通知與重設密碼的代碼會寄到新的地址。{REPORT}"
    subject = "您帳號的電子郵件已變更"
    consequences.tell([account for account, _ in pairs], kind="reset", subject=subject, body=body)
    for account, former in pairs:
        if former:
            letter = f"公務帳號 {account} 的電子郵件已改為別的地址。{REPORT}"
            consequences.write([former], subject=subject, body=letter)


def _digest(account: Account, code: str) -> bytes:
    return settings.KEYS.blind_index(f"reset:{account.pk}:{code}")
