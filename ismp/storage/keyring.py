"""The keys of this installation: one file in `ISMP_HOME`, apart from the data they protect.

It encrypts (AES-256-GCM) and indexes (HMAC-SHA-256), and knows neither Django nor what it encrypts.
An unkeyed hash of a national ID is as good as the ID (5×10⁸ candidates), so whoever has the
database alone must have nothing: the key file is what to guard, and to back up separately.
"""

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FILE_NAME = "keys.json"
_NONCE_BYTES = 12


@dataclass(frozen=True)
class KeyRing:
    """Versioned encryption keys (new data uses the newest) and the keys that never change."""

    path: Path
    encryption_keys: dict[int, bytes] = field(repr=False)
    index: bytes = field(repr=False)
    trail: bytes = field(repr=False)
    secret_key: str = field(repr=False)

    @classmethod
    def open(cls, home: Path) -> Self:
        """Read the key file of `home`, making it on the first run (mode 600, never overwritten)."""
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = home / FILE_NAME
        if not path.exists():
            _create(path)
        stored = json.loads(path.read_text("utf-8"))
        return cls(
            path=path,
            encryption_keys=_encryption_keys(stored),
            index=bytes.fromhex(stored["index"]),
            trail=bytes.fromhex(stored["trail"]),
            secret_key=stored["secret_key"],
        )

    @property
    def version(self) -> int:
        """Of the newest encryption key, which new data is encrypted with."""
        return max(self.encryption_keys)

    def fingerprints(self) -> dict[str, str]:
        """Of each key 16 hex digits by which it is recognised, and that reveal nothing of it."""
        encryption = {f"sealing-{version}": key for version, key in self.encryption_keys.items()}
        keys = {"index": self.index, "trail": self.trail, **encryption}
        marks = {
            name: hmac.digest(key, b"fingerprint", hashlib.sha256) for name, key in keys.items()
        }
        return {name: mark.hex()[:16] for name, mark in marks.items()}

    def refresh(self) -> None:
        """Read the encryption keys anew, after another process has added or forgotten some."""
        self.encryption_keys.update(_encryption_keys(json.loads(self.path.read_text("utf-8"))))

    def add_key(self) -> int:
        """Make a new encryption key and return its version; old ones stay to decrypt."""
        self.refresh()
        version = self.version + 1
        self._write({**self.encryption_keys, version: secrets.token_bytes(32)})
        self.refresh()
        return version

    def forget_old_keys(self) -> None:
        """Keep the newest encryption key only; what older ones encrypted is lost for ever."""
        self.refresh()
        self._write({self.version: self.encryption_keys[self.version]})

    def _write(self, encryption_keys: dict[int, bytes]) -> None:
        stored = json.loads(self.path.read_text("utf-8"))
        stored["sealing"] = {str(version): key.hex() for version, key in encryption_keys.items()}
        draft = _draft(self.path, stored)
        draft.replace(self.path)

    def encrypt(self, data: bytes, context: bytes) -> tuple[bytes, int]:
        """Encrypt with the newest key; returns the encrypted data and the key's version.

        `context` (what the data belongs to) must be given again to open it.
        """
        version, nonce = self.version, secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self.encryption_keys[version]).encrypt(nonce, data, context), version

    def decrypt(self, encrypted: bytes, context: bytes, version: int) -> bytes:
        """Decrypt data of that key version; raises InvalidTag when tampered with."""
        if version not in self.encryption_keys:
            self.refresh()
        nonce, ciphertext = encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:]
        return AESGCM(self.encryption_keys[version]).decrypt(nonce, ciphertext, context)

    def blind_index(self, text: str) -> bytes:
        """A keyed hash (32 bytes) by which equal values can be found without being readable."""
        index = self._index.copy()
        index.update(text.encode())
        return index.digest()

    @cached_property
    def _index(self) -> hmac.HMAC:
        """Has taken in the key; to begin with it for each text would take twice as long."""
        return hmac.new(self.index, digestmod=hashlib.sha256)

    def sign(self, data: bytes) -> bytes:
        """The audit trail's chain hash (32 bytes): without the key nobody can forge a link."""
        return hmac.digest(self.trail, data, hashlib.sha256)


def _create(path: Path) -> None:
    keys = {
        "sealing": {"1": secrets.token_hex(32)},
        "index": secrets.token_hex(32),
        "trail": secrets.token_hex(32),
        "secret_key": secrets.token_urlsafe(48),
    }
    draft = _draft(path, keys)
    try:
        os.link(draft, path)  # two processes on a first run agree on one file
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _draft(path: Path, keys: dict[str, Any]) -> Path:
    """Written beside, safely on the disk, to be put in the place of `path` at once."""
    draft = path.with_name(f".{FILE_NAME}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(keys, file)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _encryption_keys(stored: dict[str, Any]) -> dict[int, bytes]:
    return {int(version): bytes.fromhex(key) for version, key in stored["sealing"].items()}
