"""Reminders before deadlines: to those who answer for it, on the right day, each told once."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from ismp.accounts.models import Account
from ismp.audit.models import Event
from ismp.notifications.actions import send_digests
from ismp.notifications.models import Notice
from ismp.security import reminders
from ismp.security.advisories.actions import advisories as advisory_actions
from ismp.security.devices.actions import campaigns as campaign_actions
from ismp.security.devices.actions import decisions as decision_actions
from ismp.security.devices.actions import devices as device_actions
from ismp.security.devices.actions import products as product_actions
from ismp.security.incidents import actions as incident_actions
from ismp.security.incidents.levels import Answer, Aspect, Subject
from ismp.security.models import (
    Advisory,
    Campaign,
    Decision,
    Device,
    Ended,
    Reminder,
    Reply,
    RestrictedProduct,
)
from tests.support.concurrency import at_once
from tests.support.smtp import text_of

pytestmark = pytest.mark.django_db
TAIPEI = ZoneInfo("Asia/Taipei")
START = datetime(2026, 11, 25, 12, tzinfo=TAIPEI)
DUE = date(2026, 12, 10)
SMALL = {Aspect.INTEGRITY: Answer(Subject.NON_CORE)}


@pytest.fixture(autouse=True)
def clock(time_machine, city):
    """Starts at noon; called with a day and an hour it stands there."""

    def stands(day, hour=12, minute=0):
        time_machine.move_to(datetime(day.year, day.month, day.day, hour, minute, tzinfo=TAIPEI))

    time_machine.move_to(START, tick=False)
    return stands


@pytest.fixture
def handler(account):
    return account("IC1001", "agency_admin")


@pytest.fixture
def platform(account):
    return account("EP1001", "platform_admin")


def announced():
    own = Notice.objects.filter(kind="deadline").order_by("pk")
    return list(own.values_list("account__username", "subject"))


def twice():
    """Return the reminders of one round; another one finds nothing left."""
    Notice.objects.all().delete()
    reminders.remind()
    once = announced()
    assert reminders.remind() == 0 and announced() == once
    return once


def published(handler, platform, *agencies):
    advisory = Advisory(
        title="示範弱點", severity="high", source="示範", issued_on=date(2026, 11, 1)
    )
    advisory_actions.save(advisory, by=platform)
    agencies = agencies or [handler.agency]
    return advisory_actions.publish(advisory, agencies=agencies, due_on=DUE, by=platform)


def test_an_advisory_three_days_before_and_on_its_day(handler, platform, clock):
    published(handler, platform)
    clock(DUE - timedelta(days=4))
    assert twice() == []
    clock(DUE - timedelta(days=3), 0)
    assert twice() == [("IC1001", "情資尚未回覆：示範弱點（115-12-10 到期）")]
    clock(DUE - timedelta(days=2))
    assert twice() == []
    clock(DUE, 0, 1)
    assert twice() == [("IC1001", "情資尚未回覆：示範弱點（今天到期）")]
    events = Event.objects.filter(verb="remind_deadline")
    assert events.count() == 2 and {one.agency for one in events} == {handler.agency.code}


def test_an_overdue_advisory_is_notified_each_week_and_to_the_platform(handler, platform, clock):
    advisory = published(handler, platform)
    clock(DUE + timedelta(days=1))
    assert sorted(twice()) == sorted(
        [
            (handler.username, "情資尚未回覆：示範弱點（已逾期 1 天）"),
            (platform.username, "有 1 個機關逾期未回覆情資：示範弱點（已逾期 1 天）"),
        ]
    )
    clock(DUE + timedelta(days=7))
    assert twice() == []
    clock(DUE + timedelta(days=8))
    assert sorted(words for _, words in twice()) == [
        "情資尚未回覆：示範弱點（已逾期 8 天）",
        "有 1 個機關逾期未回覆情資：示範弱點（已逾期 8 天）",
    ]
    advisory_actions.end(advisory, Ended.CLOSED, reason="已無影響", by=platform)
    clock(DUE + timedelta(days=15))
    assert twice() == []


def test_who_has_answered_is_left_alone_and_others_are_not(handler, platform, clock, account):
    other = account("CU1001", "agency_admin")
    advisory = published(handler, platform, handler.agency, other.agency)
    own = advisory.addresses.get(agency=handler.agency)
    advisory_actions.answer(own, Reply.DONE, evidence="已更新", by=handler)
    clock(DUE - timedelta(days=1))
    assert [username for username, _ in twice()] == ["CU1001"]


def test_an_agency_without_a_handler_is_notified_when_it_has_one(handler, platform, clock, account):
    other = account("CU1001")
    published(handler, platform, other.agency)
    clock(DUE)
    assert twice() == [] and not Reminder.objects.exists()
    account("CU1001", "agency_admin")
    assert [username for username, _ in twice()] == ["CU1001"]


def test_how_many_days_before_is_a_setting(handler, platform, clock, settings):
    settings.ADVISORY_REMIND_DAYS = 10
    published(handler, platform)
    clock(DUE - timedelta(days=10))
    assert len(twice()) == 1


def test_a_deadline_that_was_moved_is_notified_anew(handler, platform, clock):
    advisory = published(handler, platform)
    clock(DUE)
    assert len(twice()) == 1
    later = DUE + timedelta(days=2)
    advisory_actions.extend(advisory, due_on=later, reason="更新較慢", by=platform)
    assert twice() == [("IC1001", "情資尚未回覆：示範弱點（115-12-12 到期）")]


def opened(handler, **changes):
    values = {"title": "勒索軟體", "description": "x", "answers": SMALL, "known_at": timezone.now()}
    return incident_actions.open_incident(agency=handler.agency, by=handler, **values | changes)


def test_an_incidents_clock_at_half_of_its_time_and_when_it_is_over(handler, platform, clock):
    incident = opened(handler)
    number = incident.number
    clock(START, 12, 29)
    assert twice() == []
    clock(START, 12, 30)
    assert twice() == [("IC1001", f"資安事件 {number}「通報」期限 115-11-25 13:00")]
    clock(START, 13, 1)
    assert twice() == [("IC1001", f"資安事件 {number}「通報」已逾期")]
    incident_actions.report(incident, by=handler)
    clock(START, 17, 1)
    review = f"資安事件 {number}「審核」期限 115-11-25 21:01"
    assert twice() == [("EP1001", review)]  # who receives reports, not the agency
    clock(START + timedelta(days=1), 0)
    assert twice() == [("EP1001", f"資安事件 {number}「審核」已逾期")]
    clock(START + timedelta(days=2), 0)
    assert twice() == [("IC1001", f"資安事件 {number}「損害控制或復原」期限 115-11-28 12:00")]


def test_a_drill_says_that_it_is_one_and_what_is_closed_says_nothing(handler, platform, clock):
    incident = opened(handler, is_drill=True)
    clock(START, 14)
    assert [words[:8] for _, words in twice()] == ["資安事件（演練）"]
    incident.state = "closed"
    incident.save()
    clock(START + timedelta(days=9))
    assert twice() == []


def test_the_inventory_seven_days_before_and_on_its_day(handler, platform, clock, account):
    account("CU1001", "agency_admin")
    campaign = campaign_actions.open_campaign(year=115, due_on=DUE, by=platform)
    campaign_actions.sign_off(campaign, agency=platform.agency, by=platform)
    clock(DUE - timedelta(days=8))
    assert twice() == []
    clock(DUE - timedelta(days=7))
    words = "115 年度管制設備盤點尚未簽署（115-12-10 到期）"
    assert sorted(twice()) == [("CU1001", words), ("IC1001", words)]
    campaign_actions.sign_off(campaign, agency=handler.agency, by=handler)
    clock(DUE)
    assert twice() == [("CU1001", "115 年度管制設備盤點尚未簽署（今天到期）")]
    assert Campaign.objects.count() == 1


def kept(handler, approver, until):
    product = RestrictedProduct(brand="示範牌", letter="第1號", issued_on=date(2026, 1, 1))
    product_actions.save_product(product, by=approver)
    device = Device(
        agency=handler.agency, asset_no="T-1", kind="hardware", brand="示範牌", network="official"
    )
    device_actions.save_device(device, by=handler)
    return device, keep(device, handler, approver, until)


def keep(device, handler, approver, until):
    asked = {"kind": Decision.Kind.KEEP, "reason": "業務需要", "measure": "獨立網段"}
    decision = decision_actions.decide(device, **asked, expires_on=until, by=handler)
    return decision_actions.approve(decision, accept=True, comment="", by=approver)


def test_an_exception_thirty_days_before_it_ends(handler, platform, clock):
    end = date(2027, 1, 15)
    device, _ = kept(handler, platform, end)
    clock(end - timedelta(days=31))
    assert twice() == []
    clock(end - timedelta(days=30))
    assert twice() == [("IC1001", "設備例外留用將於 116-01-15 到期：示範牌 （T-1）")]
    clock(end - timedelta(days=3))
    assert twice() == []
    keep(device, handler, platform, end + timedelta(days=300))
    clock(end - timedelta(days=1))
    assert twice() == []  # another decision has taken its place
    clock(end + timedelta(days=280))
    assert len(twice()) == 1
    Notice.objects.all().delete()
    Reminder.objects.all().delete()
    device_actions.retire(Device.objects.all(), on=timezone.localdate(), by=handler)
    assert twice() == []


def test_a_worker_killed_in_the_midst_leaves_nothing_and_the_next_tells(
    handler, platform, clock, monkeypatch
):
    published(handler, platform)
    clock(DUE)
    Notice.objects.all().delete()

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(reminders.trail, "record", killed)
        with pytest.raises(KeyboardInterrupt):
            reminders.remind()
    assert announced() == [] and not Reminder.objects.exists()
    assert reminders.remind() == 1 and len(announced()) == 1


def test_of_two_workers_one_tells(handler, platform, clock, monkeypatch):
    """The other one read what was told before this one told it."""
    published(handler, platform)
    clock(DUE)
    Notice.objects.all().delete()
    [found] = [one for source in reminders._SOURCES for one in source(timezone.now())]
    assert reminders._tell(found) and not reminders._tell(found)
    assert len(announced()) == 1


def test_they_go_out_in_the_one_digest_of_the_day(handler, platform, clock, mailbox):
    clock(START)  # the mailbox stands at noon of the real day
    published(handler, platform)
    Notice.objects.all().delete()
    campaign_actions.open_campaign(year=115, due_on=DUE, by=platform)
    Notice.objects.all().delete()
    clock(DUE)
    Account.objects.exclude(pk=handler.pk).update(email="")
    assert reminders.remind() == 1 + 2  # both agencies that have somebody who answers
    assert (send_digests(), send_digests()) == (1, 0)
    [(to, content)] = mailbox.letters
    assert to == [handler.email]
    letter = text_of(content)
    assert "情資尚未回覆" in letter and "盤點尚未簽署" in letter and handler.name not in letter


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_workers_at_the_same_moment_tell_once(city, clock, account):
    handler, platform = account("IC1001", "agency_admin"), account("EP1001", "platform_admin")
    published(handler, platform)
    clock(DUE)
    Notice.objects.all().delete()
    made = at_once(reminders.remind, reminders.remind)
    assert sum(made) == 1 and len(announced()) == 1
    assert Event.objects.filter(verb="remind_deadline").count() == 1
