"""What load balancers and monitoring are told."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone
from files import data, row

from ismp.accounts.models import Agency
from ismp.hours.models import ImportRun, State
from ismp.operations import health

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
