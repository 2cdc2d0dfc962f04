"""Refusals of actions, shown as messages on the page that follows."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.http import HttpRequest

from ismp.errors import ActionRefused


@contextmanager
def refusal_shown(request: HttpRequest) -> Iterator[None]:
    """Act; an ActionRefused ends the block, and its sentence becomes an error message."""
    try:
        yield
    except ActionRefused as reason:
        messages.error(request, str(reason))
