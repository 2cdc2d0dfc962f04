"""Pairs of actions on one thing, sent in the same moment: as if one had come after the other.

Of each module of the list kit, and of what has pages of its own; `states` says in which states.
The suite sends each action beside one other, drawn anew each day (`--pairs=2026-01-31` draws those of
that day again); `--pairs=all` sends all pairs that there are, which takes some minutes:

    python -m pytest tests/site/test_pairs.py --pairs=all [--postgresql]
"""

import random
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement, product

import pytest
from django.db import models
from django.test import Client
from django.utils import timezone

from ismp.accounts.models import Account, Agency, Department
from ismp.audit.models import Event
from ismp.courses.models import SignUp
from ismp.notifications.models import Notice
from tests.support import snapshots
from tests.support.concurrency import at_once
from tests.support.installations import Place
from tests.support.pairs import KIT, NUMBER, sendable, signed_in
from tests.support.states import STATES

READS = {("advisories", "stix"), ("advisories", "iocs")}
"""Sent_actions that only show something."""
STAYING = {Account, Agency, Department}
_ITSELF = 0.4


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory, full_town, django_db_blocker):
    """One database for all pairs, that several connections look at."""
    place = Place(tmp_path_factory.mktemp("pairs") / "home", like=full_town)
    with django_db_blocker.unblock(), place.entered():
        snapshot = snapshots.take(place)
        yield snapshot
        snapshot.close()
    with django_db_blocker.unblock():
        place.close()


# --- What can be sent ----------------------------------------------------------------------------


# --- What comes of it ----------------------------------------------------------------------------


def stored(thing, since):
    """The stored state of a thing: its fields, counts of its rows, events and notices; of
    moments, secrets and what came into being only whether there are any."""
    row = type(thing)._base_manager.filter(pk=thing.pk).values().get()
    for name, value in row.items():
        field = thing._meta.get_field(name)
        is_made = field.is_relation and field.related_model not in STAYING
        if is_made or isinstance(field, models.DateTimeField | models.BinaryField):
            row[name] = value is not None
        elif name == "source_modified":  # a moment as the file of the source writes it
            row[name] = bool(value)
        elif name == "password":
            row[name] = value[:1]
    rows = {
        one.name: one.related_model._base_manager.filter(**{one.field.name: thing.pk}).count()
        for one in thing._meta.related_objects
        if not one.field.many_to_many
    }
    if isinstance(thing, SignUp):
        session = type(thing.session).objects.get(pk=thing.session_id)
        rows["taken"] = session.taken - session.sign_ups.filter(standing="enrolled").count()
    noted = sorted(Event.objects.filter(pk__gt=since[0]).values_list("verb", flat=True))
    return row | rows | {"noted": noted, "reported": Notice.objects.count() - since[1]}


@dataclass
class Scene:
    """A thing in a state, and what two people who look at it can send."""

    name: str
    thing: models.Model
    snapshot: object
    forms: tuple[dict, dict]
    """For each of the two: by action, its client, the address and the contents of the form."""
    since: tuple[int, int]
    """The newest event, and how many notices there were."""

    @classmethod
    def set_up(cls, name, state, snapshot):
        senders = [signed_in(*one) for one in state.senders]
        thing = state.make(next(NUMBER))
        forms = tuple(drawn_for(name, state, one, thing) for one in senders)
        since = (Event.objects.latest("pk").pk, Notice.objects.count())
        snapshot.keep()
        return cls(name, thing, snapshot, forms, since)

    def pairs(self):
        first, second = map(sorted, self.forms)
        return list(
            combinations_with_replacement(first, 2) if first == second else product(first, second)
        )

    def drawn_pairs(self, chance):
        """Each action of either once: beside one of the other's, or beside itself."""
        first, second = map(sorted, self.forms)
        are_alike = first == second
        chance.shuffle(first)
        chance.shuffle(second)
        turns = range(max(len(first), len(second)))
        drawn = [(first[n % len(first)], second[n % len(second)]) for n in turns]
        itself = [are_alike and chance.random() < _ITSELF for _ in drawn]
        return [
            (one, one if same else other) for (one, other), same in zip(drawn, itself, strict=True)
        ]

    def after(self, pair, order):
        """Stored states after two actions in one order or together."""
        self.snapshot.restore()
        posts = [partial(sent, *of[action]) for of, action in zip(self.forms, pair, strict=True)]
        if order == "together":
            answers = at_once(*posts)
        else:
            answers = [post() for post in (posts if order == "first" else posts[::-1])]
        assert all(one.status_code in {200, 302, 404} for one in answers), (self.name, pair, order)
        return stored(self.thing, self.since)


def drawn_for(name, state, sender, thing):
    found = {action: form() for action, form in sendable(name, state, sender, thing).items()}
    return {action: (sender.client, *form) for action, form in found.items() if form}


def sent(client, address, data):
    window = Client()
    window.cookies = client.cookies.copy()
    return window.post(address, data)


@pytest.mark.parametrize("name", STATES)
def test_a_pair_at_once_is_one_of_its_two_orders(snapshot, name, request):
    wanted = request.config.getoption("--pairs") or timezone.localdate().isoformat()
    chance, sent_ones, noted = random.Random(f"{wanted} {name}"), set(), set()
    for state in STATES[name]:
        scene = Scene.set_up(name, state, snapshot)
        for pair in scene.pairs() if wanted == "all" else scene.drawn_pairs(chance):
            sent_ones |= set(pair)
            together = scene.after(pair, "together")
            noted |= set(pair) if together["noted"] else set()
            for order in ("first", "second"):
                after = scene.after(pair, order)
                differing = {
                    one: (together[one], after[one]) for one in after if together[one] != after[one]
                }
                if not differing:
                    break
            assert not differing, (name, pair, f"--pairs={wanted}")
        snapshot.restore()
    assert actions_of(name) <= (noted if wanted == "all" else sent_ones)


def actions_of(name):
    """The actions of a module that there must be pairs of."""
    module = KIT.get(name)
    if module is None:
        return set()
    sent_actions = {
        one.name for one in module.actions if one.whole and (name, one.name) not in READS
    }
    return sent_actions | ({"edit"} if module.form else set())


def test_every_module_with_actions_has_states():
    assert {name for name in KIT if actions_of(name)} <= set(STATES)
