"""Faults on a file's way from the browser to its run (docs/explain/laws.md)."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from ismp.audit.models import Event
from ismp.hours.models import Record
from ismp.imports import actions as import_actions
from ismp.imports import run_files, running, upload
from ismp.imports.models import ImportRun, RunFile, State
from tests.support.portal_files import data, row

pytestmark = pytest.mark.django_db
UPLOAD = "/manage/learning-map/upload/"


def post(clerk, content, name="成績.csv", **fields):
    return clerk.post(UPLOAD, {"file": SimpleUploadedFile(name, content), **fields}, follow=True)


def test_a_file_over_the_limit_is_refused_on_its_way(clerk, settings):
    settings.UPLOAD_MAX_BYTES = 1024 * 1024
    page = post(clerk, b"x" * 3_000_000).content.decode()
    assert "整檔退回" in page
    run = ImportRun.objects.get()
    assert (run.state, Event.objects.filter(verb="import_hours").count()) == (State.REFUSED, 1)
    assert "超過 1 MB" in run.reason


def test_no_byte_at_all(clerk):
    post(clerk, b"")
    run = ImportRun.objects.get()
    running.perform(run.pk)
    run.refresh_from_db()
    assert run.state == State.REFUSED
    assert "空的" in run.reason


def test_a_cut_connection_refuses_the_run(clerk, monkeypatch):
    taken = run_files.Writer.write

    def cut(self, chunk):
        taken(self, chunk)
        raise OSError("connection reset")

    monkeypatch.setattr(upload.run_files.Writer, "write", cut)
    clerk.raise_request_exception = False
    answer = post(clerk, data(row()))
    assert answer.status_code == 500
    ImportRun.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    import_actions.recover()
    run = ImportRun.objects.get()
    assert run.state == State.REFUSED
    assert "中斷" in run.reason
    assert not Record.objects.exists()


def test_a_double_click_changes_nothing_the_second_time(clerk):
    for _ in range(2):
        post(clerk, data(row(), row(term="2")))
    first, second = ImportRun.objects.order_by("pk")
    running.perform(second.pk)
    running.perform(first.pk)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (second.created, first.created, first.unchanged) == (2, 0, 2)
    assert Record.objects.count() == 2


def test_a_clerk_cannot_upload_for_another_agency(clerk):
    post(clerk, data(row()), agency="382990002Z")
    assert ImportRun.objects.get().agency.code == "382990001Z"


def test_a_password_waited_for_too_long_is_given_up(clerk):
    from tests.support.portal_files import packed

    post(clerk, packed({"a.csv": data(row())}, b"Abc12345"))
    ImportRun.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    import_actions.recover()
    assert ImportRun.objects.get().state == State.REFUSED


def test_uploads_are_forgotten_when_their_time_is_over(import_bytes, settings):
    old = import_bytes(data(row()))["run"]
    new = import_bytes(data(row(term="2")))["run"]
    past = timezone.now() - timedelta(days=settings.UPLOAD_KEPT_DAYS, seconds=1)
    ImportRun.objects.filter(pk=old.pk).update(created_at=past)
    assert import_actions.purge() == 1
    assert not RunFile.objects.filter(run=old).exists()
    assert RunFile.objects.filter(run=new).exists()
    assert Event.objects.filter(verb="purge_uploads").count() == 1
    assert import_actions.purge() == 0
