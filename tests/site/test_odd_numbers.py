"""Numbers from outside that are none: in addresses, queries, forms and headers, at every address.

Whatever stands where a number belongs, the answer is a page, a refusal or 404, never a fault of
ours; the same on both databases.
"""

import re
from itertools import cycle

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.urls import reverse

from ismp.ui.text.numbers import whole_number, whole_numbers
from tests.support.rights import POST_ONLY, addresses

pytestmark = pytest.mark.django_db

HUGE = "9" * 18
ODD = ("²", "٣", "-1", "1e9", "9" * 19, "9" * 30, "9" * 5000, "1\x00")
QUERY = {
    *(
        "page",
        "per_page",
        "agency",
        "q",
        "field",
        "start",
        "end",
        "run",
        "version",
        "which",
        "code",
    ),
    *("kind", "state", "course", "incident", "department", "duty", "light", "on", "known", "sort"),
    *("category", "year", "years", "verb", "format", "username", "reference", "next", "more"),
}
FIELDS = {
    *("ids", "delegation", "run", "course", "session", "agency", "department", "entry", "what"),
    *("second", "accounts", "agencies", "groups", "advisory", "quantity", "seen", "shown", "whom"),
    *("confirmed", "everything", "code", "ticket", "version", "based_on", "account", "reason"),
}


ALONE = ("agency", "page", "run", "incident")
SOME = ("²", "9" * 30, "1\x00")


def in_place_of_numbers(things, odd):
    return {name: odd if isinstance(value, int) else value for name, value in things.items()}


def asked(call, *args, **kwargs):
    """A fault in a transaction would end the one that the test runs in."""
    with transaction.atomic():
        return call(*args, **kwargs)


@pytest.fixture
def manager(client, account):
    client.force_login(account("IC1001", "platform_admin"))
    client.raise_request_exception = False
    return client


def test_only_ascii_digits_are_numbers():
    assert whole_number("007") == 7
    assert whole_number(HUGE) == int(HUGE)
    assert not any(whole_number(odd) is not None for odd in (*ODD, "", " 1", "+1", "1_0", None, 1))
    assert whole_numbers(["2", "²", "1"]) == [2, 1]


@pytest.mark.parametrize("odd", ["²", HUGE, "9" * 19, "9" * 5000], ids=len)
def test_odd_numbers_in_the_address(manager, things, odd):
    for name, address in addresses():
        if "{" not in address:
            continue
        place = address.format(**in_place_of_numbers(things, odd))
        for ask in (manager.get, manager.post):
            answer = asked(ask, place)
            assert answer.status_code < 500, (name, ask.__name__)
            if re.search(r"/[^/]*\d{18,}/", place) and name not in POST_ONLY and ask == manager.get:
                assert answer.status_code in {302, 404}, name


def test_odd_numbers_in_the_query(manager, things):
    turn = cycle(SOME)
    for name, address in addresses():
        for odd in (next(turn), next(turn)):
            answer = asked(manager.get, address.format(**things), dict.fromkeys(QUERY, odd))
            assert answer.status_code < 500, name


def test_one_odd_number_in_the_query(manager, things):
    """A first value may hide a later one."""
    turn = cycle(SOME)
    for name, address in addresses():
        for one in ALONE if name.split(":")[0] in {"boards", "support", "assignments"} else ():
            for odd in (next(turn), next(turn)):
                answer = asked(manager.get, address.format(**things), {one: odd})
                assert answer.status_code < 500, (name, one)


def test_odd_numbers_in_forms(manager, things):
    turn = cycle(SOME)
    known = [value for value in things.values() if isinstance(value, int)]
    for name, address in addresses():
        place = address.format(**things)
        for fields in ({}, {"ids": known, "confirmed": "1"}):
            answer = asked(manager.post, place, dict.fromkeys(FIELDS, next(turn)) | fields)
            assert answer.status_code < 500, name


def test_odd_pages_are_the_first(manager, things):
    for odd in ("²", "9" * 5000, "-1"):
        answer = manager.get(reverse("people:list"), {"page": odd})
        assert answer.context["page"].number in {1, answer.context["page"].paginator.num_pages}


@pytest.mark.parametrize("header", ["http://[", "http://x:99999999/", "²", "/" * 5000])
def test_an_odd_current_address_of_a_part(manager, client, things, header):
    headers = {"HX-Request": "true", "HX-Current-URL": header}
    for who in (manager, type(client)()):
        assert who.get("/manage/", headers=headers).status_code < 500


@pytest.mark.parametrize("odd", ["bytes=-" + "9" * 5000, "bytes=" + "9" * 4400 + "-", "bytes=²-"])
def test_odd_ranges_are_as_if_there_were_none(manager, things, odd):
    place = "/courses/{course_id}/learn/{material_id}/file/".format(**things)
    assert manager.get(place, headers={"Range": odd}).status_code < 500


def test_odd_numbers_beside_a_meeting(manager, things):
    from ismp.courses.models import Meeting

    place = "/courses/teaching/sessions/{session_id}/".format(**things)
    meeting = Meeting.objects.filter(session=things["session_id"]).first()
    for odd in (*ODD, HUGE):
        for field in (f"meeting-{meeting.pk}", f"score-{meeting.pk}"):
            assert asked(manager.post, place, {field: odd}).status_code < 500
        file = SimpleUploadedFile("a.csv", "公務帳號\nIC1001\n".encode())
        assert asked(manager.post, place + "file/", {"what": odd, "file": file}).status_code < 500
