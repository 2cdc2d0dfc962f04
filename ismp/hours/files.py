"""What a run keeps, in the database: compressed, sealed, in pieces, so memory stays flat.

No clear byte of an upload ever stands on a disk, neither here nor on its way.
"""

import hashlib
import io
import zlib
from collections.abc import Iterator

import polars as pl
from django.conf import settings

from ismp.hours.models import ImportRun, RunFile

PIECE_BYTES = 4 * 1024 * 1024
_FAST = 1


class Writer:
    """Takes a file chunk by chunk; each full piece is compressed, sealed and stored at once."""

    def __init__(self, run: ImportRun, kind: RunFile.Kind) -> None:
        self.run, self.kind = run, kind
        self.size, self._number = 0, 0
        self._digest, self._buffer = hashlib.sha256(), bytearray()
        RunFile.objects.filter(run=run, kind=kind).delete()

    def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._digest.update(chunk)
        self._buffer += chunk
        while len(self._buffer) >= PIECE_BYTES:
            self._flush(PIECE_BYTES)

    def close(self) -> str:
        """Store the rest; return the SHA-256 of the whole as 64 hex digits."""
        if self._buffer:
            self._flush(len(self._buffer))
        return self._digest.hexdigest()

    def _flush(self, length: int) -> None:
        piece = zlib.compress(bytes(self._buffer[:length]), _FAST)
        del self._buffer[:length]
        RunFile.objects.create(
            run=self.run,
            kind=self.kind,
            number=self._number,
            key_version=settings.KEYS.version,
            data=settings.KEYS.seal(piece, _context(self.run, self.kind, self._number)),
        )
        self._number += 1


def keep(run: ImportRun, kind: RunFile.Kind, data: bytes) -> None:
    writer = Writer(run, kind)
    writer.write(data)
    writer.close()


def load(run: ImportRun, kind: RunFile.Kind) -> bytes:
    """The file as it was kept; empty when it never was or has been purged."""
    return b"".join(pieces(run, kind))


def copy(source: ImportRun, target: ImportRun, kind: RunFile.Kind) -> None:
    """Keep a file of one run for another one too (sealed anew: a seal names its run)."""
    writer = Writer(target, kind)
    for piece in pieces(source, kind):
        writer.write(piece)
    writer.close()


def keep_frame(run: ImportRun, kind: RunFile.Kind, frame: pl.DataFrame) -> None:
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    keep(run, kind, buffer.getvalue())


def load_frame(run: ImportRun, kind: RunFile.Kind) -> pl.DataFrame | None:
    """The table as it was kept, or None when it never was or has been purged."""
    data = load(run, kind)
    return pl.read_ipc(io.BytesIO(data)) if data else None


def pieces(run: ImportRun, kind: RunFile.Kind) -> Iterator[bytes]:
    """The file piece by piece, in order."""
    for piece in RunFile.objects.filter(run=run, kind=kind).order_by("number").iterator(1):
        context = _context(run, kind, piece.number)
        yield zlib.decompress(settings.KEYS.unseal(bytes(piece.data), context, piece.key_version))


def _context(run: ImportRun, kind: str, number: int) -> bytes:
    return f"run:{run.pk}:{RunFile.Kind(kind).value}:{number}".encode()
