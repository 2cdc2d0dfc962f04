"""Notices on the platform, and their digest through a real SMTP server on this machine."""

from datetime import timedelta

import pytest
from django.db import connection

from ismp.accounts.models import Account
from ismp.notifications import actions
from ismp.notifications.models import Digest, Notice
from tests.support.smtp import NOON, text_of

pytestmark = pytest.mark.django_db


def tell(account, subject="您還缺 3 小時", **more):
    return actions.notify([account], kind="test", subject=subject, link="/", **more)


def test_a_person_sees_her_notices_and_reading_marks_them(client, account):
    own, other = account("IC1001"), account("IC1002")
    tell(own, body="第一行")
    tell(other, subject="別人的事")
    client.force_login(own)
    assert "<b>1</b>" in client.get("/").content.decode()
    page = client.get("/notices/").content.decode()
    assert "您還缺 3 小時" in page and "第一行" in page and "別人的事" not in page
    assert "<b>1</b>" not in client.get("/").content.decode()
    assert Notice.objects.unread().get().account == other


def test_a_national_id_never_stands_in_a_notice(account):
    notice = tell(account("IC1001"), subject="A123456789 的事", body="A123456789")[0]
    assert "A123456789" not in notice.subject + notice.body


def test_a_digest_goes_out_once_a_day_and_names_nobody(account, mailbox, time_machine):
    person = account("IC1001")
    tell(person)
    tell(person, subject="報名成功")
    assert actions.send_digests() == 1
    assert actions.send_digests() == 0
    tell(person, subject="候補遞補")
    assert actions.send_digests() == 0
    time_machine.move_to(NOON + timedelta(days=1))
    assert actions.send_digests() == 1
    [(to, first), (_, second)] = mailbox.letters
    assert to == [person.email]
    assert "您還缺 3 小時" in text_of(first) and "報名成功" in text_of(first)
    assert "https://ismp.example/" in text_of(first)
    assert "候補遞補" in text_of(second) and "報名成功" not in text_of(second)
    assert person.name not in text_of(first)


def test_nothing_goes_out_early_or_to_those_without_address_or_office(
    account, mailbox, time_machine
):
    early, left, silent = account("IC1001"), account("IC1009"), account("IC1003")
    Account.objects.filter(pk=left.pk).update(status="left")
    Account.objects.filter(pk=silent.pk).update(email="")
    for person in (early, left, silent):
        tell(person)
    time_machine.move_to(NOON.replace(hour=7))
    assert actions.send_digests() == 0
    time_machine.move_to(NOON)
    assert actions.send_digests() == 1
    assert mailbox.letters[0][0] == [early.email]


def test_a_refused_address_does_not_hold_up_the_others(account, mailbox):
    refused, other = account("IC1001"), account("IC1002")
    mailbox.refused = {refused.email}
    tell(refused)
    tell(other)
    assert actions.send_digests() == 1
    assert [to for to, _ in mailbox.letters] == [[other.email]]
    assert Digest.objects.get(account=refused).sent_at is None
    assert Notice.objects.get(account=refused).digest is None


@pytest.mark.parametrize(
    "address",
    [
        "無",
        "a@x.example;b@x.example",
        "v@x.example\nBcc: evil@x.example",
        "a\u2028b@x.example",
        "@",
    ],
)
def test_an_address_that_is_none_stops_nobody_elses_mail(account, mailbox, address, caplog):
    broken, other = account("IC1001"), account("IC1002")
    with connection.cursor() as cursor:  # as a roster once stored it
        cursor.execute("UPDATE accounts_account SET email = %s WHERE id = %s", [address, broken.pk])
    tell(broken)
    tell(other)
    assert actions.send_digests() == 1
    assert [to for to, _ in mailbox.letters] == [[other.email]]
    assert Digest.objects.get(account=broken).sent_at is None
    assert Notice.objects.get(account=broken).digest is None
    assert Notice.objects.get(account=other).digest.sent_at is not None
    assert "address was refused" in caplog.text and address not in caplog.text
    assert actions.send_digests() == 0


def test_a_subject_is_one_line(account, mailbox):
    actions.notify([account("IC1001")], kind="x", subject="情資\r\nBcc: a@b\u2028c", body="一\n二")
    notice = Notice.objects.get()
    assert (notice.subject, notice.body) == ("情資 Bcc: a@b c", "一\n二")


def test_a_server_that_is_away_loses_nothing(account, mailbox, settings):
    tell(account("IC1001"))
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1
    assert actions.send_digests() == 0
    assert not Digest.objects.exists()
    settings.EMAIL_PORT = port
    assert actions.send_digests() == 1


def test_two_workers_send_one(account, mailbox):
    person = account("IC1001")
    tell(person)
    Digest.objects.create(account=person, on=NOON.date())  # the other one has claimed the day
    assert actions._send(person, None) is False
    assert mailbox.letters == []
