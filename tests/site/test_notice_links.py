"""Every notice leads somewhere: its link opens for the person who received it."""

import ast
import traceback
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import resolve
from django.utils import timezone

import ismp
from ismp.accounts.models import Agency
from ismp.applications.actions import asking as requests
from ismp.applications.actions import deciding, delegating
from ismp.external_hours import actions as external
from ismp.notifications.models import Notice
from ismp.portal import actions as portal
from ismp.security import reminders
from ismp.security.advisories.actions import advisories as advisory_actions
from ismp.security.advisories.actions import uploaded_files
from ismp.security.devices.actions import campaigns as campaign_actions
from ismp.security.devices.actions import decisions as decision_actions
from ismp.security.devices.actions import devices as device_actions
from ismp.security.devices.actions import products as product_actions
from ismp.security.incidents import actions as incident_actions
from ismp.security.incidents.levels import Answer, Aspect, Harm, Subject
from ismp.security.models import Advisory, Device, RestrictedProduct
from ismp.ui.text import roc_dates
from tests.support.rights import MATRIX, ROLES
from tests.support.things import claim_of

pytestmark = pytest.mark.django_db
HERE = Path(ismp.__file__).parent
SMALL = {Aspect.AVAILABILITY: Answer(Subject.NON_CORE, Harm.SLIGHT)}
BIG = {Aspect.CONFIDENTIALITY: Answer(Subject.CORE, Harm.SERIOUS)}

OPEN_TO_ALL = {
    ("compliance/people/reminders.py", "remind"): "portal:home",
    ("courses/classroom/actions/classes.py", "_tell"): "courses:course",
    ("courses/actions.py", "enroll"): "courses:learn",
    ("courses/classroom/actions/attendance.py", "_give"): "courses:course",
    ("courses/classroom/actions/attendance.py", "_withdraw"): "courses:course",
    ("courses/online/actions/learning.py", "_complete_if_done"): "courses:course",
    ("applications/actions/deciding.py", "decide_application"): "portal:hours",
}
"""Told elsewhere (each by the tests of its package), with an address that opens for everybody."""
ELSEWHERE = {
    (
        "accounts/consequences.py",
        "tell",
    ): "tests/integration/accounts/test_person_links.py and test_password_resets.py walk its links",
    (
        "security/advisories/actions/importing.py",
        "tell",
    ): "the link of `publish`, to the same people",
    (
        "security/advisories/actions/advisories.py",
        "remove",
    ): "has no link: there is nothing left to open",
}


def sites():
    """(file, function) of every place that tells somebody something."""
    found = set()
    for file in HERE.rglob("*.py"):
        for function in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef) and function.name != "notify":
                calls = [one for one in ast.walk(function) if isinstance(one, ast.Call)]
                if any(getattr(one.func, "id", "") == "notify" for one in calls):
                    found.add((str(file.relative_to(HERE)), function.name))
    return found


@pytest.fixture
def reported(monkeypatch):
    """{(file, function): ids of the notices that it left}."""
    found = {}
    create = Notice.objects.bulk_create

    def noted(notices, **options):
        made = create(notices, **options)
        frames = [one for one in traceback.extract_stack() if one.filename.startswith(str(HERE))]
        there = next(
            one for one in reversed(frames) if "notifications" not in Path(one.filename).parts
        )
        site = (str(Path(there.filename).relative_to(HERE)), there.name)
        found.setdefault(site, []).extend(one.pk for one in made)
        return made

    monkeypatch.setattr(Notice.objects, "bulk_create", noted)
    return found


@pytest.fixture
def people(account):
    return {
        "staff": account("EP1003"),
        "handler": account("EP1001", "agency_admin"),
        "second": account("EP1002", "agency_admin"),
        "officer": account("EP1005"),
        "other": account("CU1001", "agency_admin"),
        "platform": account("IC1001", "platform_admin"),
    }


def opens(client, notices):
    """The links that do not open for whoever received them."""
    for notice in Notice.objects.filter(pk__in=notices).select_related("account"):
        client.force_login(notice.account)
        if notice.link:
            status = client.get(notice.link).status_code
            if status != 200:
                yield f"{notice.account.role} {notice.subject}: {notice.link} {status}"


def of_incidents(people):
    handler, platform = people["handler"], people["platform"]
    incident_actions.name_officer(people["officer"], by=handler)
    what = {"title": "示範", "description": "示範", "known_at": timezone.now()}
    opened = {"agency": handler.agency, "by": people["staff"], **what}
    for answers, worse in ((BIG, SMALL), (SMALL, BIG)):
        incident = incident_actions.open_incident(answers=answers, **opened)
        incident_actions.report(incident, by=handler)
        incident_actions.review(incident, accept=False, comment="請補", by=platform)
        incident_actions.report(incident, by=handler)
        incident_actions.review(incident, accept=True, comment="", by=platform)
        incident_actions.change_level(incident, worse, by=handler)
        incident_actions.review(incident, accept=True, comment="", by=platform)
        incident_actions.recover(incident, at=timezone.now(), text="", by=handler)
        incident_actions.finish(incident, "改善", by=handler)
        incident_actions.close(incident, accept=True, comment="同意", by=platform)
    mistaken = incident_actions.report(
        incident_actions.open_incident(answers=BIG, **opened), by=handler
    )
    incident_actions.withdraw(mistaken, reason="誤報", by=people["staff"])
    incident_actions.reinstate(mistaken, reason="請補證據", by=platform)


def of_devices(people):
    handler, platform = people["handler"], people["platform"]
    for number in ("1", "2"):
        held = Device(
            agency=handler.agency,
            asset_no=number,
            kind="hardware",
            brand="示範牌",
            network="offline",
        )
        device_actions.save_device(held, by=handler)
    today = timezone.localdate()
    product = RestrictedProduct(brand="示範牌", letter="函", issued_on=today)
    product_actions.restrict([product], by=platform)
    whole = {"kind": "keep", "reason": "業務需要", "measure": "獨立網段"}
    whole["expires_on"] = today + timedelta(days=20)
    first, second = Device.objects.order_by("asset_no")
    decision = decision_actions.decide(first, **whole, by=handler)  # asks the officer
    decision_actions.approve(decision, accept=True, comment="", by=people["officer"])
    incident_actions.name_officer(handler, by=people["second"])
    asked = decision_actions.decide(second, **whole, by=handler)  # the officer
    decision_actions.approve(asked, accept=False, comment="請汰換", by=people["second"])
    decision_actions.decide(second, kind="retire", retire_by=today, by=handler)
    year = roc_dates.roc_year(today)
    campaign = campaign_actions.open_campaign(year=year, due_on=today, by=platform)
    campaign_actions.extend_campaign(
        campaign, due_on=today + timedelta(days=3), reason="展延", by=platform
    )
    campaign_actions.sign_off(campaign, agency=handler.agency, by=handler)
    campaign_actions.withdraw_sign_off(campaign, agency=handler.agency, reason="漏列", by=handler)


def of_advisories(people):
    today = timezone.localdate()
    advisory = Advisory(title="示範情資", severity="high", source="示範中心", issued_on=today)
    advisory_actions.save(advisory, by=people["platform"])
    agencies = list(Agency.objects.all())
    due = today + timedelta(days=1)
    advisory_actions.publish(advisory, agencies=agencies, due_on=due, by=people["platform"])
    later = today + timedelta(days=2)
    advisory_actions.extend(advisory, due_on=later, reason="展延", by=people["platform"])
    sent = SimpleUploadedFile("情資.json", b"{}")
    file = uploaded_files.receive(sent, by=people["platform"])
    uploaded_files.read_file.func(file.pk)


def of_requests(people):
    today = timezone.localdate()
    asked = {"identities": "it+general", "since": today, "reason": "職務調整"}
    change = requests.ask_for_identities(**asked, by=people["staff"])
    deciding.decide_identities(change, accept=True, comment="", by=people["handler"])
    transfer = requests.ask_for(
        username=people["staff"].username,
        name=people["staff"].name,
        department=None,
        since=today,
        reason="商調",
        by=people["other"],
    )
    deciding.decide_transfer(transfer, accept=False, comment="暫緩", by=people["handler"])
    span = {"since": today, "until": today + timedelta(days=3)}
    delegating.delegate(username=people["second"].username, **span, by=people["handler"])


def of_hours_and_tickets(people):
    claim = claim_of(people["staff"])
    external.refuse(claim, comment="證明不清楚", by=people["handler"])
    values = {"subject": "匯入", "place": "", "body": "看不懂", "contact": "1", "run": None}
    ticket = portal.open_ticket(**values, by=people["staff"])
    portal.answer(ticket, body="請重新上傳", by=people["platform"])
    portal.answer(ticket, body="還是不行", by=people["staff"])
    portal.close_ticket(ticket, by=people["platform"])


def test_every_link_opens_for_its_recipient(client, people, reported):
    seen = set()
    for scenario in (
        of_incidents,
        of_devices,
        of_advisories,
        lambda _: reminders.remind(),
        of_requests,
        of_hours_and_tickets,
    ):
        scenario(people)
        new = {pk for notices in reported.values() for pk in notices} - seen
        assert not list(opens(client, new))
        seen |= new
    assert sites() - set(OPEN_TO_ALL) - set(ELSEWHERE) == set(reported) - set(OPEN_TO_ALL) - set(
        ELSEWHERE
    )


def test_notices_from_elsewhere_lead_where_everybody_may_go(things):
    assert set(OPEN_TO_ALL) | set(ELSEWHERE) <= sites()
    for address in OPEN_TO_ALL.values():
        assert MATRIX[address] == set(ROLES)
    assert resolve("/my/hours/").view_name == "portal:hours"
