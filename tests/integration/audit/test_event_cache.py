"""Values cached until an action: read once, and never older than the newest action; and
the queries of each page once the cache is warm."""

from datetime import timedelta

import pytest
import time_machine
from django.db import connection, transaction
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ismp.accounts import verbs
from ismp.accounts.actions import postings as accounts
from ismp.accounts.roles import Role
from ismp.applications.actions import delegating
from ismp.audit import event_cache, trail
from ismp.audit.event_cache import EventCache, EventCacheMiddleware
from ismp.audit.models import Event
from ismp.audit.verbs import find
from ismp.compliance.models import PolicyVersion
from ismp.compliance.rules import actions as rules
from ismp.compliance.standing import one_person
from ismp.compliance.standing.table import InForce
from ismp.portal import actions as portal
from ismp.portal.models import Page, PageVersion
from ismp.reviews import context_processors
from ismp.reviews.queue import principals_of, waiting_for
from tests.support.portal_files import data, row

pytestmark = pytest.mark.django_db
LIST, RUNS = "/manage/learning-map/agency-hours/", "/manage/learning-map/runs/"


@pytest.fixture
def outside(db, monkeypatch):
    """As on the site, where a request is not within the transaction that a test is rolled back by."""
    depth = len(connection.savepoint_ids)
    monkeypatch.setattr(
        event_cache, "_in_a_transaction", lambda: len(connection.savepoint_ids) > depth
    )
    happen("begin")


def happen(verb, agency=""):
    with transaction.atomic():
        trail.record(find(verb), actor="x", agency=agency)


def signs_in(event):
    return event.verb is verbs.SIGN_IN


class Source:
    """Something to be read, that counts how often it is."""

    def __init__(self, **rule):
        self.value, self.reads, self._kept = 1, 0, EventCache(**rule)

    def get(self, key="key"):
        return self._kept.get(key, self._read)

    def _read(self):
        self.reads += 1
        return self.value


# --- What holds of anything that is kept -----------------------------------------------------


def test_it_is_read_once_until_an_action_that_concerns_it(outside):
    source = Source(concerns=lambda event, _: not signs_in(event) and event.agency != "B")
    assert [source.get(), source.get(), source.reads] == [1, 1, 1]
    source.value = 2
    for action in (("sign_in", "A"), ("grade", "B")):
        happen(*action)
        assert source.get() == 1
    happen("grade", "A")
    assert [source.get(), source.get(), source.reads] == [2, 2, 2]


def test_each_key_has_its_own(outside):
    source = Source(most=2)
    assert [source.get(key) for key in "abab"] == [1, 1, 1, 1]
    assert source.reads == 2
    source.get("c")  # the oldest makes room
    source.get("b")
    assert source.reads == 3
    source.get("a")
    assert source.reads == 4


def test_within_an_action_all_is_read_anew_and_nothing_is_kept(outside):
    source = Source()
    with transaction.atomic():
        trail.record(verbs.GRADE, actor="x")
        assert [source.get(), source.get(), source.reads] == [1, 1, 2]
        transaction.set_rollback(True)
    source.value = 3
    assert source.get() == 3


def test_what_was_read_while_an_action_happened_is_not_kept(outside):
    source, other = Source(), Source()

    def read():
        happen("grade")
        other.get()  # another request of this process hears of it meanwhile
        return "perhaps old"

    assert source._kept.get("key", read) == "perhaps old"
    assert source.get() == 1


def test_other_events_with_the_same_numbers_are_another_history(outside):
    """After a restore nothing that is kept holds, whatever the numbers say."""
    source = Source()
    mark = transaction.savepoint()
    happen("save_page")
    assert source.get() == 1
    transaction.savepoint_rollback(mark)
    source.value = 2
    happen("save_page")
    assert source.get() == 2


def test_a_process_that_missed_much_begins_anew(outside, monkeypatch):
    monkeypatch.setattr(event_cache, "_MOST_EVENTS", 3)
    source = Source(concerns=lambda event, _: not signs_in(event))
    source.get()
    happen("sign_in")
    source.get()
    assert source.reads == 1
    for _ in range(5):
        happen("sign_in")
    source.get()
    assert source.reads == 2


def test_a_request_looks_once_and_again_after_its_own_action(outside):
    source, looks = Source(), []

    def view(request):
        with CaptureQueriesContext(connection) as queries:
            source.get("a")
            source.get("b")
        looks.append(len(queries))
        source.value = 2
        happen("grade")
        assert source.get("a") == 2
        return HttpResponse()

    source.get("c")
    EventCacheMiddleware(view)(None)
    assert looks == [1]


# --- What is kept ----------------------------------------------------------------------------


def test_rules_grades_and_texts_are_never_older_than_the_newest_action(outside, clerk_of):
    today, platform = timezone.localdate(), clerk_of["platform"]
    agency = clerk_of["here"].agency

    def seen():
        return (
            InForce.on(today).policy.grace_days,
            one_person.grade_of(agency.pk, today),
            PageVersion.current(Page.KEYWORDS).body,
        )

    seen()
    rules.set_policy(two_years="rolling", grace_days=7, unlisted=True, since=today, by=platform)
    assert seen()[0] == 7
    accounts.grade(agency, "B", since=today, by="x")
    assert seen()[1] == "B"
    portal.save_page(Page.KEYWORDS, body="社交工程", based_on=0, by=platform)
    assert seen()[2] == "社交工程"
    PolicyVersion.objects.update(grace_days=9)  # no action does that: so it is known to be kept
    assert seen()[0] == 7


def test_what_is_proposed_and_undone_is_not_what_is_in_force(outside, clerk_of):
    today = timezone.localdate()
    before = InForce.on(today)
    with transaction.atomic():
        rules.set_policy(
            two_years="pairs", grace_days=7, unlisted=True, since=today, by=clerk_of["platform"]
        )
        assert InForce.on(today) != before
        transaction.set_rollback(True)
    assert InForce.on(today) == before


def test_the_menu_counts_what_waits_after_each_action(outside, make_things, monkeypatch, clerk_of):
    """Every action of the fixture `things`, and then each decision: as freshly counted, each time."""
    everybody = [*clerk_of.values()]
    record, reported = trail.record, set()

    def compare():
        for user in everybody:
            assert context_processors._waiting_for(user) == len(waiting_for(user))
            assert context_processors._principals_of(user).count == len(principals_of(user))

    def recorded(verb, *thing, **detail):
        event = record(verb, *thing, **detail)
        reported.add(verb.name)
        with monkeypatch.context() as patch:  # nobody else sees it yet; it is all there, though
            patch.setattr(event_cache, "_in_a_transaction", lambda: False)
            compare()
        return event

    compare()
    monkeypatch.setattr(trail, "record", recorded)
    make_things()
    here, platform = clerk_of["here"], clerk_of["platform"]
    for user in everybody:
        accounts.appoint(user, Role(user.role), by="x")  # the fixture appoints as it likes
    compare()
    today = timezone.localdate()
    decided = 0
    for one in waiting_for(platform):
        if one.deciding and platform.pk not in one.barred:
            one.decide(accept=False, comment="資料不完整", by=platform)
            decided += 1
    assert decided >= 4
    delegating.delegate(username="IC1003", since=today, until=today, by=here)
    compare()
    assert {"incident", "decide_device", "claim_hours", "ask_identities"} <= reported


def test_a_delegate_sees_the_count_during_the_delegation(outside, account):
    here, colleague = account("IC1001", "agency_admin"), account("IC1003")
    today = timezone.localdate()
    assert context_processors._principals_of(colleague).count == 0
    held = delegating.delegate(username="IC1003", since=today, until=today, by=here)
    assert context_processors._principals_of(colleague).count == 1
    with time_machine.travel(today + timedelta(days=1)):
        assert context_processors._principals_of(colleague).count == 0
    delegating.end_delegation(held, by=here)
    assert context_processors._principals_of(colleague).count == 0


def test_who_begins_to_serve_elsewhere_leaves_an_event(account, city, monkeypatch):
    tomorrow = timezone.localdate() + timezone.timedelta(days=1)
    accounts.assign(account("IC1002"), status="left", since=tomorrow, by="x")
    monkeypatch.setattr(accounts.timezone, "localdate", lambda: tomorrow)
    assert accounts.apply_due() == 1
    assert Event.objects.get(verb="begin_serving").subject == "account:IC1002"


# --- What each page asks -----------------------------------------------------------------------

MOST_QUERIES = {
    ("staff", "/"): 12,
    ("staff", "/notices/"): 5,
    ("staff", "/faq/"): 4,
    (None, "/accounts/login/"): 1,
    ("agency_admin", "/"): 12,
    ("agency_admin", RUNS): 7,
    ("agency_admin", LIST): 11,
    ("agency_admin", f"{LIST}?field=name&q=%E9%99%B3"): 13,
}


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(("role", "address"), MOST_QUERIES)
def test_a_warm_page_asks_little(client, account, import_bytes, role, address):
    import_bytes(data(*(row(term=str(n)) for n in range(60))))
    if role:
        client.force_login(account("IC1001", role))
    for _ in range(2):
        assert client.get(address).status_code == 200
    with CaptureQueriesContext(connection) as queries:
        client.get(address)
    asked = [one["sql"] for one in queries if "SAVEPOINT" not in one["sql"]]
    assert len(asked) <= MOST_QUERIES[role, address], asked
