"""A file to take away over HTTP, sent while it is made, that never looks whole when it is not."""

import logging
from collections.abc import Iterable, Iterator

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

logger = logging.getLogger(__name__)

_HELD_BYTES = 16 * 1024 * 1024
"""So much of a file is put together before the first byte goes: a hundred thousand records."""
_BROKEN_OFF = "\r\n檔案沒有傳完，請重新下載。\r\n".encode()
_WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def csv_answer(pieces: Iterable[bytes], name: str) -> StreamingHttpResponse:
    """A CSV to take away; one that is too long to be held says in its last line if it broke off."""
    return _answer(pieces, name, "text/csv; charset=utf-8", _BROKEN_OFF)


def workbook_answer(pieces: Iterable[bytes], name: str) -> StreamingHttpResponse:
    """A workbook to take away; without its end it does not open."""
    return _answer(pieces, name, _WORKBOOK)


def _answer(
    pieces: Iterable[bytes], name: str, media_type: str, last_words: bytes = b""
) -> StreamingHttpResponse:
    """The web server ends an answer that breaks off as it ends any other, so that nobody could
    tell.  What fits in `_HELD_BYTES` is therefore whole before the first byte goes, with its
    length; what breaks raises here and is an error page.  More is sent while it is being read.
    """
    going, held, size = iter(pieces), list[bytes](), 0
    while size <= _HELD_BYTES and (piece := next(going, None)) is not None:
        held.append(piece)
        size += len(piece)
    headers = {"Content-Disposition": content_disposition_header(True, name) or ""}
    if size <= _HELD_BYTES:
        headers["Content-Length"] = str(size)
    sent = _one_by_one(held, to_the_end(going, last_words))
    return StreamingHttpResponse(sent, content_type=media_type, headers=headers)


def to_the_end(pieces: Iterable[bytes], last_words: bytes) -> Iterator[bytes]:
    """The pieces; if they break off, what is sent must not look whole: `last_words` say so."""
    try:
        yield from pieces
    except Exception as error:
        logger.error("an export broke off: %s", type(error).__name__)
        yield last_words
        raise


def _one_by_one(held: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    """A generator, so that who stops taking it closes what it is read from."""
    yield from held
    yield from rest
