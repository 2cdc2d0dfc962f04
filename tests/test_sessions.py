"""What the database keeps of a session is no key to it."""

import socket

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from ismp.audit import trail
from ismp.operations import anchors

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
