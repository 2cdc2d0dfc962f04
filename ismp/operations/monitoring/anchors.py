"""Anchors of the audit trail: number and link of its last event, noted outside the database.

Whoever can write to the database can cut off the newest events and set the head back; the chain is
whole then.  An anchor that somebody else keeps names an event that must still be there.  Each
backup carries one, and with `ISMP_SYSLOG` the worker sends one whenever the trail has grown.
"""

import logging
import re
import socket
from functools import cache
from logging.handlers import SYSLOG_UDP_PORT, SysLogHandler
from pathlib import Path

from django.conf import settings

from ismp.audit import trail

_ANCHOR = re.compile(r"number=(\d{1,18}) chain=([0-9a-f]{64})")
_IN_MANIFEST = re.compile(r'\[\s*(\d{1,18}),\s*"([0-9a-f]{64})"\s*\]')
"""As `backup` writes the head of the trail into its manifest."""

_sent = (0, "")


def text(number: int, chain: str) -> str:
    return f"ismp trail anchor number={number} chain={chain}"


def read(path: Path) -> list[tuple[int, str]]:
    """Return the anchors of any text that holds some: a log, an anchor file, a manifest.

    Raises OSError when the file cannot be read.
    """
    content = path.read_text("utf-8", errors="replace")
    found = [*_ANCHOR.findall(content), *_IN_MANIFEST.findall(content)]
    return [(int(number), chain) for number, chain in found]


def send() -> None:
    """Send the newest anchor to syslog, when there is a newer one and `ISMP_SYSLOG` is set."""
    global _sent  # noqa: PLW0603 (what this process has sent)
    newest = trail.anchor()
    if settings.SYSLOG and newest[0] and newest != _sent:
        _syslog(settings.SYSLOG).info(text(*newest))
        _sent = newest


@cache
def _syslog(address: str) -> logging.Logger:
    """A logger of its own: `/dev/log`, `host:port` (UDP) or `tcp://host:port`."""
    logger = logging.Logger("ismp.trail")
    way, rest = (
        (socket.SOCK_STREAM, address.removeprefix("tcp://"))
        if address.startswith("tcp://")
        else (socket.SOCK_DGRAM, address)
    )
    host, _, port = rest.partition(":")
    place = rest if rest.startswith("/") else (host, int(port or SYSLOG_UDP_PORT))
    logger.addHandler(SysLogHandler(place, SysLogHandler.LOG_AUTHPRIV, way))
    return logger
