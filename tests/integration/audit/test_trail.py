"""The chain of the trail, whether events come one by one or many at once."""

import pytest
from django.db import transaction
from django.db.transaction import TransactionManagementError

from ismp.audit import trail
from ismp.audit.models import Event
from ismp.audit.verbs import find

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
    told = Event.objects.order_by("number").values_list("number", "actor", "subject")
    assert list(told) == [
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
