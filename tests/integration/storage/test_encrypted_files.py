"""Uploads and results in S3-compatible storage: a real server of that kind on this machine."""

import secrets
from datetime import timedelta

import boto3
import pytest
from botocore.exceptions import ClientError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from moto.server import ThreadedMotoServer

from ismp.hours.models import Record
from ismp.imports import actions as import_actions
from ismp.imports import report, run_files, running
from ismp.imports.models import ImportRun, RunFile, State
from ismp.storage import encrypted_files
from tests.support.portal_files import PERSON, data, row

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def server():
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(server, settings, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "of-the-test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    settings.S3_ENDPOINT, settings.S3_BUCKET = server, f"ismp-{secrets.token_hex(8)}"
    encrypted_files._storage.cache_clear()
    bucket = boto3.resource("s3", endpoint_url=server).Bucket(settings.S3_BUCKET)
    bucket.create()
    yield bucket
    encrypted_files._storage.cache_clear()


@pytest.fixture
def old(monkeypatch):
    """Every object counts as old enough to be swept."""
    monkeypatch.setattr(encrypted_files, "_OLD", -timedelta(seconds=2))


def names(bucket):
    return {each.key for each in bucket.objects.all()}


def named():
    return set(RunFile.objects.values_list("stored_as", flat=True))


def test_an_upload_and_its_result_lie_in_the_bucket_encrypted(clerk, bucket):
    content = data(row(), row(term="2"), row(total="9"))
    clerk.post("/manage/learning-map/upload/", {"file": SimpleUploadedFile("成績.csv", content)})
    run = ImportRun.objects.get()
    running.perform(run.pk)
    run.refresh_from_db()
    assert (run.state, run.created, run.rejected) == (State.COMPLETED, 2, 1)
    assert b"".join(run_files.pieces(run, RunFile.Kind.UPLOAD)) == content
    assert not any(bytes(piece.data) for piece in RunFile.objects.all())
    assert names(bucket) == named() != set()
    kept = b"".join(each.get()["Body"].read() for each in bucket.objects.all())
    assert PERSON.national_id.encode() not in kept
    assert "資通安全".encode("cp950") not in kept
    assert b"".join(report.rejected_workbook(run)).startswith(b"PK")


def test_what_was_kept_in_the_database_before_is_still_read(import_bytes, settings, bucket):
    bucket_name, settings.S3_BUCKET = settings.S3_BUCKET, ""
    before = import_bytes(data(row()))["run"]
    settings.S3_BUCKET = bucket_name
    after = import_bytes(data(row(term="2")))["run"]
    for run, term in ((before, "1"), (after, "2")):
        assert b"".join(run_files.pieces(run, RunFile.Kind.UPLOAD)) == data(row(term=term))


def test_a_crash_between_object_and_row_leaves_an_object_that_is_swept(
    import_bytes, bucket, monkeypatch, old
):
    kept = import_bytes(data(row()))["run"]
    before = names(bucket)

    def crash(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as at_this_moment:
        at_this_moment.setattr(RunFile, "store", crash)
        with pytest.raises(KeyboardInterrupt):
            import_bytes(data(row(term="2")))
    assert len(names(bucket) - before) == 1
    assert named() == before
    assert encrypted_files.sweep([RunFile]) == 1
    assert names(bucket) == before
    assert b"".join(run_files.pieces(kept, RunFile.Kind.UPLOAD)) == data(row())


def test_pieces_whose_object_is_gone_are_counted(import_bytes, bucket):
    import_bytes(data(row()))
    assert encrypted_files.lost([RunFile]) == 0
    bucket.objects.all().limit(1).delete()
    assert encrypted_files.lost([RunFile]) == 1


def test_what_is_young_is_not_swept_though_no_row_names_it_yet(import_bytes, bucket):
    encrypted_files.put(b"on its way")
    assert encrypted_files.sweep([RunFile]) == 0
    assert len(names(bucket)) == 1


def test_an_import_rolled_back_leaves_nothing_after_the_sweep(
    import_bytes, bucket, monkeypatch, old
):
    monkeypatch.setattr(running, "_finish", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        import_bytes(data(row()))
    assert not Record.objects.exists()
    assert len(names(bucket)) > len(named()) == 1
    encrypted_files.sweep([RunFile])
    assert names(bucket) == named()


def test_a_purge_empties_the_bucket(import_bytes, bucket, settings, old):
    run = import_bytes(data(row()))["run"]
    past = timezone.now() - timedelta(days=settings.UPLOAD_KEPT_DAYS, seconds=1)
    ImportRun.objects.filter(pk=run.pk).update(created_at=past)
    count = len(names(bucket))
    assert (import_actions.purge(), encrypted_files.sweep([RunFile])) == (1, count)
    assert names(bucket) == set()
    assert run_files.load_frame(run, RunFile.Kind.ROWS) is None


def test_an_object_that_is_not_there_is_our_own_fault_and_changes_nothing(import_bytes, bucket):
    run = import_bytes(data(row()), dry_run=True)["run"]
    real = import_actions.import_for_real(run, by=_somebody())
    bucket.objects.all().delete()
    with pytest.raises(ClientError):
        running.perform(real.pk)
    real.refresh_from_db()
    assert (real.state, Record.objects.count()) == (State.RUNNING, 0)


def _somebody():
    from ismp.accounts.models import Account

    return Account.objects.select_related("agency").get(username="IC1001")
