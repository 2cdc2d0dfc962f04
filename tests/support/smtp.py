"""A real SMTP server on this machine, and what it was handed."""

import contextlib
import email
import email.policy
from datetime import datetime
from zoneinfo import ZoneInfo

from aiosmtpd.controller import Controller

from tests.support.hosts import free_ports

NOON = datetime.now(ZoneInfo("Asia/Taipei")).replace(hour=12, minute=0, second=0, microsecond=0)
"""Today's: processes started beside a test have the real clock."""


class Mailbox:
    """Mails received by the SMTP server, which refuses some addresses."""

    def __init__(self):
        self.letters, self.refused = [], set()

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address in self.refused:
            return "550 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.letters.append((envelope.rcpt_tos, envelope.content))
        return "250 OK"


@contextlib.contextmanager
def server(settings):
    """Letters of the platform go to the mailbox that this gives."""
    box = Mailbox()
    [port] = free_ports(1)
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.SITE_URL = "https://ismp.example"
    yield box
    controller.stop()


def text_of(letter):
    return email.message_from_bytes(letter, policy=email.policy.default).get_content()
