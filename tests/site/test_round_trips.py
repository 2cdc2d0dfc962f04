"""The product reads what it writes: what is downloaded changes nothing when it is sent back.

One law over every list that has both a download and an import, of things of every kind.
"""

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from ismp.courses.models import Attendance, Session, SignUp
from ismp.imports import kinds
from ismp.imports.models import Source, State
from ismp.security.models import Advisory
from tests.support import uploads

pytestmark = pytest.mark.django_db
LISTS = {"roster": "people", "devices": "devices", "products": "products"}
"""{kind of import: the module whose download it reads}; hours come from the portal alone."""


@pytest.fixture
def manager(client, account):
    client.force_login(account("IC1001", "platform_admin"))
    return client


def stored():
    """All rows but those that every import leaves."""
    left = {"ImportRun", "RunFile", "Event", "ChainHead", "Session", "Edition", "DBTaskResult"}
    return {
        model._meta.label: sorted(map(repr, model._base_manager.values_list()))
        for model in apps.get_models()
        if model.__name__ not in left
    }


def download(client, name, how, **query):
    return client.get(reverse(f"{name}:export"), {"format": how, **query}).getvalue()


def test_every_list_that_is_imported_is_here():
    assert {one.source for one in kinds.all_kinds() if one.start} == {Source.FILE, *LISTS}


@pytest.mark.parametrize("how", ["csv", "xlsx"])
@pytest.mark.parametrize("source", LISTS)
def test_what_is_downloaded_changes_nothing_when_it_is_sent_back(manager, things, source, how):
    data = download(manager, LISTS[source], how)
    before = stored()
    run = uploads.send(manager, data, source=source, name=f"list.{how}")
    assert run.state == State.COMPLETED, run.reason
    assert (run.created, run.updated, run.rejected) == (0, 0, 0), run.reasons
    assert run.unchanged == run.total > 0
    assert stored() == before


@pytest.mark.parametrize("how", ["csv", "xlsx"])
def test_scores_and_presence_of_a_class(client, account, things, how):
    session = Session.objects.get(pk=things["session_id"])
    meeting = session.meetings.first()
    SignUp.objects.filter(session=session).update(standing="enrolled", score="88.50")
    for one in session.sign_ups.all():
        Attendance.objects.get_or_create(sign_up=one, meeting=meeting, defaults={"way": "list"})
    client.force_login(account("IC1003", "platform_admin"))
    place = f"/courses/teaching/sessions/{session.pk}/"
    data = download(client, "classroom_scores", how)
    before = stored()
    for what in ("scores", str(meeting.pk)):
        file = SimpleUploadedFile(f"scores.{how}", data)
        answer = client.post(f"{place}file/", {"what": what, "file": file}, follow=True)
        assert "已登錄" in answer.content.decode(), what
    assert stored() == before


def test_an_advisory_as_stix(manager, things):
    advisory = Advisory.objects.get(pk=things["advisories_id"])
    asked = {"ids": [advisory.pk], "confirmed": "1"}
    data = manager.post("/manage/advisories/stix/", asked).content
    before = stored()
    file = SimpleUploadedFile("a.json", data)
    answer = manager.post("/manage/advisories/import/", {"file": file})
    taken = answer.context["taken"]
    assert (taken.created, taken.updated, taken.unchanged) == (0, 0, 1)
    assert stored() == before
