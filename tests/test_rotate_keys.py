"""New keys while the site runs: nothing lost, whatever process seals or dies when."""

import json
import stat

import pytest
from django.core.management import CommandError, call_command
from files import PERSON, data, row
from test_faults import AGENCY, DONE, PERFORM, QUEUE, script, site, state_of

from ismp.accounts.models import Account
from ismp.audit.models import Event
from ismp.hours import files, report
from ismp.hours.models import RunFile
from ismp.keyring import KeyRing
from ismp.operations.management.commands import rotate_keys

__all__ = ["site"]


@pytest.fixture
def keys(tmp_path, settings):
    """A key ring of its own: the other tests keep theirs."""
    settings.KEYS = KeyRing.open(tmp_path / "keys")
    return settings.KEYS


@pytest.mark.django_db
def test_everything_is_sealed_anew_and_reads_the_same(keys, import_bytes, capsys):
    run = import_bytes(data(row(), row(total="9")))["run"]
    numbers = {account.pk: account.national_id for account in Account.objects.all()}
    before = [b"".join(files.pieces(run, kind)) for kind in RunFile.Kind]
    call_command("rotate_keys", new_key=True)
    assert set(RunFile.objects.values_list("key_version", flat=True)) == {1}
    call_command("rotate_keys")
    assert set(RunFile.objects.values_list("key_version", flat=True)) == {2}
    versions = Account.objects.exclude(sealed_id=None).values_list("key_version", flat=True)
    assert set(versions) == {2}
    assert {account.pk: account.national_id for account in Account.objects.all()} == numbers
    assert [b"".join(files.pieces(run, kind)) for kind in RunFile.Kind] == before
    assert len(list(report.rejections(run))) == 1
    assert import_bytes(data(row()))["unchanged"] == 1  # people are found as before
    assert Event.objects.filter(verb="rotate_keys").get().detail["version"] == 2
    assert PERSON.national_id not in capsys.readouterr().out


@pytest.mark.django_db
def test_stopped_in_the_middle_and_run_again(keys, import_bytes, monkeypatch):
    import_bytes(data(row()))
    call_command("rotate_keys", new_key=True)
    monkeypatch.setattr(rotate_keys, "_ACCOUNTS", 5)
    monkeypatch.setattr(rotate_keys, "_pieces", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        call_command("rotate_keys")
    with pytest.raises(CommandError, match="舊金鑰"):
        rotate_keys.Command()._forget_old()
    monkeypatch.undo()
    call_command("rotate_keys", forget_old=True)
    assert list(json.loads(keys.path.read_text())["sealing"]) == ["2"]
    fresh = KeyRing.open(keys.path.parent)
    piece = RunFile.objects.first()
    sealed = bytes(piece.data)
    assert fresh.unseal(sealed, files._context(piece), piece.key_version)


def test_a_process_that_meets_a_new_key_reads_the_file_again(tmp_path):
    here, there = KeyRing.open(tmp_path), KeyRing.open(tmp_path)
    old = here.seal(b"old", b"c")
    assert there.add_key() == 2
    new = there.seal(b"new", b"c")
    assert here.unseal(new[0], b"c", new[1]) == b"new"
    assert here.unseal(old[0], b"c", old[1]) == b"old"
    assert here.seal(b"x", b"c")[1] == 2
    assert stat.S_IMODE(here.path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]


def test_under_load(site):
    """A worker imports while another process makes a key and seals all anew, again and again."""
    python, file = site
    run = script(python, QUEUE % (AGENCY, file))
    worker = python("-c", PERFORM % run, background=True)
    for _ in range(3):
        assert python("manage.py", "rotate_keys", "--new-key").returncode == 0
        assert python("manage.py", "rotate_keys").returncode == 0
    assert worker.wait(60) == 0, worker.stderr.read()
    worker.stderr.close()
    done = python("manage.py", "rotate_keys", "--forget-old")
    assert done.returncode == 0, done.stderr
    assert state_of(python) == DONE | {"attempt": 1}
    read = """
import django; django.setup()
from ismp.accounts.models import Account
from ismp.hours import report
from ismp.hours.models import ImportRun
assert all(a.national_id for a in Account.objects.exclude(sealed_id=None))
print(len(list(report.rejections(ImportRun.objects.get()))), len(report.rows(ImportRun.objects.get(), "", "")))
"""
    assert script(python, read) == "1 301"
