"""Signed-in browsers of a site that runs, and the forms it draws for them."""

import pytest
from django.test import Client

from ismp.accounts.models import Account
from tests.support.html_forms import forms_in
from tests.support.installations import Place


def drawn(client, address):
    """The first form of a page in which something can be filled in."""
    page = client.get(address).content.decode()
    every = forms_in(address, page)
    return next(form for form in every if {one.kind for one in form.fields.values()} > {"fixed"})


@pytest.fixture
def place(tmp_path, full_town, django_db_blocker):
    """A database of its own with one thing of each kind, that several connections look at."""
    place = Place(tmp_path / "home", like=full_town)
    with django_db_blocker.unblock(), place.entered():
        yield place
    with django_db_blocker.unblock():
        place.close()


def signed_in(username, role):
    Account.objects.filter(username=username).update(role=role)
    person = Account.objects.select_related("agency").get(username=username)
    client = Client()
    client.force_login(person)
    return client, person
