"""One action receives every file: a plain archive is unpacked by the worker, one with a password
within the request, piece by piece (ADR 38)."""

import os
import sys
import tracemalloc
from pathlib import Path

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile

import ismp.imports
from ismp.accounts.models import Agency
from ismp.imports import actions, archives, kinds, run_files, running
from ismp.imports.models import ImportRun, RunFile, State
from ismp.imports.upload import Upload
from tests.support.portal_files import data, packed, row
from tests.support.task_queue import work
from tests.support.uploads import UPLOAD, send

pytestmark = pytest.mark.django_db
PASSWORD = "Kx7-密碼-Qw93"
ROOM = str(Path(ismp.imports.__file__).parent)
PDF = b"%PDF-1.7 " + b"x" * 100


@pytest.fixture
def agency(city):
    return Agency.objects.get(code="382990001Z")


def received(agency, content, **options):
    upload = Upload(agency=agency, filename="a.zip")
    upload.write(content)
    upload.close()
    return actions.receive(upload, kind=kinds.find_kind("file"), agency=agency, **options)


def zip_plain(content, name="a.csv"):
    return packed({name: content})


def zip_aes(content, password):
    return packed({"a.csv": content}, password.encode())


def stored(run):
    return set(RunFile.objects.filter(run=run).values_list("kind", flat=True))


def test_a_plain_archive_waits_as_it_came_and_the_worker_unpacks_it(agency):
    run = received(agency, zip_plain(data(row())))
    assert (run.state, stored(run)) == (State.QUEUED, {"upload"})
    work()
    run.refresh_from_db()
    assert (run.state, run.created, run.lines) == (State.COMPLETED, 1, 2)
    assert "upload" not in stored(run)
    assert b"".join(run_files.pieces(run, RunFile.Kind.CONTENT)) == data(row())


@pytest.mark.parametrize("way", ["page", "command"])
def test_what_only_unpacking_shows_is_refused_in_the_same_words(clerk, agency, way, import_bytes):
    bad = zip_plain(PDF)
    if way == "command":
        reason = import_bytes(bad, filename="a.zip")["reason"]
    else:
        run = send(clerk, bad, name="a.zip")
        reason = run.reason
        window = clerk.get(f"/manage/learning-map/runs/{run.pk}/progress/").content.decode()
        assert (run.state, reason in window) == (State.REFUSED, True)
    assert reason == "這是 PDF 檔，不是 CSV；請上傳入口網下載的原始成績檔。"
    assert stored(ImportRun.objects.get()) == {"upload"}


def test_what_the_directory_shows_is_refused_at_once(agency):
    run = received(agency, zip_plain(data(row()), name="a.txt"))
    assert (run.state, run.reason) == (State.REFUSED, "壓縮檔裡沒有 CSV 檔，請確認後重新上傳。")


def test_one_with_a_password_is_unpacked_while_that_is_known(agency):
    run = received(agency, zip_aes(data(row()), PASSWORD), password=PASSWORD)
    assert (run.state, stored(run), run.lines) == (State.QUEUED, {"content"}, 2)
    work()
    run.refresh_from_db()
    assert (run.state, run.created) == (State.COMPLETED, 1)


def test_a_wrong_password_leaves_the_archive_and_nothing_else(agency):
    run = received(agency, zip_aes(data(row()), PASSWORD))
    assert (run.state, run.reason) == (State.PASSWORD, "")
    actions.give_password(run, "wrong")
    assert (run.state, "密碼不正確" in run.reason, stored(run)) == (
        State.PASSWORD,
        True,
        {"upload"},
    )
    actions.give_password(run, PASSWORD)
    run.refresh_from_db()
    assert (run.state, run.reason, stored(run)) == (State.QUEUED, "", {"content"})


def test_a_password_that_is_sent_twice_is_used_once(agency, monkeypatch):
    run = received(agency, zip_aes(data(row()), PASSWORD))
    again = ImportRun.objects.get(pk=run.pk)
    pieces = archives.Archive.pieces

    def overtaken(archive, password=None):
        actions.give_password(again, PASSWORD)  # changes nothing: the first one is at it
        yield from pieces(archive, password)

    monkeypatch.setattr(archives.Archive, "pieces", overtaken)
    actions.give_password(run, PASSWORD)
    run.refresh_from_db()
    assert (run.state, stored(run)) == (State.QUEUED, {"content"})


def test_the_password_is_nowhere(clerk, agency, caplog, settings):
    caplog.set_level("DEBUG")
    content = zip_aes(data(row()), PASSWORD)
    for password in ("wrong", PASSWORD):
        file = SimpleUploadedFile("a.zip", content)
        clerk.post(UPLOAD, {"file": file, "password": password, "mode": "import"})
    assert set(ImportRun.objects.values_list("state", flat=True)) == {State.PASSWORD, State.QUEUED}
    work()
    rows = [str(list(model.objects.values_list())) for model in apps.get_models()]
    left = [caplog.text, *rows]
    for folder, _, names in os.walk(settings.ISMP_HOME):
        left += [Path(folder, name).read_bytes().decode("utf-8", "replace") for name in names]
    assert not [one for one in left if PASSWORD in one]


class Killed(BaseException):
    """As a signal would end it: nobody expects it."""


def test_a_worker_that_dies_while_it_unpacks_leaves_the_archive(agency, monkeypatch):
    content = data(*(row(term=str(n)) for n in range(200)))
    run = received(agency, zip_plain(content))
    with monkeypatch.context() as patch:
        patch.setattr(run_files.Writer, "close", dies)
        with pytest.raises(Killed):
            running.perform(run.pk)
    assert stored(run) == {"upload"}
    ImportRun.objects.update(lease_until=None)
    running.perform(run.pk)
    run.refresh_from_db()
    assert (run.state, run.created, run.attempt) == (State.COMPLETED, 200, 2)


def dies(writer):
    raise Killed


def test_a_web_process_that_dies_while_it_unpacks_stores_nothing_that_counts(agency, monkeypatch):
    run = received(agency, zip_aes(data(row()), PASSWORD))
    with monkeypatch.context() as patch:
        patch.setattr(run_files.Writer, "close", dies)
        with pytest.raises(Killed):
            actions.give_password(run, PASSWORD)
    assert run_files.file_kind(run) == RunFile.Kind.UPLOAD
    ImportRun.objects.update(lease_until=run.created_at)
    actions.recover()
    run.refresh_from_db()
    assert (run.state, "沒有傳完" in run.reason) == (State.REFUSED, True)


def test_a_large_archive_never_stands_in_memory_whole(agency):
    noise = os.urandom(64 * 1024 * 1024).replace(b"\n", b"n")
    content = zip_aes(data(row()) + noise, PASSWORD)
    upload = Upload(agency=agency, filename="a.zip")
    for start in range(0, len(content), 1024 * 1024):
        upload.write(content[start : start + 1024 * 1024])
    upload.close()
    tracemalloc.start()
    try:
        kind = kinds.find_kind("file")
        run = actions.receive(upload, kind=kind, agency=agency, password=PASSWORD)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (run.state, stored(run)) == (State.QUEUED, {"content"})
    assert peak < len(noise) / 2


@pytest.mark.parametrize("locked", [False, True])
def test_the_walk_before_the_queue_is_short(clerk, locked):
    """From the POST to the queue: at most eight rooms, and none calls one that has called it."""
    rooms, calls = [], set()

    def note(frame, event, argument):
        name = frame.f_code.co_filename
        if event != "call" or not name.startswith(ROOM):
            return
        room, caller = Path(name).stem, frame.f_back
        if room not in rooms:
            rooms.append(room)
        while caller and not caller.f_code.co_filename.startswith(ROOM):
            caller = caller.f_back
        if caller and (before := Path(caller.f_code.co_filename).stem) != room:
            calls.add((before, room))

    content = zip_aes(data(row()), PASSWORD) if locked else zip_plain(data(row()))
    file = SimpleUploadedFile("a.zip", content)
    clerk.get(UPLOAD)  # all modules are loaded
    sys.setprofile(note)
    try:
        clerk.post(UPLOAD, {"file": file, "password": PASSWORD, "mode": "import"})
    finally:
        sys.setprofile(None)
    assert ImportRun.objects.get().state == State.QUEUED
    walked = [room for room in rooms if room not in DATA]
    assert (walked[0], walked[-1]) == ("views", "queue")
    assert len(walked) <= 8, walked
    above = {room: {room} for room in rooms}
    for _ in rooms:
        for caller, called in calls:
            above[called] |= above[caller]
    assert not [(one, other) for one, other in calls if other in above[one]]


DATA = ("urls", "models", "heartbeat", "rejection")
"""What is only asked: the address, the rows, how long a lease is, the words of a refusal."""


def test_a_stored_file_is_read_at_any_place(agency):
    content = os.urandom(3 * 1024 * 1024)
    upload = Upload(agency=agency, filename="a")
    upload.write(content)
    upload.close()
    with run_files.open_file(upload.run, RunFile.Kind.UPLOAD) as file:
        assert file.seek(0, os.SEEK_END) == len(content)
        for at in (0, 1, 512 * 1024 - 1, 512 * 1024, len(content) - 5, 1024 * 1024 + 7):
            file.seek(at)
            assert file.read(70_000) == content[at : at + 70_000]
        file.seek(0, os.SEEK_END)
        assert file.read(1) == b""
        with pytest.raises(OSError):  # which zipfile expects of a file that is too short
            file.seek(-len(content) - 1, os.SEEK_END)
