"""The chain of the trail, whether events come one by one or many at once."""

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.transaction import TransactionManagementError

from ismp.accounts.models import Account, PasswordReset
from ismp.audit import text_mask, trail
from ismp.audit.models import Audited, Event
from ismp.audit.verbs import find
from ismp.ui.resources import history

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("count", [1, 3, 250])
def test_many_events_stand_in_the_chain_as_one_by_one(count):
    entries = [
        trail.Entry(
            find("x"), "382990001Z", f"thing:{n}", {"line": n, "changes": [("數量", "1", "甲\t\\")]}
        )
        for n in range(count)
    ]
    with transaction.atomic():
        trail.record(find("x"), actor="before")
        trail.record_many(entries, actor="")
        trail.record(find("x"), actor="after", at_once=True)
    assert list(trail.faults()) == []
    events = Event.objects.order_by("number").values_list("number", "actor", "subject")
    assert list(events) == [
        (1, "before", ""),
        *((2 + n, trail.SYSTEM, f"thing:{n}") for n in range(count)),
        (2 + count, "after", ""),
    ]
    assert trail.newest() == 2 + count
    last = Event.objects.get(number=1 + count)
    assert last.detail == {"line": count - 1, "changes": [["數量", "1", "甲\t\\"]]}
    Event.objects.filter(number=2).update(actor="x")
    assert len(list(trail.faults())) == 1


@pytest.mark.django_db(transaction=True)
def test_many_events_belong_in_the_transaction_of_their_action():
    with pytest.raises(TransactionManagementError):
        trail.record_many([trail.Entry(find("x"))], actor="x")


def test_an_event_says_of_a_thing_what_the_thing_says_of_itself(city):
    account = Account.objects.select_related("agency").first()
    agency, verb = account.agency, find("x")
    assert trail.about(verb, account, line=1) == trail.Entry(
        verb, agency.code, f"account:{account.username}", {"line": 1}
    )
    assert trail.about(verb, agency) == trail.Entry(verb, agency.code, f"agency:{agency.pk}", {})
    entry = trail.about(verb, account, agency="", subject="page:x")
    assert (entry.agency, entry.subject) == ("", "page:x")
    assert trail.about(verb, count=2) == trail.Entry(verb, "", "", {"count": 2})


def test_a_thing_of_several_words_names_itself_whole(city):
    reset = PasswordReset(account=Account.objects.first(), asked_by=Account.objects.last())
    entry = trail.about(find("x"), reset, way="mail")
    assert entry.subject == reset.account.audit_subject
    assert entry.detail.keys() == {"account", "asked_by", "way"}


def test_every_thing_of_the_trail_names_itself_differently():
    """Two models of one name would show each other's history."""
    names = [
        one.audit_name or one._meta.model_name
        for one in apps.get_models()
        if issubclass(one, Audited) and "audit_subject" not in vars(one)
    ]
    assert len(names) == len(set(names))


def test_without_a_mask_of_texts_nothing_is_recorded(monkeypatch):
    """It is registered by accounts; a trail that cannot mask national IDs takes no event."""
    monkeypatch.setattr(text_mask, "_mask", text_mask._unregistered)
    with pytest.raises(ImproperlyConfigured), transaction.atomic():
        trail.record(find("x"), actor="x")
    assert not Event.objects.exists()


def test_the_packages_above_say_how_texts_are_masked_and_events_read():
    assert text_mask.mask({"A123456789": ["B229870008 王"]}) == {"A12345****": ["B22987**** 王"]}
    event = Event(verb="appoint", detail={"role": "教師", "changes": [("角色", "", "教師")]})
    assert history.in_words([event]) == [(event, "指派角色", "角色 教師、角色 （空白） → 教師")]
