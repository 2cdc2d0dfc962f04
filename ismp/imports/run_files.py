"""Files of a run: compressed and encrypted in chunks, so memory stays flat.

The pieces are rows; their bytes lie there too, or in S3-compatible storage
(`ismp.storage.encrypted_files`).
No clear byte of an upload ever stands on a disk, neither here nor on its way.
"""

import errno
import hashlib
import io
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import accumulate
from typing import IO, Any

import polars as pl
import zstandard
from django.db import transaction
from django.db.models import QuerySet

from ismp.imports.models import ImportRun, RunFile

PIECE_BYTES = 2 * 1024 * 1024
_FIRST_BYTES = 512 * 1024
_BUFFER_BYTES = 128 * 1024
_FAST = 1


class Writer:
    """Takes a file by chunks; a full piece is compressed and encrypted while the next one fills,
    and then stored."""

    def __init__(self, run: ImportRun, kind: RunFile.Kind) -> None:
        self.run, self.kind = run, kind
        self.size, self.lines, self._number = 0, 0, 0
        self._digest, self._piece = hashlib.sha256(), bytearray()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encryption")
        self._encrypting: Future[RunFile] | None = None
        RunFile.objects.filter(run=run, kind=kind).delete()

    def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self.lines += chunk.count(b"\n")
        rest = memoryview(chunk)
        while rest:
            full = _piece_bytes(self._number)
            part = rest[: full - len(self._piece)]
            self._digest.update(part)
            self._piece += part
            rest = rest[len(part) :]
            if len(self._piece) == full:
                self._encrypt()

    @property
    def sha256(self) -> str:
        """Of all that was taken so far, as 64 hex digits."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """Store the rest."""
        if self._piece:
            self._encrypt()
        self._store()
        self.stop()

    def stop(self) -> None:
        """End its thread; what is not stored yet is lost."""
        self._thread.shutdown()

    def _encrypt(self) -> None:
        piece = RunFile(run=self.run, kind=self.kind, number=self._number)
        encrypting = self._thread.submit(_encrypted, piece, self._piece)
        self._store()
        self._encrypting, self._piece = encrypting, bytearray()
        self._number += 1

    def _store(self) -> None:
        if self._encrypting:
            RunFile.store([self._encrypting.result()])
            self._encrypting = None


def _piece_bytes(number: int) -> int:
    """Small at first, so that an import has something to load at once and more while it loads."""
    return min(PIECE_BYTES, _FIRST_BYTES << number)


def store(run: ImportRun, kind: RunFile.Kind, chunks: Iterable[bytes]) -> Writer:
    """Keep a file in place of the one that was kept before; the writer tells what it took."""
    with transaction.atomic():
        writer = Writer(run, kind)
        for chunk in chunks:
            writer.write(chunk)
        writer.close()
    return writer


def copy(source: ImportRun, target: ImportRun) -> Writer:
    """Keep the file of one run for another one too (encrypted anew: a seal names its run)."""
    return store(target, RunFile.Kind.UPLOAD, pieces(source, file_kind(source)))


def file_kind(run: ImportRun) -> RunFile.Kind:
    """Where the file to import is: it is CONTENT if it came in an archive that is unpacked.

    The archive is deleted in the transaction that makes its content count; while it is there,
    CONTENT is what somebody is unpacking, or was when he died.
    """
    is_as_it_came = RunFile.objects.filter(run=run, kind=RunFile.Kind.UPLOAD).exists()
    return RunFile.Kind.UPLOAD if is_as_it_came else RunFile.Kind.CONTENT


def discard(run: ImportRun, kind: RunFile.Kind) -> None:
    RunFile.objects.filter(run=run, kind=kind).delete()


def open_file(run: ImportRun, kind: RunFile.Kind) -> IO[bytes]:
    """A stored file to be read at any place; two pieces of it are in memory at most."""
    return io.BufferedReader(_StoredFile(run, kind), _BUFFER_BYTES)


class _StoredFile(io.RawIOBase):
    def __init__(self, run: ImportRun, kind: RunFile.Kind) -> None:
        self._keys = list(_rows(run, kind).values_list("pk", flat=True))
        self._number, self._piece, self._at = -1, b"", 0
        full = map(_piece_bytes, range(len(self._keys) - 1))
        self._starts = list(accumulate(full, initial=0))
        self._size = self._starts[-1] + len(self._opened(len(self._keys) - 1))

    def _opened(self, number: int) -> bytes:
        if self._keys and number != self._number:
            piece = RunFile.objects.get(pk=self._keys[number])
            self._number, self._piece = number, zstandard.decompress(piece.opened())
        return self._piece

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise OSError(errno.EINVAL, "before the beginning")  # as a file on a disk says it
        self._at = origin + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._size:
            return 0
        number = bisect_right(self._starts, self._at) - 1
        start = self._at - self._starts[number]
        part = self._opened(number)[start : start + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)


def store_frames(run: ImportRun, kind: RunFile.Kind, packed: Iterable[bytes]) -> None:
    """Keep a table, each part of it (see `pack`) as a piece."""
    RunFile.objects.filter(run=run, kind=kind).delete()
    parts = enumerate(packed)
    RunFile.store(
        RunFile(run=run, kind=kind, number=number).encrypt(part) for number, part in parts
    )


def add_frame(run: ImportRun, kind: RunFile.Kind, packed: bytes) -> None:
    """Keep one more part of a table."""
    number = RunFile.objects.filter(run=run, kind=kind).count()
    RunFile.store([RunFile(run=run, kind=kind, number=number).encrypt(packed)])


def pack(frame: pl.DataFrame) -> bytes:
    # Uncompressed, it would leave holes in the heap of Python: 120 MB at a million rows.
    return zstandard.compress(frame.write_ipc(None, compression="zstd").getvalue(), _FAST)


def unpack(part: bytes) -> pl.DataFrame:
    return pl.read_ipc(zstandard.decompress(part))


def packed(run: ImportRun, kind: RunFile.Kind) -> Iterator[bytes]:
    """The parts of a table as they are kept, in order."""
    for piece in _rows(run, kind).iterator(1):
        yield piece.opened()


def load_frame(run: ImportRun, kind: RunFile.Kind) -> pl.DataFrame | None:
    """The table as it was kept, or None when it never was or has been purged."""
    parts = [unpack(part) for part in packed(run, kind)]
    return pl.concat(parts) if parts else None


def pieces(run: ImportRun, kind: RunFile.Kind) -> Iterator[bytes]:
    """The file piece by piece, in order."""
    return map(zstandard.decompress, packed(run, kind))


def pieces_at_hand(run: ImportRun, kind: RunFile.Kind) -> Iterator[bytes]:
    """As `pieces`, but read from the database at once: another thread may open them.

    Each is let go of when it is opened."""
    closed = deque(_rows(run, kind))
    return (zstandard.decompress(closed.popleft().opened()) for _ in range(len(closed)))


def _rows(run: ImportRun, kind: RunFile.Kind) -> QuerySet[RunFile]:
    return RunFile.objects.filter(run=run, kind=kind).order_by("number")


def _encrypted(piece: RunFile, data: bytearray) -> RunFile:
    return piece.encrypt(zstandard.compress(data, _FAST))
