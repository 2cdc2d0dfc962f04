"""A backup of the whole platform and the way back, told as a story.

The keys are never in it: who finds the file can read no national ID and no kept upload.  A restored
database is handed over only when each table has the rows that were dumped and the audit trail
is whole; else everything stands as before.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from ismp.audit import trail
from ismp.audit.verbs import Verb
from ismp.operations import verbs
from ismp.operations.backup import archive, encryption
from ismp.operations.backup.archive import BackupRefused
from ismp.operations.backup.databases import Database, Moment
from ismp.operations.backup.encrypted_models import ENCRYPTED_MODELS
from ismp.operations.backup.postgresql import PostgreSQL
from ismp.operations.backup.sqlite import SQLite
from ismp.operations.monitoring import anchors
from ismp.ui.commands import migrate_if_needed


def _ours() -> Database:
    return SQLite() if connection.vendor == "sqlite" else PostgreSQL()


def make(target: Path) -> dict[str, Any]:
    """Write a backup while the site runs, encrypted to `ISMP_BACKUP_RECIPIENTS` if there are any;
    beside it the anchor of its trail, which `verify_trail --anchor` takes.  Returns its manifest.
    """
    keys = encryption.recipients()
    wrap = partial(encryption.encrypting, keys=keys) if keys else nullcontext
    with archive.writing(target, wrap) as file:
        with _ours().moment() as moment:
            manifest = {"sha256": file.dump(moment.dump()), **_described(moment)}
        file.manifest({**manifest, "signature": _signature(manifest)})
        _note(verbs.BACKUP, manifest)
    anchor = target.with_name(f"{target.name}.anchor")
    anchor.write_text("".join(f"{anchors.text(*head)}\n" for head in manifest["trail"]), "utf-8")
    return manifest


def _note(verb: Verb, manifest: dict[str, Any]) -> None:
    with transaction.atomic():
        trail.record(verb, actor=trail.SYSTEM, sha256=manifest["sha256"])


def _signature(manifest: dict[str, Any]) -> str:
    """By the key of the audit trail: what only we can have made, we need not doubt."""
    parts = {name: part for name, part in manifest.items() if name not in {"form", "signature"}}
    body = json.dumps(parts, ensure_ascii=False, sort_keys=True)
    signature: bytes = settings.KEYS.sign(b"backup" + body.encode())
    return signature.hex()


def _described(moment: Moment) -> dict[str, Any]:
    """Files that a restore must find again, and the keys that read them."""
    marks, key_versions = settings.KEYS.fingerprints(), set()
    for model in apps.get_models():
        if any(field.name == "key_version" for field in model._meta.fields):
            asked = f"SELECT DISTINCT key_version FROM {model._meta.db_table}"  # noqa: S608
            key_versions |= set(moment.ask(asked))
    needed = {"index", "trail", *(f"sealing-{number}" for (number,) in key_versions if number)}
    return {
        "made_at": timezone.now().isoformat(),
        "version": settings.VERSION,
        "database": _ours().kind,
        "migrations": sorted(map(list, moment.ask("SELECT app, name FROM django_migrations"))),
        "keys": {name: marks[name] for name in sorted(needed)},
        "tables": moment.contents(),
        "trail": [
            [number, bytes(chain).hex()]
            for number, chain in moment.ask("SELECT number, chain FROM audit_chainhead")
        ],
        "objects": sum(
            moment.ask(f"SELECT count(*) FROM {model._meta.db_table} WHERE stored_as <> ''")[0][0]  # noqa: S608
            for model in ENCRYPTED_MODELS
        ),
    }


def restore(source: Path, *, force: bool = False, identity: Path | None = None) -> dict[str, Any]:
    """Bring a backup back into an empty database, or in place of what stands there (`force`).

    An encrypted one is opened with the private key in the file `identity`.  Returns its manifest.
    Raises BackupRefused, and everything stands as before.
    """
    database = _ours()
    with _clear(source, identity) as path, archive.reading(path) as backup:
        _fits_here(backup.manifest, database)
        if database.in_use():
            raise BackupRefused("還有程式在使用資料庫；請先停止網站與背景工作，再還原。")
        database.put_back()  # what an interrupted one has left aside
        if not force and connection.introspection.table_names():
            raise BackupRefused("資料庫裡已經有資料；確定要以備份取代時，請加上 --force。")
        database.suspend()
        try:
            database.load(backup.dump())
            _is_what_was_dumped(backup.manifest, database)
            _hand_over(backup.manifest)
        except BaseException:
            database.put_back()
            raise
        database.forget()
    return backup.manifest


@contextmanager
def _clear(source: Path, identity: Path | None) -> Iterator[Path]:
    if source.is_file() and encryption.is_encrypted(source):
        with encryption.decrypted(source, identity) as path:
            yield path
    else:
        yield source


def _fits_here(manifest: dict[str, Any], database: Database) -> None:
    if manifest["database"] != database.kind:
        raise BackupRefused(
            f"備份來自 {manifest['database']}，這裡的資料庫是 {database.kind}；"
            "請以 DATABASE_URL 指定同一種資料庫。"
        )
    known = MigrationLoader(None).disk_migrations or {}
    own = {config.label for config in apps.get_app_configs() if config.name.startswith("ismp.")}
    applied = [(app, name) for app, name in manifest["migrations"] if app in own]
    if any(migration not in known for migration in applied):
        raise BackupRefused(f"備份來自較新的版本；請先安裝 {manifest['version']} 以上，再還原。")
    marks = settings.KEYS.fingerprints()
    if any(marks.get(name) != mark for name, mark in manifest["keys"].items()):
        raise BackupRefused(
            f"{settings.KEYS.path} 不是備份當時的金鑰，資料會無法讀取；"
            "請放回當時的 keys.json，再還原。"
        )
    if manifest["signature"] != _signature(manifest):
        raise BackupRefused("備份檔的清單被更動過，不能還原；請改用另一份備份。")


def _is_what_was_dumped(manifest: dict[str, Any], database: Database) -> None:
    found = database.contents()
    for name in manifest["tables"].keys() | found.keys():
        if manifest["tables"].get(name) != found.get(name):
            raise BackupRefused(f"還原後的 {name} 與備份時不符，資料庫維持原狀；請改用另一份備份。")


def _hand_over(manifest: dict[str, Any]) -> None:
    """To today's version."""
    migrate_if_needed()
    if faults := list(trail.faults()):
        raise BackupRefused(f"還原後的稽核軌跡不完整，資料庫維持原狀：{faults[0]}")
    _note(verbs.RESTORE, manifest)
