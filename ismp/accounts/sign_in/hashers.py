"""How passwords are hashed: argon2id at OWASP's minimum for servers (19 MiB, two passes, one lane).

Of the figures that OWASP names as equally strong it is the one that it recommends first; 46 MiB in
one pass costs 52 ms of a core instead of 19, most of them for handing out memory, and Django's own
(100 MiB, two passes, eight lanes) 209 ms.  A city that comes to work in half an hour signs in
thirty times a second.  An older hash is accepted, and renewed when its owner signs in.
Source: OWASP Password Storage Cheat Sheet.
"""

import os
import threading

from django.contrib.auth.hashers import Argon2PasswordHasher

_at_once = threading.BoundedSemaphore(os.cpu_count() or 1)
"""More at the same time than cores would take as long, and hold the memory of all of them."""


class Argon2id(Argon2PasswordHasher):
    memory_cost = 19_456  # KiB
    time_cost = 2
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with _at_once:
            encoded: str = super().encode(password, salt)
        return encoded

    def verify(self, password: str, encoded: str) -> bool:
        with _at_once:
            right: bool = super().verify(password, encoded)
        return right
