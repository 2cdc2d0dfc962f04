"""A session's row in the database opens no session."""

import re
import socket

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ismp.audit import trail
from ismp.operations.monitoring import anchors
from tests.support.hosts import PASSWORD

pytestmark = pytest.mark.django_db


def test_the_stored_key_signs_nobody_in(client, account):
    client.force_login(account("IC1001", "platform_admin"))
    assert client.get("/manage/accounts/").status_code == 200
    cookie = client.cookies["sessionid"].value
    stored = set(Session.objects.values_list("session_key", flat=True))
    assert cookie not in stored
    for key in stored:
        thief = Client()
        thief.cookies["sessionid"] = key
        assert thief.get("/manage/accounts/").status_code == 302


def test_signing_out_removes_the_session(client, account):
    client.force_login(account("IC1001", "staff"))
    cookie = client.cookies["sessionid"].value
    client.post("/accounts/logout/")
    again = Client()
    again.cookies["sessionid"] = cookie
    assert again.get("/my/hours/").status_code == 302


def test_a_sign_in_and_its_first_page_write_once(client, account):
    """So that one who signs in while others write waits once."""
    person = account("IC1001", "staff")
    person.set_password(PASSWORD)
    person.save(update_fields=["password"])
    with CaptureQueriesContext(connection) as sign_in:
        client.post("/accounts/login/", {"username": "IC1001", "password": PASSWORD})
    session_writes = [one for one in written(sign_in) if "django_session" in one]
    assert len(session_writes) == 2, session_writes
    assert "audit_chainhead" in written(sign_in)[-1]  # all of it stands in that one transaction
    person.refresh_from_db()
    assert person.last_seen_at is not None
    with CaptureQueriesContext(connection) as first_page:
        assert client.get("/my/hours/").status_code == 200
    assert written(first_page) == []


def written(queries):
    return [one["sql"] for one in queries if re.match(r"INSERT|UPDATE|DELETE", one["sql"])]


def test_what_a_request_changes_after_it_stored_its_session_is_stored_too(client, account):
    client.force_login(account("IC1001", "staff"))
    session = client.session
    session["first"] = [1]
    session.save()
    session["first"].append(2)
    session.save()
    assert client.session["first"] == [1, 2]


def test_the_worker_sends_each_new_anchor_to_syslog(settings, account, django_db_blocker):
    account("IC1001", "agency_admin")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.bind(("127.0.0.1", 0))
        collector.settimeout(60)
        settings.SYSLOG = f"127.0.0.1:{collector.getsockname()[1]}"
        anchors.send()
        said = collector.recv(2000).decode()
        assert anchors.text(*trail.anchor()) in said
        anchors.send()  # nothing new
        collector.setblocking(False)
        with pytest.raises(BlockingIOError):
            collector.recv(2000)
