"""Encryption of backups to recipients' public keys, in the age format (age-encryption.org/v1).

The private keys are not on this machine; `age -d` opens a backup without us.
"""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyrage
from django.conf import settings

from ismp.operations.backup.archive import BackupRefused

SUFFIX = ".age"
_MAGIC = b"age-encryption.org/v1"


def recipients() -> list[Any]:
    """Return the keys of `ISMP_BACKUP_RECIPIENTS`.  Raises BackupRefused for one that is none."""
    found = []
    for text in settings.BACKUP_RECIPIENTS:
        kind = pyrage.ssh if text.startswith("ssh-") else pyrage.x25519
        try:
            found.append(kind.Recipient.from_str(text))
        except pyrage.RecipientError:
            raise BackupRefused(
                f"設定 ISMP_BACKUP_RECIPIENTS 裡的「{text[:12]}…」"
                "不是 age 或 ssh 的公開金鑰；請更正。"
            ) from None
    return found


@contextmanager
def encrypting(target: IO[bytes], keys: list[Any]) -> Iterator[IO[bytes]]:
    """Give a stream whose bytes reach `target` encrypted; no clear byte is on a disk."""
    source, sink = os.pipe()
    faults: list[Exception] = []

    def pump() -> None:
        with os.fdopen(source, "rb") as reader:
            try:
                pyrage.encrypt_io(reader, target, keys)
            except Exception as error:  # told to who waits for it below
                faults.append(error)

    thread = threading.Thread(target=pump, name="encrypt-backup")
    thread.start()
    try:
        with os.fdopen(sink, "wb") as clear:
            yield clear
    finally:
        thread.join()
    if faults:
        raise OSError("the backup could not be encrypted") from faults[0]


def is_encrypted(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


@contextmanager
def decrypted(path: Path, identity: Path | None) -> Iterator[Path]:
    """Give a clear copy in the closed folder of the installation, removed afterwards.

    Raises BackupRefused without the private key that fits.
    """
    if identity is None:
        raise BackupRefused(f"{path} 已加密；請以 --identity 指定私密金鑰的檔案。")
    keys = _identities(identity)
    with tempfile.NamedTemporaryFile(dir=settings.TEMPORARY, suffix=".zip") as clear:
        try:
            with path.open("rb") as encrypted:
                pyrage.decrypt_io(encrypted, clear, keys)
        except pyrage.DecryptError:
            raise BackupRefused(
                f"{identity} 打不開這個備份，或備份已經損壞；請換一把私密金鑰。"
            ) from None
        clear.flush()
        yield Path(clear.name)


def _identities(path: Path) -> list[Any]:
    try:
        text = path.read_text("utf-8")
        if "OPENSSH PRIVATE KEY" in text:
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        lines = [line.strip() for line in text.splitlines()]
        keys = [line for line in lines if line.startswith("AGE-SECRET-KEY-")]
        if keys:
            return [pyrage.x25519.Identity.from_str(key) for key in keys]
    except (OSError, UnicodeDecodeError, pyrage.IdentityError):
        pass
    raise BackupRefused(f"{path} 不是 age 或 ssh 的私密金鑰檔；請核對路徑。")
