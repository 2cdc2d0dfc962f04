"""重設密碼: a one-time code that goes to the owner of an account, never to who asked for it.

asked → issued (mailed to the owner at once), or asked → waiting → issued | refused | expired;
issued after waiting, it is mailed, or printed for the second person, who hands it over.

Asking changes nothing for the owner: the old password and the sessions end when the code is issued.
What a second person is needed for says `_second_because` (ADR 24).  A letter goes out before
anything is stored and outside of any transaction: no lock waits for a mail server.
"""

import smtplib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from ismp.accounts import codes, consequences, national_id, separation, verbs
from ismp.accounts.actions import accounts
from ismp.accounts.models import Account, AccountControl, PasswordReset
from ismp.accounts.roles import Right, Role
from ismp.audit import trail
from ismp.errors import ActionRefused
from ismp.ui.resources import versions
from ismp.ui.text.roc_dates import roc_date

State, Way = PasswordReset.State, PasswordReset.Way
_PLATFORMS = frozenset({Role.PLATFORM_ADMIN, Role.AUDITOR})
_EMAIL = AccountControl.Kind.EMAIL
_LONGEST = 500


@dataclass(frozen=True)
class Issued:
    """How a reset code was delivered: by mail, or in clear to whoever hands it over."""

    reset: PasswordReset
    code: str = ""
    """ABCD-EFGH-JKLM; empty when it was mailed."""
    mail_failed: str = ""
    """Why it was not mailed although it should have been; empty otherwise."""


# --- Asking --------------------------------------------------------------------------------------


def ask(account: Account, *, by: Account) -> PasswordReset:
    """Mail the owner a code, or let the request wait for a second person.

    Call it outside of a transaction.  Raises ActionRefused.
    """
    accounts.touch([account], by)
    return first(account, by=by)


def first(account: Account, *, by: Account) -> PasswordReset:
    """As `ask`, for who may not keep accounts but approved that this one is made."""
    if not account.is_active:
        raise ActionRefused(f"{account} 目前不在職，不能重設密碼。")
    because = _second_because(account, by)
    if not because:
        try:
            return _mailed(PasswordReset(account=account, asked_by=by), by).reset
        except _NotSent as failure:
            because = f"寄給本人的郵件沒有寄出（{failure}），原來的密碼沒有變更"
    return _wait(PasswordReset(account=account, asked_by=by, because=because))


def _second_because(account: Account, by: Account) -> str:
    """Return why a second person must say yes; empty when the owner's e-mail is enough."""
    role = Role(account.role)
    if role in _PLATFORMS:
        return f"這是{account.get_role_display()}的帳號，要由另一位平台管理者確認"
    if role is Role.AGENCY_ADMIN and not by.may(Right.ALL_AGENCIES):
        return "這是機關管理者的帳號，要由另一位機關管理者或平台管理者確認"
    return _not_mailable(account, by)


def _not_mailable(account: Account, *asked: Account) -> str:
    """Return why the code cannot go to the owner's e-mail; empty when it can."""
    if not account.email:
        return "這個帳號沒有電子郵件"
    if not settings.EMAIL_HOST:
        return "平台沒有設定郵件伺服器"
    if changed := changes_of_email(account).last():
        day = roc_date(timezone.localdate(changed.at))
        return f"這個帳號的電子郵件在 {day} 由{changed.by.name}變更過"
    own = {one for person in asked for one in separation.accounts_of(person)}
    if Account.objects.filter(pk__in=own, email__iexact=account.email).exists():
        return "這個帳號的電子郵件和申請人的相同"
    return ""


def changes_of_email(account: Account) -> QuerySet[AccountControl]:
    """Return by whom and when the owner's e-mail was changed lately, the oldest first."""
    return separation.recent_controls([account.pk]).filter(kind=_EMAIL).select_related("by")


def goes_by_mail(reset: PasswordReset) -> bool:
    """Whether the code will be mailed to the owner once a second person says yes."""
    return not _not_mailable(reset.account, reset.asked_by)


@transaction.atomic
def _wait(reset: PasswordReset) -> PasswordReset:
    account, by = reset.account, reset.asked_by
    try:
        with transaction.atomic():
            reset.save(force_insert=True)
    except IntegrityError as error:
        raise ActionRefused(
            f"{account} 已有一件等候確認的重設密碼，請等另一位管理者決定。"
        ) from error
    others = confirmers(reset)
    if not others:
        raise ActionRefused(
            f"{reset.because}，但目前沒有另一位可以確認的管理者；請先指派一位，"
            "或請維運人員用 ismp changepassword 設定。"
        )
    consequences.tell(
        others,
        kind="reset",
        subject="有一件重設密碼等候您確認",
        link=f"/manage/reviews/reset/{reset.pk}/",
    )
    body = f"{by.name}（{by}）申請，要另一位管理者確認才生效；您的密碼目前沒有改變。"
    _tell_owner(reset, _words("有管理者申請重設您的密碼", "您的第一組密碼等候確認", account), body)
    trail.record(verbs.ASK_RESET, reset, actor=by.username, because=reset.because)
    return reset


def concerned(resets: Iterable[PasswordReset]) -> dict[int, frozenset[int]]:
    """Return the accounts that each reset concerns, by its id: the owner's, who asked, who lately
    changed the owner's e-mail.  None of them confirms it."""
    chosen = list(resets)
    found = {one.pk: {one.account_id, one.asked_by_id} for one in chosen}
    owners = {one.account_id: one.pk for one in chosen}
    changed = separation.recent_controls(owners.keys()).filter(kind=_EMAIL)
    for owner, by in changed.values_list("account", "by"):
        found[owners[owner]].add(by)
    return {pk: frozenset(people) for pk, people in found.items()}


def confirmers(reset: PasswordReset) -> list[Account]:
    """Return who may say the second yes."""
    may = Account.objects.who_may(Right.EDIT_PEOPLE).select_related("agency")
    return [one for one in may.order_by("username") if may_confirm(reset, one)]


def may_confirm(reset: PasswordReset, person: Account) -> bool:
    """Whether a person may say the second yes."""
    barred = concerned([reset])[reset.pk]
    return _is_for(reset, person) and not separation.conflicts(person) & barred


def _is_for(reset: PasswordReset, person: Account) -> bool:
    return PasswordReset.objects.to_decide_by(person).filter(pk=reset.pk).exists()


# --- The second person ---------------------------------------------------------------------------


def approve(reset: PasswordReset, *, comment: str = "", by: Account) -> Issued:
    """Say the second yes: the code is mailed to the owner, or returned for `by` to hand over.

    Call it outside of a transaction.  Raises ActionRefused.
    """
    with transaction.atomic():
        reset = _held(reset, by)
    reset.comment = national_id.hide(comment.strip())[:_LONGEST]
    failed = ""
    if not _not_mailable(reset.account, reset.asked_by, by):
        try:
            return _mailed(reset, by)
        except _NotSent as failure:
            failed = str(failure)
    code = codes.new()
    reset.way = Way.PAPER
    return Issued(_issue(reset, code, by), codes.grouped(code), failed)


@transaction.atomic
def refuse(reset: PasswordReset, *, comment: str, by: Account) -> PasswordReset:
    """Leave the password as it is, with a reason that both are told."""
    reset = _held(reset, by)
    if not comment.strip():
        raise ActionRefused("不同意時，請寫明理由。")
    _close(reset, State.REFUSED, comment, by)
    consequences.tell(
        [reset.asked_by], kind="reset", subject="重設密碼沒有通過", body=reset.comment
    )
    _tell_owner(reset, "重設您密碼的申請沒有通過", f"{by.name}（{by}）不同意，您的密碼沒有改變。")
    trail.record(verbs.REFUSE_RESET, reset, actor=by.username)
    return reset


def _held(reset: PasswordReset, by: Account) -> PasswordReset:
    """Return the request as it is now, locked: waiting, in time, and for `by` to decide."""
    held = PasswordReset.objects.select_for_update(of=("self",))
    reset = held.select_related("account__agency", "asked_by").get(pk=reset.pk)
    if reset.state != State.WAITING:
        raise ActionRefused("這件重設密碼已經有人決定過了，請重新整理清單。")
    if reset.asked_at < _oldest():
        raise ActionRefused("這件重設密碼已經過期，請確認本人仍需要，再重新申請。")
    people = Account.objects.filter(pk__in=concerned([reset])[reset.pk])
    separation.refuse_own(by, people, agency=reset.account.agency)
    if not _is_for(reset, by):
        raise ActionRefused("這件重設密碼不是由您決定，請由負責的機關管理者或平台管理者辦理。")
    if not reset.account.is_active:
        raise ActionRefused("這位同仁目前不在職，不能重設密碼；請填寫意見後按「不同意」。")
    return reset


def _close(reset: PasswordReset, state: str, comment: str, by: Account | None) -> None:
    reset.state, reset.decided_at, reset.decided_by = state, timezone.now(), by
    reset.comment = national_id.hide(comment.strip())[:_LONGEST]
    own = ["state", "decided_at", "decided_by", "comment", "way", "sent_to"]
    reset.save(update_fields=own if reset.pk else None)


@transaction.atomic
def expire() -> int:
    """Close requests that nobody decided in `settings.RESET_WAIT_DAYS`; return how many.

    Called every hour by the worker.
    """
    late = PasswordReset.objects.filter(state=State.WAITING, asked_at__lt=_oldest())
    held = list(late.select_for_update(of=("self",), skip_locked=True))
    for reset in held:
        _close(reset, State.EXPIRED, "沒有人確認，自動結案。", None)
    for reset in held:
        trail.record(verbs.EXPIRE_RESET, reset, actor=trail.SYSTEM)
    return len(held)


# --- Issuing -------------------------------------------------------------------------------------


class _NotSent(Exception):
    """The mail server did not take the letter."""


def _mailed(reset: PasswordReset, by: Account) -> Issued:
    """Send first, then make the code good: a letter that nobody took changes nothing."""
    code, account = codes.new(), reset.account
    context = {
        "account": account,
        "code": codes.grouped(code),
        "hours": settings.RESET_MAIL_MINUTES // 60,
        "asked_by": reset.asked_by,
        "by": by,
        "site": settings.SITE_URL,
        "path": reverse("accounts:reset"),
    }
    letter = EmailMessage(
        subject="【資安統籌管理平台】設定新密碼的一次性代碼",
        body=render_to_string("accounts/reset_mail.txt", context),
        to=[account.email],
    )
    try:
        letter.send()
    except smtplib.SMTPRecipientsRefused as error:
        raise _NotSent("郵件伺服器不接受這個地址") from error
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise _NotSent("郵件伺服器沒有回應或不接受") from error
    reset.way, reset.sent_to = Way.MAIL, masked(account.email)
    return Issued(_issue(reset, code, by))


@transaction.atomic
def _issue(reset: PasswordReset, code: str, by: Account) -> PasswordReset:
    """Make the old password worthless and the code good; end the sessions; tell the owner."""
    way, sent_to, comment, account = reset.way, reset.sent_to, reset.comment, reset.account
    versions.hold(Account.objects.all(), [account.pk])  # before the request and the code of it
    if reset.pk:
        reset = _held(reset, by)
    else:
        waiting = PasswordReset.objects.filter(account=account, state=State.WAITING)
        for other in waiting.select_for_update(of=("self",)):
            _close(other, State.EXPIRED, "已另外寄出代碼。", None)
    is_second = reset.pk is not None
    subject = _words("您的密碼已被重設", "設定您第一組密碼的代碼已發出", account)
    reset.way, reset.sent_to = way, sent_to
    _close(reset, State.ISSUED, comment, by if is_second else None)
    minutes = settings.RESET_MAIL_MINUTES if way == Way.MAIL else settings.RESET_CODE_MINUTES
    accounts.store_reset_code(account, code, timedelta(minutes=minutes))
    for person in {reset.asked_by, by}:
        separation.note_control(account, AccountControl.Kind.RESET, person)
    asked = f"{reset.asked_by.name}（{reset.asked_by}）申請"
    second = f"，{by.name}（{by}）確認" if is_second else ""
    where = f"代碼已寄到 {sent_to}。" if way == Way.MAIL else "代碼由確認的管理者交給您。"
    _tell_owner(reset, subject, f"{asked}{second}。{where}")
    if is_second:
        done = "重設密碼已由另一位管理者確認"
        consequences.tell([reset.asked_by], kind="reset", subject=done, body=where)
        trail.record(verbs.APPROVE_RESET, reset, actor=by.username)
    trail.record(verbs.RESET_PASSWORD, reset, actor=by.username, way=reset.get_way_display())
    return reset


def _words(again: str, first: str, account: Account) -> str:
    """Texts of the notice about a new password, or about the first one."""
    return again if account.has_usable_password() else first


def masked(address: str) -> str:
    """i***@ismp.example: enough to know one's own."""
    local, _, domain = address.partition("@")
    return f"{local[:1]}***@{domain}"


def _tell_owner(reset: PasswordReset, subject: str, body: str) -> None:
    """On the site, and at once by a letter that names nobody."""
    account, body = reset.account, f"{body}{accounts.REPORT}"
    consequences.tell([account], kind="reset", subject=subject, body=body)
    if account.email:
        letter = f"公務帳號 {account}：{subject}。{accounts.REPORT}"
        consequences.write([account.email], subject=subject, body=letter)


def _oldest() -> datetime:
    return timezone.now() - timedelta(days=settings.RESET_WAIT_DAYS)
