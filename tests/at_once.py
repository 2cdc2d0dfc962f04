"""Deeds in the same moment, each in a thread with a connection of its own."""

import threading
from concurrent.futures import ThreadPoolExecutor

from django.db import connection

from ismp.audit.trail import NotPossible


def at_once(*deeds):
    """What each came to, in their order: what it gave back, or why it was not possible."""
    ready = threading.Barrier(len(deeds))

    def do(deed):
        try:
            ready.wait()
            return deed()
        except NotPossible as reason:
            return str(reason)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(do, deeds))
