"""Files come in where a page takes them, from who may use it; nowhere else is a byte written."""

import re

import pytest
from django.core.files import uploadhandler
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern, get_resolver

from ismp.ui.http.uploads import FORM_MAX_BYTES
from tests.support import ROOT

pytestmark = pytest.mark.django_db
TOO_LARGE = FORM_MAX_BYTES + 1


def views(patterns=None, prefix="", place="/"):
    """(name, view, route) of every address of the site."""
    for one in patterns or get_resolver().url_patterns:
        route = f"{place}{one.pattern}"
        if isinstance(one, URLPattern):
            yield f"{prefix}{one.name}", one.callback, route
        else:
            inside = f"{one.namespace}:" if one.namespace else prefix
            yield from views(one.url_patterns, inside, route)


@pytest.fixture
def spooled(monkeypatch):
    """The names of files that were spooled to memory or disk."""
    names = []
    for handler in (
        uploadhandler.TemporaryFileUploadHandler,
        uploadhandler.MemoryFileUploadHandler,
    ):
        monkeypatch.setattr(
            handler,
            "new_file",
            lambda self, field, name, *rest, **more: names.append(name),
        )
    return names


def a_file(size=3_000_000):
    return SimpleUploadedFile("anything.bin", b"x" * size)


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/apply/", "/accounts/reset/"])
def test_a_stranger_can_have_no_file_written(spooled, city, path):
    browser = Client(enforce_csrf_checks=True)
    browser.get("/accounts/login/")
    browser.post(path, {"file": a_file()})
    assert spooled == []


@pytest.mark.parametrize(
    "path", ["/courses/teaching/sessions/1/file/", "/manage/advisories/import/"]
)
def test_a_page_for_files_takes_none_from_who_may_not_use_it(spooled, client, account, path):
    Client().post(path, {"file": a_file()})
    client.force_login(account("IC1002", "staff"))
    client.post(path, {"file": a_file()})
    assert spooled == []


def test_a_body_beyond_the_limit_is_refused_unread_everywhere(client, account):
    client.force_login(account("IC1001", "staff"))
    for path in ("/support/new/", "/accounts/password/", "/manage/advisories/import/"):
        answer = client.post(path, b"", content_type="text/plain", CONTENT_LENGTH=str(10**12))
        assert answer.status_code == 413, path
        assert "送來的資料太大" in answer.content.decode()
    answer = client.post(
        "/support/new/", CONTENT_LENGTH=str(TOO_LARGE), headers={"accept": "application/json"}
    )
    assert answer.status_code == 413
    assert "MB" in answer.json()["error"]


@pytest.mark.parametrize("length", ["-5", "1e9", "9" * 5000, "１０"])
def test_a_length_that_is_no_number_is_refused(client, length):
    assert client.post("/accounts/login/", CONTENT_LENGTH=length).status_code in {400, 413}


def test_every_form_with_a_file_stands_on_a_page_that_takes_files():
    """The kit marks its own; these are the views that name theirs."""
    marked = {name for name, view, _ in views() if getattr(view, "takes_files", None) is not None}
    assert marked >= {
        "imports:upload",
        "external_hours:apply",
        "courses:session_file",
        "authoring:add_material",
        "authoring:edit_material",
        "security:import_advisories",
    }


def test_the_proxy_takes_large_bodies_for_these_pages_only():
    site = (ROOT / "deploy/nginx.conf").read_text("utf-8")
    large = next(
        block.split(" ")[0]
        for block in site.split("location ~ ")[1:]
        if "600m" in block.split("}")[0]
    )
    for name, view, route in views():
        takes = getattr(view, "takes_files", None) is not None
        assert bool(re.match(large, re.sub(r"<[^>]+>", "1", route))) == takes, name
