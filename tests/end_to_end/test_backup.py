"""The restore drill: a backup made in the middle of an import, brought back elsewhere, is the same
to the last row; and what is damaged, foreign or without its keys changes nothing."""

import hashlib
import json
import os
import shutil
import signal
import stat
import zipfile
from importlib import import_module

import pyrage
import pytest
from django.apps import apps
from django.conf import settings

from ismp.accounts.models import Account
from ismp.audit import trail
from ismp.hours.models import Record
from ismp.imports import run_files
from ismp.imports.models import ImportRun, RunFile
from ismp.operations.backup import archive
from ismp.operations.backup import story as backup_story
from ismp.operations.backup.databases import LEFT_OUT as TABLES_LEFT_OUT
from ismp.storage.keyring import KeyRing
from tests.support.faults import DONE, LEASE_OVER, Site, site, state_of
from tests.support.hosts import PATIENCE_SECONDS, wait_for
from tests.support.portal_files import PERSON

__all__ = ["site"]

LEFT_OUT = {"Session", "Event", "ChainHead", "Migration"}


@pytest.fixture
def elsewhere(tmp_path):
    """With nothing in it, not even tables."""
    place = Site(tmp_path / "elsewhere")
    yield place
    place.close()


def all_but_its_event(folder):
    return any(b"manifest.json" in path.read_bytes() for path in folder.glob(".one.zip.*"))


def take_keys(tmp_path, home):
    home.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(tmp_path / "home/keys.json", home)


def everything(place):
    """Of each table how many rows it has, and their digest."""
    with place.entered():
        tables = {}
        for model in apps.get_models(include_auto_created=True):
            if model.__name__ not in LEFT_OUT:
                rows = sorted(map(repr, model._base_manager.values_list()))
                tables[model._meta.label] = len(rows), hashlib.sha256("".join(rows).encode())
        return {name: (count, digest.hexdigest()) for name, (count, digest) in tables.items()}


def read(place):
    """How many numbers there are, whether all can be read, and how long the upload is."""
    with place.entered():
        numbers = [account.national_id for account in Account.objects.exclude(encrypted_id=None)]
        run = ImportRun.objects.get()
        upload = b"".join(run_files.pieces(run, RunFile.Kind.UPLOAD))
        return len(numbers), all(numbers), len(upload)


def test_a_backup_in_the_middle_of_an_import_comes_back_the_same(site, elsewhere, tmp_path):
    run = site.queue()
    worker = site.python(
        "tests/support/faulty_worker.py", run, "stored", "SIGSTOP", background=True
    )
    os.waitpid(worker.pid, os.WUNTRACED)
    before = everything(site)
    saving = site.python("manage.py", "backup", tmp_path / "one.zip", background=True)
    try:
        # On SQLite it waits with its event only, for the worker's lock.
        wait_for(lambda: saving.poll() is not None or all_but_its_event(tmp_path))
    finally:
        worker.send_signal(signal.SIGCONT)
    worker.communicate(timeout=PATIENCE_SECONDS)
    _, said = saving.communicate(timeout=PATIENCE_SECONDS)
    assert saving.returncode == 0, said
    # PostgreSQL has ended the session of who slept in a transaction.
    site.perform(run, after=LEASE_OVER)
    assert {**state_of(site), "attempt": 0} == DONE | {"attempt": 0}

    assert stat.S_IMODE((tmp_path / "one.zip").stat().st_mode) == 0o600
    assert not list(tmp_path.glob(".one*"))
    take_keys(tmp_path, elsewhere.home)
    restored = elsewhere.python("manage.py", "restore", tmp_path / "one.zip")
    assert (restored.returncode, restored.stderr) == (0, "")
    assert "稽核軌跡完整" in restored.stdout
    assert everything(elsewhere) == before
    assert state_of(elsewhere)["state"] == "running"
    assert (numbers := read(elsewhere)) == read(site)
    assert numbers[0] > 0
    elsewhere.perform(run, after=LEASE_OVER)
    assert state_of(elsewhere) == DONE | {"attempt": 2}


def test_only_an_empty_database_or_by_force(site, tmp_path):
    python = site.python
    assert python("manage.py", "backup", tmp_path / "one.zip").returncode == 0
    site.perform(site.queue())
    later = everything(site)
    refused = python("manage.py", "restore", tmp_path / "one.zip")
    assert (refused.returncode, "--force" in refused.stderr) == (1, True)
    assert everything(site) == later
    again = python("manage.py", "backup", tmp_path / "one.zip")
    assert (again.returncode, "已經存在" in again.stderr) == (1, True)
    for _ in range(2):  # what was restored once can be backed up and restored again
        done = python("manage.py", "restore", "--force", tmp_path / "one.zip")
        assert (done.returncode, done.stderr) == (0, "")
        assert count_of_records(site) == 0
        (tmp_path / "one.zip").unlink()
        assert python("manage.py", "backup", tmp_path / "one.zip").returncode == 0


def count_of_records(place):
    with place.entered():
        return Record.objects.count()


def test_nothing_changes_when_the_backup_is_no_good(site, elsewhere, tmp_path):
    here, there = site.python, elsewhere.python
    good = tmp_path / "good.zip"
    assert here("manage.py", "backup", good).returncode == 0
    content = good.read_bytes()
    cut, flipped, foreign, forged = (tmp_path / f"{n}.zip" for n in ("cut", "flip", "for", "forg"))
    cut.write_bytes(content[: len(content) // 2])
    middle = len(content) // 2
    flipped.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    with zipfile.ZipFile(foreign, "w") as other:
        other.writestr("a.txt", "a")
    rewritten(good, forged, lambda manifest: manifest["tables"].popitem())
    before = everything(site)
    for path, reason in (
        (cut, "不是 ismp backup 做的備份檔，或已經損壞"),
        (flipped, "損壞"),
        (foreign, "不是 ismp backup"),
        (forged, "被更動過"),
        (tmp_path / "none.zip", "找不到"),
    ):
        refused = here("manage.py", "restore", "--force", path)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert reason in refused.stderr and refused.stderr.count("\n") == 1, path
    refused = there("manage.py", "restore", good)  # it has made keys of its own
    assert refused.returncode == 1 and "不是備份當時的金鑰" in refused.stderr
    assert everything(site) == before
    take_keys(tmp_path, elsewhere.home)
    assert there("manage.py", "restore", good).returncode == 0


def test_what_is_not_what_was_dumped_is_taken_back(site, tmp_path):
    """The rows are fewer than the (rightly signed) manifest says: found only after loading."""
    python = site.python
    good, wrong = tmp_path / "good.zip", tmp_path / "wrong.zip"
    assert python("manage.py", "backup", good).returncode == 0
    before = everything(site)

    def one_more(manifest):
        manifest["tables"]["accounts_account"][0] += 1

    rewritten(good, wrong, one_more, keys=KeyRing.open(tmp_path / "home"))
    refused = python("manage.py", "restore", "--force", wrong)
    assert refused.returncode == 1
    assert "accounts_account" in refused.stderr and "維持原狀" in refused.stderr
    assert everything(site) == before
    assert faults_of(site) == []


def faults_of(place):
    with place.entered():
        return list(trail.faults())


def rewritten(source, target, change, keys=None):
    """A backup with another manifest; signed, if the keys are at hand."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        manifest = json.loads(old.read("manifest.json"))
        change(manifest)
        if keys:
            parts = {n: p for n, p in manifest.items() if n not in {"form", "signature"}}
            body = json.dumps(parts, ensure_ascii=False, sort_keys=True)
            manifest["signature"] = keys.sign(b"backup" + body.encode()).hex()
        new.writestr("database.zst", old.read("database.zst"))
        new.writestr("manifest.json", json.dumps(manifest))


IDLE = """
import django; django.setup()
import sys
from ismp.accounts.models import Account
Account.objects.count()
print(end=".", file=sys.stderr, flush=True)
sys.stdin.read()
"""


def test_not_while_the_site_runs(site, tmp_path):
    python = site.python
    assert python("manage.py", "backup", tmp_path / "one.zip").returncode == 0
    other = python("-c", IDLE, background=True)
    try:
        assert other.stderr.read(1) == b"."
        refused = python("manage.py", "restore", "--force", tmp_path / "one.zip")
    finally:
        other.kill()
        other.communicate()
    assert (refused.returncode, "請先停止網站" in refused.stderr) == (1, True)
    assert python("manage.py", "restore", "--force", tmp_path / "one.zip").returncode == 0


def test_an_interrupted_restore_leaves_all_as_it_was(site, tmp_path):
    """Killed after what stood there was set aside: the next restore puts it back first."""
    python = site.python
    assert python("manage.py", "backup", tmp_path / "one.zip").returncode == 0
    before = everything(site)
    killed = f"""
import django; django.setup()
import os, signal
from pathlib import Path
from ismp.operations.backup import story
story._hand_over = lambda _: os.kill(os.getpid(), signal.SIGKILL)
story.restore(Path(r"{tmp_path / "one.zip"}"), force=True)
"""
    assert python("-c", killed).returncode == -signal.SIGKILL
    refused = python("manage.py", "restore", tmp_path / "one.zip")
    assert (refused.returncode, "--force" in refused.stderr) == (1, True)
    assert everything(site) == before


def test_no_number_and_no_key_in_a_backup(site, tmp_path):
    python = site.python
    assert python("manage.py", "backup", tmp_path).returncode == 0
    [path] = tmp_path.glob("ismp-*.zip")
    keys = KeyRing.open(tmp_path / "home")
    with archive.reading(path) as opened:
        held = b"".join(opened.dump()) + json.dumps(opened.manifest).encode()
    assert PERSON.name.encode() in held
    assert PERSON.national_id.encode() not in held
    for key in (*keys.encryption_keys.values(), keys.index, keys.trail):
        assert key not in held and key.hex().encode() not in held


SIGNED_IN = """
import django; django.setup()
from importlib import import_module
from django.conf import settings
session = import_module(settings.SESSION_ENGINE).SessionStore()
session["canary"] = "live"
session.create()
print(session.session_key)
"""


def test_no_session_and_no_code_in_a_backup(site, elsewhere, tmp_path):
    key = site.script(SIGNED_IN)
    assert site.python("manage.py", "backup", tmp_path / "one.zip").returncode == 0
    with archive.reading(tmp_path / "one.zip") as opened:
        assert key.encode() not in b"".join(opened.dump())
        for name in set(TABLES_LEFT_OUT) & opened.manifest["tables"].keys():
            assert opened.manifest["tables"][name] == [0, "0"], name
    take_keys(tmp_path, elsewhere.home)
    assert elsewhere.python("manage.py", "restore", tmp_path / "one.zip").returncode == 0
    with elsewhere.entered():
        assert not import_module(settings.SESSION_ENGINE).SessionStore().exists(key)


def test_an_encrypted_backup_opens_with_its_private_key_only(site, elsewhere, tmp_path):
    key, other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    site.environment["ISMP_BACKUP_RECIPIENTS"] = str(key.to_public())
    (tmp_path / "key.txt").write_text(f"# a comment\n{key}\n")
    (tmp_path / "other.txt").write_text(f"{other}\n")
    before = everything(site)
    done = site.python("manage.py", "backup", tmp_path)
    assert done.returncode == 0, done.stderr
    [made] = tmp_path.glob("ismp-*.zip.age")
    assert PERSON.name.encode() not in made.read_bytes()
    assert made.read_bytes().startswith(b"age-encryption.org/v1")
    assert not list(tmp_path.glob(".ismp*"))
    take_keys(tmp_path, elsewhere.home)
    restore = ["manage.py", "restore", made]
    for options, reason in (
        ([], "--identity"),
        (["--identity", tmp_path / "other.txt"], "打不開這個備份"),
        (["--identity", tmp_path / "none.txt"], "不是 age 或 ssh 的私密金鑰"),
    ):
        refused = elsewhere.python(*restore, *options)
        assert (refused.returncode, reason in refused.stderr) == (1, True), refused.stderr
    done = elsewhere.python(*restore, "--identity", tmp_path / "key.txt")
    assert (done.returncode, done.stderr) == (0, "")
    assert everything(elsewhere) == before
    assert not list((elsewhere.home / "tmp").iterdir())


def test_a_recipient_that_is_no_key_is_named_and_nothing_is_written(site, tmp_path):
    site.environment["ISMP_BACKUP_RECIPIENTS"] = "age1nonsense"
    refused = site.python("manage.py", "backup", tmp_path / "one.zip")
    assert (refused.returncode, "ISMP_BACKUP_RECIPIENTS" in refused.stderr) == (1, True)
    assert not list(tmp_path.glob("*one.zip*"))


CUT_TAIL = """
import django; django.setup()
from ismp.audit.models import ChainHead, Event
last = {last}
Event.objects.filter(number__gt=last).delete()
kept = Event.objects.filter(number=last).first()
ChainHead.objects.update(number=last, chain=kept.chain if kept else b"")
"""


@pytest.mark.parametrize("left", [1, 0])
def test_an_anchor_shows_that_the_tail_of_the_trail_was_cut(site, tmp_path, left):
    assert site.python("manage.py", "backup", tmp_path / "one.zip").returncode == 0
    anchor = tmp_path / "one.zip.anchor"
    verify = ["manage.py", "verify_trail", "--anchor", anchor]
    assert site.python(*verify).returncode == 0
    site.script(CUT_TAIL.format(last=left))
    assert site.python("manage.py", "verify_trail").returncode == 0  # the chain itself is whole
    found = site.python(*verify)
    assert (found.returncode, "尾端被截掉" in found.stderr) == (1, True)
    none = site.python("manage.py", "verify_trail", "--anchor", __file__.replace("backup", "web"))
    assert (none.returncode, "沒有錨點" in none.stderr) == (1, True)


def test_from_a_newer_version_or_another_database(db):
    manifest = {"database": "oracle", "migrations": [], "version": "9.0"}
    with pytest.raises(backup_story.BackupRefused, match="同一種資料庫"):
        backup_story._fits_here(manifest, backup_story._ours())
    newer = manifest | {
        "database": backup_story._ours().kind,
        "migrations": [["hours", "0099_later"]],
    }
    with pytest.raises(backup_story.BackupRefused, match=r"請先安裝 9\.0 以上"):
        backup_story._fits_here(newer, backup_story._ours())
