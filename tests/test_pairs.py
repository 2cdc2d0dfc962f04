"""Every pair of actions on one thing, sent in the same moment: as if one had come after the other."""

from functools import partial
from itertools import combinations

import pytest
from at_once import at_once
from django.db import models
from examples import EXAMPLES
from test_modules import modules
from test_once import asked, drawn, place, signed_in

__all__ = ["place"]

EDITS = {
    "people": {"email": "new@example.org"},
    "devices": {"quantity": "5"},
    "online_courses": {"description": "改過的說明"},
}
"""What an edit changes, by module; the fields of which two things may hold the same."""


def sent(module, client, thing, name):
    """The address and the contents of one form that can be sent about a thing; None when it does
    not fit."""
    if name == "edit":
        edit = module.address("edit", thing.pk)
        return edit, drawn(client, edit).shown(**EDITS[module.name])
    deed = next(one for one in module.deeds if one.name == name)
    data = asked(client, module, deed, thing)
    return data and (module.address(name), data)


def actions_on(module, client, person, thing):
    fitting = [one for one in module.deeds if one.whole and person.may(one.right)]
    names = [one.name for one in fitting if one.fits(person, thing)]
    return sorted(one for one in ["edit", *names] if sent(module, client, thing, one))


def state(thing, names):
    """What is stored of a thing and how many rows belong to it; of moments and secrets only whether
    there are any."""
    row = type(thing)._base_manager.filter(pk=thing.pk).values(*names).get()
    for name, value in row.items():
        field = thing._meta.get_field(name)
        if isinstance(field, models.DateTimeField | models.BinaryField):
            row[name] = value is not None
        elif name == "password":
            row[name] = value[:1]
    rows = {
        one.name: one.related_model._base_manager.filter(**{one.field.name: thing.pk}).count()
        for one in thing._meta.related_objects
        if not one.field.many_to_many
    }
    return row | rows


@pytest.mark.parametrize("name", EDITS)
def test_a_pair_at_once_is_one_of_its_two_orders(place, name):
    module = next(one for one in modules() if one.name == name)
    first, person = signed_in("IC1001", EXAMPLES[name].by)
    second, _ = signed_in("IC1002", EXAMPLES[name].by)
    number = iter(range(3_000, 9_000))

    def new():
        example = EXAMPLES[name]
        answer = first.post(module.address("add"), example.good(next(number)))
        assert answer.status_code == 302, answer.content.decode()
        pk = int(answer["Location"].rstrip("/").rpartition("/")[2])
        return module.rows(person).get(pk=pk)

    names = actions_on(module, first, person, new())
    pairs = [*combinations(names, 2), *((one, one) for one in names)]
    for pair in pairs:
        three = [new() for _ in range(3)]
        fields = [one.attname for one in module.rows(person).model._meta.concrete_fields]
        alike = [one for one in fields if len({str(getattr(thing, one)) for thing in three}) == 1]
        outcomes = []
        for thing, order in zip(three, ("first", "second", "together"), strict=True):
            forms = [
                sent(module, client, thing, action)
                for client, action in zip((first, second), pair, strict=True)
            ]
            posts = [
                partial(client.post, address, data)
                for client, (address, data) in zip((first, second), forms, strict=True)
            ]
            if order == "together":
                answers = at_once(*posts)
            else:
                answers = [post() for post in (posts if order == "first" else posts[::-1])]
            assert all(one.status_code in {200, 302} for one in answers), (name, pair, order)
            outcomes.append(state(thing, alike))
        assert outcomes[2] in outcomes[:2], (name, pair)
