"""Actions in the same moment, each in a thread with a connection of its own."""

import threading
from concurrent.futures import ThreadPoolExecutor

from django.db import DEFAULT_DB_ALIAS, connections

from ismp.errors import ActionRefused


def at_once(*actions):
    """Run actions at once; return, in their order, each result or the reason of its refusal."""
    ready, here = threading.Barrier(len(actions)), connections[DEFAULT_DB_ALIAS]
    own = [here.copy() for _ in actions]  # to wherever the test is, which may be a `Place`

    def do(action):
        connections[DEFAULT_DB_ALIAS] = connection = own.pop()
        connection.inc_thread_sharing()
        try:
            ready.wait()
            return action()
        except ActionRefused as reason:
            return str(reason)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(do, actions))
