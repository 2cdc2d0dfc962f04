"""Sealed pieces of files: in a row of the database, or in S3-compatible storage when
`ISMP_S3_BUCKET` says so.

A piece is a row with `key_version`, `data` and `stored_as` (the object's name, or empty).

An object is written before the row that names it, under a name that is never used again, and is
deleted by `sweep` only, when it is old and no row names it.  So a crash or a rolled-back
transaction leaves an object too many, never a row without its object.
"""

import uuid
from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.db.models import Model
from django.utils import timezone

_OLD = timedelta(days=1)
"""Longer than any transaction stays open between an object and its row."""


def in_use() -> bool:
    return bool(settings.S3_BUCKET)


def seal(piece: Any, data: bytes, context: bytes) -> None:
    """Put the sealed data into a piece, which the caller saves; `context` says whose it is."""
    sealed, piece.key_version = settings.KEYS.seal(data, context)
    piece.stored_as = put(sealed) if in_use() else ""
    piece.data = b"" if piece.stored_as else sealed


def unseal(piece: Any, context: bytes) -> bytes:
    sealed = get(piece.stored_as) if piece.stored_as else bytes(piece.data)
    return settings.KEYS.unseal(sealed, context, piece.key_version)


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


def lost(pieces: Iterable[type[Model]]) -> int:
    """How many kept pieces the storage no longer has, as after a restored backup."""
    rows = (model._default_manager.exclude(stored_as="") for model in pieces)
    names = {name for each in rows for name in each.values_list("stored_as", flat=True)}
    if names and in_use():
        names.difference_update(each["Key"] for page in _pages() for each in page)
    return len(names)


def sweep(pieces: Iterable[type[Model]]) -> int:
    """Delete old objects that no row of these models names; return how many.

    `pieces` are all the models whose rows are pieces.
    """
    if not in_use():
        return 0
    models = list(pieces)
    before, count = timezone.now() - _OLD, 0
    for page in _pages():
        old = {each["Key"] for each in page if each["LastModified"] <= before}
        lost = old.difference(*(_named(model, old) for model in models))
        for name in lost:
            _storage().delete_object(Bucket=settings.S3_BUCKET, Key=name)
        count += len(lost)
    return count


def _pages() -> Iterator[list[dict[str, Any]]]:
    """All objects there are, some hundred at a time."""
    for page in _storage().get_paginator("list_objects_v2").paginate(Bucket=settings.S3_BUCKET):
        yield page.get("Contents", [])


def _named(model: type[Model], names: Iterable[str]) -> set[str]:
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
