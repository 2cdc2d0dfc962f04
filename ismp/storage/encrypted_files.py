"""Encrypted pieces of files: in a row of the database, or in S3-compatible storage when
`ISMP_S3_BUCKET` says so.

An `EncryptedChunk` is a row.  Where its owner has one file, the model is a `FilePiece` and adds
nothing but the foreign key.

An object is written before the row that names it, under a name that is never used again, and is
deleted by `sweep` only, when it is old and no row names it.  So a crash or a rolled-back
transaction leaves an object too many, never a row without its object.

An `EncryptedFile` is a file in such pieces, all of one size, so that any range is read by itself.
"""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import connection, models
from django.utils import timezone

_OLD = timedelta(days=1)
"""Longer than any transaction stays open between an object and its row."""
_BATCH = 10
"""Pieces of some hundred kilobytes that one statement takes."""


def in_use() -> bool:
    return bool(settings.S3_BUCKET)


class EncryptedChunk(models.Model):
    """One piece of a file, which only its place in its own file can open."""

    number = models.PositiveIntegerField()
    key_version = models.PositiveSmallIntegerField()
    data = models.BinaryField()
    stored_as = models.CharField(max_length=32, blank=True)
    """The object's name in S3-compatible storage; empty when `data` is here."""

    class Meta:
        abstract = True
        indexes: ClassVar = [
            models.Index(
                fields=["stored_as"],
                name="%(class)s_in_storage",
                condition=~models.Q(stored_as=""),
            )
        ]

    @property
    def context(self) -> bytes:
        """Associated data of the chunk: the owner's id and the chunk's number."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """Encrypt the data and store a piece that is not stored yet."""
        self.store([self.encrypt(data)])

    @classmethod
    def store(cls, pieces: Iterable[Self]) -> None:
        """Store encrypted pieces that are not stored yet, in the order in which they come.

        To PostgreSQL they go as they are: written into a statement, 300 kB take five times as long.
        """
        if connection.vendor != "postgresql":
            cls._default_manager.bulk_create(pieces, batch_size=_BATCH)
            return
        fields = [field for field in cls._meta.concrete_fields if not field.primary_key]
        kinds = [str(field.db_type(connection)).partition("(")[0] for field in fields]
        columns = ", ".join(str(field.column) for field in fields)
        statement = f"COPY {cls._meta.db_table} ({columns}) FROM STDIN (FORMAT binary)"
        connection.ensure_connection()
        with (
            connection.wrap_database_errors,
            connection.connection.cursor() as cursor,
            cursor.copy(statement) as copy,
        ):
            copy.set_types(kinds)
            for piece in pieces:
                copy.write_row([getattr(piece, field.attname) for field in fields])

    def opened(self) -> bytes:
        encrypted = get(self.stored_as) if self.stored_as else bytes(self.data)
        return settings.KEYS.decrypt(encrypted, self.context, self.key_version)

    def reencrypt(self) -> None:
        """Encrypt it with the newest key; the object it had is swept later."""
        self.encrypt(self.opened()).save(update_fields=["key_version", "stored_as", "data"])

    def encrypt(self, data: bytes) -> Self:
        """Put the data into the piece, encrypted with the newest key; the caller saves it."""
        encrypted, self.key_version = settings.KEYS.encrypt(data, self.context)
        self.stored_as = put(encrypted) if in_use() else ""
        self.data = b"" if self.stored_as else encrypted
        return self


class FilePiece(EncryptedChunk):
    """A piece of the one file of its owner: a model adds `owner`, a foreign key, and `purpose`."""

    purpose: ClassVar[str]
    """What kind of file it is encrypted for; changing it makes stored pieces unreadable."""
    owner_id: int

    class Meta(EncryptedChunk.Meta):
        abstract = True
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner", "number"], name="%(app_label)s_%(class)s_has_one_place"
            )
        ]

    def __str__(self) -> str:
        return f"{self.owner_id}/{self.number}"

    @property
    def context(self) -> bytes:
        return f"{self.purpose}:{self.owner_id}:{self.number}".encode()


PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class EncryptedFile:
    """The file of one owner: the rows of `piece` whose owner has this primary key."""

    piece: type[FilePiece]
    owner_id: int

    def write(self, chunks: Iterable[bytes]) -> None:
        """Keep a file in place of the one that was kept before."""
        self.forget()
        number, buffer = 0, bytearray()
        for chunk in chunks:
            buffer += chunk
            while len(buffer) >= PIECE_BYTES:
                self._store(number, bytes(buffer[:PIECE_BYTES]))
                del buffer[:PIECE_BYTES]
                number += 1
        if buffer:
            self._store(number, bytes(buffer))

    def read(self, first: int, last: int) -> Iterator[bytes]:
        """The bytes from `first` to `last`, both included, piece by piece."""
        numbers = (first // PIECE_BYTES, last // PIECE_BYTES)
        pieces: Any = self._pieces().filter(number__range=numbers).order_by("number")
        for piece in pieces.iterator(1):
            start = piece.number * PIECE_BYTES
            yield piece.opened()[max(first - start, 0) : last + 1 - start]

    def forget(self) -> None:
        self._pieces().delete()

    def _pieces(self) -> Any:
        pieces: Any = self.piece._default_manager
        return pieces.filter(owner=self.owner_id)

    def _store(self, number: int, data: bytes) -> None:
        piece: Any = self.piece
        piece(owner_id=self.owner_id, number=number).write(data)


def put(data: bytes) -> str:
    """Store; returns the object's name once the storage has confirmed it."""
    name = uuid.uuid4().hex
    _storage().put_object(Bucket=settings.S3_BUCKET, Key=name, Body=data)
    return name


def get(name: str) -> bytes:
    """Raises botocore's ClientError when there is no such object."""
    answer = _storage().get_object(Bucket=settings.S3_BUCKET, Key=name)
    data: bytes = answer["Body"].read()
    return data


def lost(pieces: Iterable[type[EncryptedChunk]]) -> int:
    """How many kept pieces the storage no longer has, as after a restored backup."""
    rows = (model._default_manager.exclude(stored_as="") for model in pieces)
    names = {name for each in rows for name in each.values_list("stored_as", flat=True)}
    if names and in_use():
        names.difference_update(each["Key"] for page in _pages() for each in page)
    return len(names)


def sweep(pieces: Iterable[type[EncryptedChunk]]) -> int:
    """Delete old objects that no row of these models names; return how many.

    `pieces` are all the models whose rows are pieces.
    """
    if not in_use():
        return 0
    kinds = list(pieces)
    before, count = timezone.now() - _OLD, 0
    for page in _pages():
        old = {each["Key"] for each in page if each["LastModified"] <= before}
        lost = old.difference(*(_named(model, old) for model in kinds))
        for name in lost:
            _storage().delete_object(Bucket=settings.S3_BUCKET, Key=name)
        count += len(lost)
    return count


def _pages() -> Iterator[list[dict[str, Any]]]:
    """All objects there are, some hundred at a time."""
    for page in _storage().get_paginator("list_objects_v2").paginate(Bucket=settings.S3_BUCKET):
        yield page.get("Contents", [])


def _named(model: type[EncryptedChunk], names: Iterable[str]) -> set[str]:
    rows = model._default_manager.filter(stored_as__in=names)
    return set(rows.values_list("stored_as", flat=True))


@cache
def _storage() -> Any:
    """The client; safe to share between threads.  Access keys come from boto3's own environment."""
    import boto3  # noqa: PLC0415 (an optional extra)
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        connect_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 5},
        s3={"addressing_style": "path" if settings.S3_ENDPOINT else "auto"},
        request_checksum_calculation="when_required",  # storage other than Amazon's may lack it
        response_checksum_validation="when_required",
    )
    return boto3.client("s3", endpoint_url=settings.S3_ENDPOINT or None, config=config)
