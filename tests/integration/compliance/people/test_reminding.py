"""提醒: exactly those who were shown are told exactly what was shown, once a day, also by mail."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from ismp.accounts.models import Account, Posting
from ismp.audit.models import Event
from ismp.compliance.people import reminders
from ismp.errors import ActionRefused
from ismp.notifications.actions import notify, send_digests
from ismp.notifications.models import Notice
from tests.support.accounts import account_named
from tests.support.smtp import NOON, text_of

pytestmark = pytest.mark.django_db
A = "382990001Z"
REMIND = "/manage/learning-map/board/remind/"


def announced():
    return sorted(Notice.objects.values_list("account__username", flat=True))


def preview(client, **posted):
    page = client.post(REMIND, posted).content.decode()
    seal = re.search(r'name="seen" value="(\w+)"', page)
    return page, seal and seal[1]


def test_the_preview_is_what_is_sent(clerk, small, learned):
    learned(small["IC1002"], 1)
    page, seal = preview(clerk, whom="all", light="behind")
    assert "提醒 3 位同仁" in page and not Notice.objects.exists()
    clerk.post(REMIND, {"whom": "all", "light": "behind", "seen": seal})
    assert announced() == ["IC1001", "IC1002", "IC1003"]
    for notice in Notice.objects.all():
        assert notice.subject in page
        for sentence in notice.body.splitlines():
            assert sentence in page
    notice = Notice.objects.get(account__username="IC1002")
    assert notice.subject == "資通安全訓練時數還缺：522 資通安全(通識)（每年） 2 小時"
    year = timezone.localdate().year - 1911
    assert f"{year}-01-01 至 {year}-12-31 應有 3 小時，已有 1 小時，還缺 2 小時" in notice.body
    event = Event.objects.get(verb="remind")
    assert (event.actor, event.agency, event.detail) == ("IC1001", A, {"people": 3})


def test_only_those_who_are_ticked(clerk, small):
    ids = [account_named("IC1002").pk, account_named("EP1001").pk, "x"]
    page, seal = preview(clerk, whom="ticked", ids=ids)
    assert "提醒 1 位同仁" in page and "EP1001" not in page
    clerk.post(REMIND, {"whom": "ticked", "ids": ids, "seen": seal})
    assert announced() == ["IC1002"]


def test_nothing_ticked_says_what_to_do(clerk, small):
    page, seal = preview(clerk, whom="ticked")
    assert "請先在名單勾選同仁" in page and seal is None


def test_nobody_is_reminded_twice_on_a_day(clerk, small, time_machine):
    time_machine.move_to(NOON)
    _, seal = preview(clerk, whom="ticked", ids=[account_named("IC1002").pk])
    clerk.post(REMIND, {"whom": "ticked", "ids": [account_named("IC1002").pk], "seen": seal})
    again = clerk.post(
        REMIND, {"whom": "ticked", "ids": [account_named("IC1002").pk], "seen": seal}
    )
    assert "今天都已經提醒過" in again.content.decode()
    page, seal = preview(clerk, whom="all", light="behind")
    assert "1 人今天已經提醒過，這次不會再收到：IC1002" in page
    clerk.post(REMIND, {"whom": "all", "light": "behind", "seen": seal})
    assert announced() == ["IC1001", "IC1002", "IC1003"]
    time_machine.move_to(NOON + timedelta(days=1))
    clerk.force_login(account_named("IC1001"))
    assert "提醒 3 位同仁" in preview(clerk, whom="all", light="behind")[0]


def test_a_list_that_changed_since_the_preview_is_shown_again(clerk, small, learned):
    _, seal = preview(clerk, whom="all", light="behind")
    learned(small["IC1002"], 1)
    answer = clerk.post(REMIND, {"whom": "all", "light": "behind", "seen": seal})
    page = answer.content.decode()
    assert "在您預覽之後有變動" in page and "2 小時" in page
    assert announced() == []


def test_those_who_have_enough_are_exempt_or_left_get_nothing(clerk, small, learned):
    learned(small["IC1003"], 3)
    Posting.objects.filter(account__username="IC1002").update(status="left")
    ids = [account_named(name).pk for name in ("IC1001", "IC1002", "IC1003")]
    page, _ = preview(clerk, whom="ticked", ids=ids)
    assert "提醒 1 位同仁" in page and "1 人已達標或免列管，不會收到" in page
    assert "IC1002" not in page


def test_an_action_with_nobody_left_is_refused(city, small):
    with pytest.raises(ActionRefused):
        reminders.remind(
            account_named("IC1001").agency, {"accounts": []}, seen="x", by=account_named("IC1001")
        )
    assert not Event.objects.filter(verb="remind").exists()


def test_the_letter_names_nobody_and_goes_out_once(clerk, small, mailbox, time_machine):
    time_machine.move_to(NOON)
    Account.objects.filter(username="IC1003").update(email="")
    page, seal = preview(clerk, whom="all", light="behind")
    assert "其中 1 人沒有電子郵件" in page and "信箱會收到" in page
    clerk.post(REMIND, {"whom": "all", "light": "behind", "seen": seal})
    assert send_digests() == 2
    assert send_digests() == 0
    letters = {to[0]: text_of(content) for to, content in mailbox.letters}
    assert set(letters) == {account_named("IC1001").email, account_named("IC1002").email}
    for letter in letters.values():
        assert "還缺：522 資通安全(通識)（每年） 3 小時" in letter
        for person in small.values():
            assert person.name not in letter and person.national_id not in letter


def test_without_a_mail_server_the_preview_says_so(clerk, small):
    page, _ = preview(clerk, whom="all", light="behind")
    assert "還沒有設定郵件伺服器，所以不會寄信" in page


def test_the_preview_says_who_is_mailed_today_and_who_tomorrow(clerk, small, mailbox, time_machine):
    time_machine.move_to(NOON)
    notify([account_named("IC1002")], kind="x", subject="別的事")
    assert send_digests() == 1
    page, seal = preview(clerk, whom="all", light="behind")
    assert "2 人的信箱會收到今天的彙整信（一小時內寄出）" in page
    assert "1 人今天的彙整信已經寄出" in page and "明天的彙整信" in page
    clerk.post(REMIND, {"whom": "all", "light": "behind", "seen": seal})
    assert send_digests() == 2
    time_machine.move_to(NOON + timedelta(days=1))
    assert send_digests() == 1


@pytest.mark.parametrize(
    ("hour", "words"), [(7, "今天 8 時以後"), (8, "一小時內"), (23, "今晚或明天 8 時以後")]
)
@pytest.mark.usefixtures("small", "mailbox")
def test_the_preview_says_when_the_mail_goes(clerk, time_machine, hour, words):
    time_machine.move_to(NOON.replace(hour=hour))
    assert f"{words}寄出" in preview(clerk, whom="all", light="behind")[0]
