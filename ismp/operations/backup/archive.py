"""The file that a backup is: a ZIP of the database's dump, packed by zstd, and of a manifest.

Knows its form and whether it is whole, not what a database holds.  In need it opens without us:
`unzip`, then `zstd -d`.
"""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import zstandard

FORM = 1
_DUMP, _MANIFEST = "database.zst", "manifest.json"
_CHUNK_BYTES = 1024 * 1024


class BackupRefused(ValueError):
    """A backup cannot be made or restored; the text is one sentence in Chinese."""


class Writer:
    """Takes the dump as it comes, then the manifest that was not known before."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file

    def dump(self, chunks: Iterable[bytes]) -> str:
        """Pack and store; returns the SHA-256 of what is stored as 64 hex digits."""
        digest, packer = hashlib.sha256(), zstandard.ZstdCompressor().compressobj()
        with self._file.open(_DUMP, "w", force_zip64=True) as member:
            for chunk in chunks:
                _put(member, digest, packer.compress(chunk))
            _put(member, digest, packer.flush())
        return digest.hexdigest()

    def manifest(self, manifest: dict[str, Any]) -> None:
        text = json.dumps({"form": FORM, **manifest}, ensure_ascii=False, indent=1)
        self._file.writestr(_MANIFEST, text)


def _put(member: Any, digest: Any, packed: bytes) -> None:
    digest.update(packed)
    member.write(packed)


Wrap = Callable[[IO[bytes]], AbstractContextManager[IO[bytes]]]
"""What stands between the archive and its file: encryption, or nothing (`nullcontext`)."""


@contextmanager
def writing(path: Path, wrap: Wrap = nullcontext) -> Iterator[Writer]:
    """A new file at `path`, for its owner only; there is none until all of it is on the disk."""
    if path.exists():
        raise BackupRefused(f"{path} 已經存在；請換一個檔名，或先移走原來的檔案。")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w+b") as file:
            with wrap(file) as stream, zipfile.ZipFile(stream, "w") as packed:
                yield Writer(packed)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)


class Reader:
    """A backup that was opened: its manifest, and its dump as often as needed."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self.manifest: dict[str, Any] = json.loads(file.read(_MANIFEST))
        if self.manifest["form"] > FORM:
            raise BackupRefused("這個備份檔是較新的版本做的；請先安裝那個版本，再還原。")

    def is_whole(self) -> bool:
        digest = hashlib.sha256()
        with self._file.open(_DUMP) as member:
            while chunk := member.read(_CHUNK_BYTES):
                digest.update(chunk)
        return bool(digest.hexdigest() == self.manifest["sha256"])

    def dump(self) -> Iterator[bytes]:
        with self._file.open(_DUMP) as member:
            unpacked = zstandard.ZstdDecompressor().stream_reader(member)
            reader = io.BufferedReader(unpacked, _CHUNK_BYTES)
            while chunk := reader.read(_CHUNK_BYTES):
                yield chunk


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """Raises BackupRefused, before anything is read from it, when it is damaged or no backup."""
    try:
        packed = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise BackupRefused(f"找不到 {path}；請核對備份檔的路徑。") from None
    except (OSError, zipfile.BadZipFile):
        raise BackupRefused(f"{path} 不是 ismp backup 做的備份檔，或已經損壞。") from None
    with packed:
        try:
            reader = Reader(packed)
            is_whole = reader.is_whole()
        except (zipfile.BadZipFile, KeyError, TypeError, ValueError, OSError, EOFError) as error:
            if isinstance(error, BackupRefused):
                raise
            raise BackupRefused(f"{path} 不是 ismp backup 做的備份檔，或已經損壞。") from None
        if not is_whole:
            raise BackupRefused(f"{path} 已經損壞（內容與檢查碼不符）；請改用另一份備份。")
        yield reader
