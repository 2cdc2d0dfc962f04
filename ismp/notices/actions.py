"""Telling people something, and carrying it to them by e-mail once a day.

The deed that gives cause calls `notify` in its own transaction and leaves its own event.
"""

import logging
import smtplib
from collections.abc import Iterable

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Account
from ismp.notices.models import Digest, Notice
from ismp.ui.folding import one_line

logger = logging.getLogger(__name__)
_BATCH = 500
_OF_ONE_ADDRESS = (
    ValueError,  # UnicodeError and Django's BadHeaderError too
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPDataError,
    smtplib.SMTPNotSupportedError,
)
"""What a single receiver's address or letter raises; all else is the server's."""


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


def mark_read(notices: Iterable[Notice]) -> int:
    mine = Notice.objects.filter(pk__in=[notice.pk for notice in notices], read_at=None)
    return mine.update(read_at=timezone.now())


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
        body=render_to_string("notices/digest.txt", context),
        to=[digest.account.email],
        connection=server,
    )
