"""From where each event comes: address, session and request, signed with the rest."""

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client

from ismp.accounts.models import Account
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.audit.verbs import find

pytestmark = pytest.mark.django_db
HERE = "192.0.2.5"


@pytest.fixture
def browser(account):
    def made(username, role, address=HERE):
        client = Client(REMOTE_ADDR=address)
        client.force_login(account(username, role))
        return client

    return made


def test_an_event_says_where_it_comes_from(browser, account):
    client = browser("IC1001", "agency_admin")
    made = {"name": "測試科"}
    answer = client.post("/manage/departments/add/", made)
    event = Event.objects.first()
    assert (event.verb, event.address) == ("save_department", HERE)
    assert len(event.session) == 12 and len(event.reference) == 8
    assert client.session.session_key not in str(Event.objects.values())
    client.get(f"{answer['Location']}history/")
    client.get("/manage/departments/export/")
    assert Event.objects.first().session == event.session
    assert Event.objects.first().reference != event.reference
    other = browser("IC1002", "agency_admin")
    other.get("/manage/departments/export/")
    assert Event.objects.first().session not in {"", event.session}


def test_signing_in_and_out_bear_the_same_session(account):
    person = account("IC1001")
    person.set_password("right-password-1")
    person.save()
    client = Client(REMOTE_ADDR=HERE)
    client.post("/accounts/login/", {"username": "IC1001", "password": "right-password-1"})
    client.post("/accounts/logout/")
    out, entered = Event.objects.all()[:2]
    assert (entered.verb, out.verb) == ("sign_in", "sign_out")
    assert entered.session == out.session != ""


def test_what_workers_and_commands_do_comes_from_nowhere(city):
    assert set(Event.objects.values_list("address", "session", "reference")) == {("", "", "")}


@pytest.mark.parametrize("field", ["address", "session", "reference"])
def test_the_signature_covers_where_an_event_comes_from(browser, field):
    browser("IC1001", "agency_admin").get("/manage/departments/export/")
    assert not list(trail.faults())
    Event.objects.filter(number=trail.newest()).update(**{field: "203.0.1"})
    assert len(list(trail.faults())) == 1
    with pytest.raises(CommandError):
        call_command("verify_trail")


def test_a_refused_page_is_noted_once_a_minute(browser):
    client = browser("IC1001", "staff")
    for _ in range(3):
        assert client.get("/manage/trail/?q=secret").status_code == 403
    assert client.get("/manage/accounts/1/").status_code == 403
    refused = Event.objects.filter(verb="refuse_page").order_by("number")
    assert list(refused.values_list("actor", "subject", "address", "detail")) == [
        ("IC1001", "page:manage:trail", HERE, {"page": "/manage/trail/"}),
        ("IC1001", "page:people:page", HERE, {"page": "/manage/accounts/<int:people_id>/"}),
    ]
    Event.objects.filter(verb="refuse_page").update(at="2026-01-01T00:00:00Z")
    client.get("/manage/trail/")
    assert refused.count() == 3
    assert browser("IC1001", "staff", "192.0.2.6").get("/manage/trail/").status_code == 403
    assert refused.count() == 4
    assert Client().get("/manage/trail/").status_code == 302
    assert refused.count() == 4


def test_a_form_without_its_token_is_a_refusal_too(account):
    client = Client(enforce_csrf_checks=True, REMOTE_ADDR=HERE)
    client.force_login(account("IC1001", "agency_admin"))
    assert client.post("/manage/departments/add/", {"name": "x"}).status_code == 403
    assert Event.objects.first().subject == "page:departments:add"


def test_the_trail_shows_and_finds_where_events_come_from(browser):
    browser("IC1001", "agency_admin", "198.51.100.23").get("/manage/departments/export/")
    found = Event.objects.first()
    client = browser("IC1002", "auditor")
    for asked in ("198.51.100.23", "198.51.100.", found.session, found.reference.lower()):
        page = client.get("/manage/trail/", {"q": asked})
        assert [event.number for event, *_ in page.context["events"]] == [found.number]
        shown = page.content.decode()
        assert "198.51.100.23" in shown and found.session in shown and found.reference in shown
    assert not client.get("/manage/trail/", {"q": "198.51.100.99"}).context["events"]


def test_a_number_that_is_looked_for_in_the_trail_leaves_the_address(browser):
    answer = browser("IC1002", "auditor").get("/manage/trail/?verb=sign_in&q=A%20123456789")
    assert answer["Location"] == "/manage/trail/?verb=sign_in"


def test_once_means_once_also_in_the_same_moment(city):
    from datetime import timedelta

    values = {"actor": "x", "subject": "page:x"}
    with transaction.atomic():
        assert trail.is_new(find("refuse_page"), within=timedelta(minutes=1), **values)
        trail.record(find("refuse_page"), **values)
    with transaction.atomic():
        assert not trail.is_new(find("refuse_page"), within=timedelta(minutes=1), **values)
        assert trail.is_new(find("sign_in_failed"), within=timedelta(minutes=1), **values)
    assert Account.objects.exists()
