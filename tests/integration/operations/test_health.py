"""Answers to load balancers and monitoring."""

import errno
from datetime import datetime, timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from ismp.accounts.models import Agency
from ismp.imports.models import ImportRun, State
from ismp.operations.monitoring import health, metrics
from tests.support.portal_files import data, row

TOKEN = "a-secret-of-monitoring"


def test_alive_asks_no_database(client):
    """This test has no `db` mark: a query would fail."""
    assert client.get("/healthz").json() == {"alive": True}


@pytest.mark.django_db
def test_ready_tells_how_long_files_wait(client, city):
    assert client.get("/readyz").json() == {"ready": True, "queue_age_seconds": 0}
    since = timezone.now() - timedelta(seconds=90)
    agency = Agency.objects.get(code="382990001Z")
    ImportRun.objects.create(agency=agency, state=State.QUEUED, received_at=since)
    assert 90 <= client.get("/readyz").json()["queue_age_seconds"] < 150


@pytest.mark.django_db
def test_not_ready_while_the_database_is_away(client, monkeypatch):
    def away(*_):
        raise OperationalError("no route to 10.1.2.3")

    monkeypatch.setattr(health, "MigrationExecutor", away)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "資料庫" in answer.json()["reason"]
    assert "10.1.2.3" not in answer.content.decode()


@pytest.mark.django_db
def test_metrics_only_with_the_token(client, settings):
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404
    settings.METRICS_TOKEN = TOKEN
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"Authorization": "Bearer x"}).status_code == 404
    assert client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_metrics_tell_of_runs_and_pages(clerk, settings, import_bytes):
    settings.METRICS_TOKEN = TOKEN
    run = import_bytes(data(row(), row(total="9")))["run"]
    clerk.get(f"/manage/learning-map/runs/{run.pk}/?q=A123456789")
    clerk.get("/no-such-page-A123456789")
    text = clerk.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).content.decode()
    assert 'ismp_import_runs{state="completed"} 1.0' in text
    assert "ismp_import_queue_age_seconds 0.0" in text
    rate = next(line for line in text.splitlines() if line.startswith("ismp_import_rows_per"))
    assert float(rate.split()[1]) > 0
    assert 'page="other"' in text
    assert "A123456789" not in text and run.agency.code not in text


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_machines_may_ask_by_ip(client, city, settings, path):
    settings.ALLOWED_HOSTS = ["ismp.example"]
    settings.METRICS_TOKEN = TOKEN
    answer = client.get(path, headers={"host": "10.1.2.3:8000", "authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert client.get("/accounts/login/", headers={"host": "10.1.2.3:8000"}).status_code == 400


@pytest.mark.django_db
def test_the_version_stands_in_the_figures_and_in_the_foot(client, city, settings):
    settings.METRICS_TOKEN = TOKEN
    figures = client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert f'ismp_info{{version="{settings.VERSION}"}} 1.0' in figures.content.decode()
    assert f"ISMP {settings.VERSION}" in client.get("/accounts/login/").content.decode()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OperationalError("database or disk is full"),
        OperationalError('could not extend file "base/1/2": No space left on device'),
    ],
    ids=["file", "sqlite", "postgresql"],
)
def test_a_full_disk_is_named(client, db, monkeypatch, error):
    def full(*_):
        raise error

    client.raise_request_exception = False
    monkeypatch.setattr("ismp.accounts.sign_in.views.SignInForm", full)
    answer = client.get("/accounts/login/")
    assert answer.status_code == 503
    assert "磁碟空間已滿" in answer.content.decode()
    assert answer.headers["Retry-After"] == "300"


def test_what_cannot_be_counted_is_answered_all_the_same(client, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(metrics._seconds, "labels", full)
    assert client.get("/healthz").status_code == 200


def test_where_to_report_a_weakness_stands_where_finders_look(client, settings):
    assert client.get("/.well-known/security.txt").status_code == 404
    settings.SECURITY_CONTACT = "mailto:security@ismp.example"
    answer = client.get("/.well-known/security.txt")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    fields = dict(line.split(": ", 1) for line in answer.content.decode().splitlines())
    assert fields["Contact"] == "mailto:security@ismp.example"
    assert timezone.now() < datetime.fromisoformat(fields["Expires"])
    assert fields["Canonical"] == "http://testserver/.well-known/security.txt"
