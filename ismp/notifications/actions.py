"""Telling people something, and carrying it to them by e-mail once a day.

The action that gives cause calls `notify` in its own transaction and leaves its own event.
"""

import logging
import smtplib
from collections.abc import Collection, Iterable
from datetime import date, timedelta

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Account
from ismp.notifications.models import Digest, Letter, Notice
from ismp.ui.text.search_folding import one_line

logger = logging.getLogger(__name__)
_BATCH = 500
_OF_ONE_ADDRESS = (
    ValueError,  # UnicodeError and Django's BadHeaderError too
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPDataError,
    smtplib.SMTPNotSupportedError,
)
"""What a single receiver's address or letter raises; all else is the server's."""
_LAST_HOUR = 23
"""The worker may not look once more before midnight."""
_LETTERS_AT_ONCE = 500
_MOST_TRIES = 12
_FIRST_PAUSE = timedelta(minutes=1)
_LETTERS_KEPT = timedelta(days=7)


def notify(
    accounts: Iterable[Account], *, kind: str, subject: str, body: str = "", link: str = ""
) -> list[Notice]:
    """Tell each of these people; `link` is a path on this site.

    Name nobody in `subject`: it may travel by e-mail.
    """
    subject, body = national_id.hide(one_line(subject))[:200], national_id.hide(body)
    return Notice.objects.bulk_create(
        [
            Notice(account=account, kind=kind, subject=subject, body=body, link=link)
            for account in accounts
        ],
        batch_size=_BATCH,
    )


def write(addresses: Iterable[str], *, subject: str, body: str) -> None:
    """Have a letter sent to each address within the minute; name nobody but an account.

    Stored in the transaction of the action.  Without a mail server nothing is kept.
    """
    if not settings.EMAIL_HOST:
        return
    subject, body = national_id.hide(subject)[:200], national_id.hide(body)
    letters = [Letter(to=one, subject=subject, body=body) for one in addresses]
    Letter.objects.bulk_create(letters, batch_size=_BATCH)


def send_letters() -> int:
    """Send the letters that are due; return how many went out.  Called by the worker each minute.

    An address that is refused is given up.  When the server does not answer, or fails, the others
    wait for the next round, and this letter for one minute, then two, four …, twelve times in all.
    """
    if not settings.EMAIL_HOST:
        return 0
    now, sent = timezone.now(), 0
    Letter.objects.filter(ended_at__lt=now - _LETTERS_KEPT).delete()
    waiting = Letter.objects.filter(ended_at=None, due_at__lte=now)
    due = list(waiting.values_list("pk", flat=True)[:_LETTERS_AT_ONCE])
    if not due:
        return 0
    try:
        with get_connection() as server:
            for pk in due:
                if letter := _claimed(pk):
                    sent += _posted(letter, server)
    except (OSError, smtplib.SMTPException) as error:
        logger.warning("letters wait: %s", type(error).__name__)
    return sent


@transaction.atomic
def _claimed(pk: int) -> Letter | None:
    """The letter, put off before it is sent: a crash, or a second worker, sends no two at once."""
    held = Letter.objects.select_for_update(of=("self",), skip_locked=True)
    letter = held.filter(pk=pk, ended_at=None, due_at__lte=timezone.now()).first()
    if letter:
        letter.due_at = timezone.now() + _FIRST_PAUSE * 2**letter.tries
        letter.tries += 1
        letter.ended_at = timezone.now() if letter.tries > _MOST_TRIES else None
        letter.save(update_fields=["due_at", "tries", "ended_at"])
    return letter if letter and letter.ended_at is None else None


def _posted(letter: Letter, server: BaseEmailBackend) -> bool:
    mail = EmailMessage(
        subject=f"【資安統籌管理平台】{letter.subject}",
        body=render_to_string(
            "notifications/letter.txt", {"letter": letter, "site": settings.SITE_URL}
        ),
        to=[letter.to],
        connection=server,
    )
    try:
        mail.send()
    except _OF_ONE_ADDRESS:  # it will not be taken later either
        logger.warning("letter %s: the address was refused", letter.pk)
        Letter.objects.filter(pk=letter.pk).update(ended_at=timezone.now())
        return False
    Letter.objects.filter(pk=letter.pk).update(ended_at=timezone.now())
    return True


def mark_read(notices: Iterable[Notice]) -> int:
    unread = Notice.objects.filter(pk__in=[notice.pk for notice in notices], read_at=None)
    return unread.update(read_at=timezone.now())


def digest_dates(accounts: Collection[int]) -> dict[int, date]:
    """The day of the digest that will carry what these people are told now; nobody is in it who
    gets none (no address, not in office), and nobody without a mail server."""
    if not settings.EMAIL_HOST:
        return {}
    today = timezone.localdate()
    mailed = Account.objects.filter(pk__in=accounts, status="active").exclude(email="")
    served = set(
        Digest.objects.filter(on=today, account__in=accounts).values_list("account", flat=True)
    )
    tomorrow = today + timedelta(days=1)
    return {pk: tomorrow if pk in served else today for pk in mailed.values_list("pk", flat=True)}


def digest_hours() -> str:
    """When today's digests still go out, in words: the worker looks once an hour."""
    hour = timezone.localtime().hour
    if hour < settings.DIGEST_HOUR:
        return f"今天 {settings.DIGEST_HOUR} 時以後"
    return "一小時內" if hour < _LAST_HOUR else f"今晚或明天 {settings.DIGEST_HOUR} 時以後"


def send_digests() -> int:
    """Mail what is unread and was not mailed yet to those who had no digest today.

    Returns how many went out.  Called every hour by the worker; before `DIGEST_HOUR` (local time)
    and without a mail server nothing happens.  Raises nothing for a single address; when the
    server itself does not answer, the rest waits for the next hour.
    """
    now = timezone.localtime()
    if not settings.EMAIL_HOST or now.hour < settings.DIGEST_HOUR:
        return 0
    waiting = Notice.objects.unread().filter(digest=None).values("account")
    served = Digest.objects.filter(on=now.date()).values("account")
    people = Account.objects.filter(pk__in=waiting, status="active").exclude(email="")
    sent = 0
    try:
        with get_connection() as server:
            for account in people.exclude(pk__in=served):
                sent += _send(account, server)
    except (OSError, smtplib.SMTPException) as error:
        logger.warning("digests wait: %s", type(error).__name__)
    return sent


def _send(account: Account, server: BaseEmailBackend) -> bool:
    """Claim the day, send, note that it went; a server that is away gives the claim back.

    Where the address is no good the day is over, but what was to be told counts as not mailed.
    """
    notices = Notice.objects.unread().filter(account=account, digest=None)
    try:
        with transaction.atomic():
            digest = Digest.objects.create(account=account, on=timezone.localdate())
            carried = notices.update(digest=digest)
    except IntegrityError:  # another worker was faster
        return False
    try:
        _mail(digest, server).send()
    except _OF_ONE_ADDRESS as error:
        logger.warning("digest %s: the address was refused: %s", digest.pk, type(error).__name__)
        digest.notices.update(digest=None)
        return False
    except (OSError, smtplib.SMTPException):
        digest.delete()
        raise
    digest.sent_at = timezone.now()
    digest.save(update_fields=["sent_at"])
    return bool(carried)


def _mail(digest: Digest, server: BaseEmailBackend) -> EmailMessage:
    """Subjects and links only: what concerns a person in detail stays behind the sign-in."""
    notices = list(digest.notices.order_by("pk"))
    context = {"notices": notices, "site": settings.SITE_URL}
    return EmailMessage(
        subject=f"【資安統籌管理平台】您有 {len(notices)} 則通知",
        body=render_to_string("notifications/digest.txt", context),
        to=[digest.account.email],
        connection=server,
    )
