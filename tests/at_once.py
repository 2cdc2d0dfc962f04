"""Deeds in the same moment, each in a thread with a connection of its own."""

import threading
from concurrent.futures import ThreadPoolExecutor

from django.db import DEFAULT_DB_ALIAS, connections

from ismp.audit.trail import NotPossible


def at_once(*deeds):
    """What each came to, in their order: what it gave back, or why it was not possible."""
    ready, here = threading.Barrier(len(deeds)), connections[DEFAULT_DB_ALIAS]
    own = [here.copy() for _ in deeds]  # to wherever the test is, which may be a `Place`

    def do(deed):
        connections[DEFAULT_DB_ALIAS] = connection = own.pop()
        connection.inc_thread_sharing()
        try:
            ready.wait()
            return deed()
        except NotPossible as reason:
            return str(reason)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(do, deeds))
