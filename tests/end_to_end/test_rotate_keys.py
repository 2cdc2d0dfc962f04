"""New keys while the site runs: nothing lost, whatever process seals or dies when."""

import json
import shutil
import stat

import pytest
from django.core.management import CommandError, call_command

from ismp.accounts import demo_data
from ismp.accounts.models import Account
from ismp.audit.models import Event
from ismp.imports import report, run_files
from ismp.imports.models import ImportRun, RunFile
from ismp.operations.management.commands import rotate_keys
from ismp.storage.keyring import KeyRing
from ismp.ui.models import SentForm
from tests.support.faults import DONE, site, state_of
from tests.support.hosts import PASSWORD, PATIENCE_SECONDS, Browser, Hosts, wait_for, wait_for_web
from tests.support.portal_files import PERSON, data, row
from tests.support.postgres import Cluster

__all__ = ["site"]


@pytest.fixture
def keys(tmp_path, settings):
    """The keys in a file of their own: the other tests keep theirs."""
    (tmp_path / "keys").mkdir(mode=0o700)
    shutil.copy(settings.KEYS.path, tmp_path / "keys")
    settings.KEYS = KeyRing.open(tmp_path / "keys")
    return settings.KEYS


@pytest.mark.django_db
def test_everything_is_encrypted_anew_and_reads_the_same(keys, import_bytes, capsys):
    run = import_bytes(data(row(), row(total="9")))["run"]
    numbers = {account.pk: account.national_id for account in Account.objects.all()}
    before = [b"".join(run_files.pieces(run, kind)) for kind in RunFile.Kind]
    call_command("rotate_keys", new_key=True)
    assert set(RunFile.objects.values_list("key_version", flat=True)) == {1}
    call_command("rotate_keys")
    assert set(RunFile.objects.values_list("key_version", flat=True)) == {2}
    versions = Account.objects.exclude(encrypted_id=None).values_list("key_version", flat=True)
    assert set(versions) == {2}
    assert {account.pk: account.national_id for account in Account.objects.all()} == numbers
    assert [b"".join(run_files.pieces(run, kind)) for kind in RunFile.Kind] == before
    assert len(list(report.rejections(run))) == 1
    assert import_bytes(data(row()))["unchanged"] == 1  # people are found as before
    assert Event.objects.filter(verb="rotate_keys").get().detail["version"] == 2
    assert PERSON.national_id not in capsys.readouterr().out


@pytest.mark.django_db
def test_answers_to_sent_forms_are_not_encrypted_anew_but_forgotten(keys, clerk):
    """A form that is sent again afterwards is no fault."""
    sent = {"form_key": "k", "name": "測試科"}
    clerk.post("/manage/departments/add/", sent)
    assert SentForm.objects.count() == 1
    call_command("rotate_keys", new_key=True)
    call_command("rotate_keys", forget_old=True)
    assert not SentForm.objects.exists()
    assert clerk.post("/manage/departments/add/", sent).status_code in {200, 302}


@pytest.mark.django_db
def test_stopped_in_the_middle_and_run_again(keys, import_bytes, monkeypatch):
    import_bytes(data(row()))
    call_command("rotate_keys", new_key=True)
    monkeypatch.setattr(rotate_keys, "_ACCOUNTS", 5)
    monkeypatch.setattr(rotate_keys, "_pieces", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        call_command("rotate_keys")
    with pytest.raises(CommandError, match="舊金鑰"):
        rotate_keys.Command()._forget_old()
    monkeypatch.undo()
    call_command("rotate_keys", forget_old=True)
    assert list(json.loads(keys.path.read_text())["sealing"]) == ["2"]
    fresh = KeyRing.open(keys.path.parent)
    piece = RunFile.objects.first()
    encrypted = bytes(piece.data)
    assert fresh.decrypt(encrypted, piece.context, piece.key_version)


def test_a_process_that_meets_a_new_key_reads_the_file_again(tmp_path):
    here, there = KeyRing.open(tmp_path), KeyRing.open(tmp_path)
    old = here.encrypt(b"old", b"c")
    assert there.add_key() == 2
    new = there.encrypt(b"new", b"c")
    assert here.decrypt(new[0], b"c", new[1]) == b"new"
    assert here.decrypt(old[0], b"c", old[1]) == b"old"
    assert here.encrypt(b"x", b"c")[1] == 2
    assert stat.S_IMODE(here.path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]


def test_under_load(site):
    """A worker imports while another process makes a key and seals all anew, again and again."""
    python, run = site.python, site.queue()
    worker = site.worker(run)
    for _ in range(3):
        assert python("manage.py", "rotate_keys", "--new-key").returncode == 0
        assert python("manage.py", "rotate_keys").returncode == 0
    assert worker.wait(PATIENCE_SECONDS) == 0, worker.stderr.read()
    worker.stderr.close()
    done = python("manage.py", "rotate_keys", "--forget-old")
    assert done.returncode == 0, done.stderr
    assert state_of(site) == DONE | {"attempt": 1}
    with site.entered():
        assert all(one.national_id for one in Account.objects.exclude(encrypted_id=None))
        run = ImportRun.objects.get()
        assert (len(list(report.rejections(run))), len(report.rows(run, "", ""))) == (1, 301)


CLERKS = ("IC1001", "EP1001", "CU1001")
APPOINT = f"""
from django.contrib.auth.hashers import make_password
from ismp.accounts.models import Account
Account.objects.filter(username__in={CLERKS}).update(
    role="agency_admin", password=make_password("{PASSWORD}"))
"""
RUNS = """
from ismp.imports.models import ImportRun
print(json.dumps(list(ImportRun.objects.order_by("pk").values_list("state", "attempt", "created"))))
"""
OPENED = """
from django.conf import settings
from ismp.accounts.models import Account
from ismp.audit import trail
from ismp.imports import run_files
from ismp.imports.models import ImportRun, RunFile
numbers = {a.username: a.national_id for a in Account.objects.exclude(encrypted_id=None)}
uploads = [len(b"".join(run_files.pieces(run, RunFile.Kind.UPLOAD))) for run in ImportRun.objects.all()]
kept = sum(len(list(run_files.pieces(run, kind))) for run in ImportRun.objects.all() for kind in RunFile.Kind)
print(json.dumps([numbers, uploads, kept == RunFile.objects.count(), list(trail.faults()), list(settings.KEYS.encryption_keys)]))
"""


@pytest.mark.postgresql
def test_on_several_hosts_under_load(tmp_path):
    """Web servers and workers with homes of their own go on receiving and importing while, again
    and again, a new key is made on one host, copied to all, and everything is encrypted with it."""
    cluster = Cluster()
    hosts = Hosts(tmp_path, cluster.url())
    try:
        people = demo_data.city()
        hosts.bring(people)
        hosts.python(APPOINT)
        ports = [hosts.web(), hosts.web()]
        for _ in range(3):
            hosts.worker()
        wait_for_web(ports)
        browsers = []
        for name, port in zip(CLERKS, [*ports, ports[0]], strict=True):
            browsers.append(Browser(lambda port=port: port))
            browsers[-1].sign_in(name)
        sizes = _rounds(hosts, tmp_path, people, browsers)
        wait_for(
            lambda: {state for state, _, _ in hosts.python(RUNS)} == {"completed"},
            lambda: hosts.logs()[-4000:],
        )
        runs = hosts.python(RUNS)
        assert runs == [["completed", 1, LINES]] * len(sizes), "nothing failed on its way"
        assert _rotated(hosts, "--forget-old")
        _copied(tmp_path)
        numbers, uploads, all_read, faults, versions = hosts.python(OPENED)
        assert numbers == {person.username: person.national_id for person in people}
        assert (sorted(uploads), all_read, faults, versions) == (sorted(sizes), True, [], [4])
    finally:
        hosts.close()
        cluster.remove()


LINES = 400


def _rounds(hosts, folder, people, browsers):
    """The sizes of all files that were uploaded."""
    sizes = []
    for number in range(3):
        assert _rotated(hosts, "--new-key")
        _copied(folder)
        sealing = hosts.start("manage.py", "rotate_keys")
        for browser, code in zip(browsers, demo_data.AGENCIES, strict=True):
            own = next(p for p in people if p.active and p.agency_code == code)
            for n in range(2):
                rows = [
                    row(national_id=own.national_id, name=own.name, term=f"{number}-{n}-{i}")
                    for i in range(LINES)
                ]
                content = data(*rows, encoding="utf-8-sig")
                assert browser.upload(f"{number}-{n}.csv", content).status == 200
                sizes.append(len(content))
        assert sealing.wait(PATIENCE_SECONDS) == 0
    return sizes


def _rotated(hosts, step):
    """On a host that starts anew with what the others have; its keys are the newest then."""
    return hosts.start("manage.py", "rotate_keys", step).wait(PATIENCE_SECONDS) == 0


def _copied(folder):
    """As an operator does: the keys of the host that changed them, to all."""
    homes = [home for home in folder.glob("home-*") if (home / "keys.json").exists()]
    newest = max(homes, key=lambda home: (home / "keys.json").stat().st_mtime_ns)
    for home in [folder, *homes]:
        if home != newest:
            draft = home / "keys.copy"
            shutil.copyfile(newest / "keys.json", draft)
            draft.chmod(0o600)
            draft.replace(home / "keys.json")
