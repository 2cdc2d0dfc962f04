"""How passwords are hashed: argon2id at OWASP's figures for servers (46 MiB, one pass, one lane).

Django's own (100 MiB, two passes, eight lanes) cost 0.21 s of a core each, these 0.06; a city that
comes to work in half an hour signs in thirty times a second.  An older hash is renewed when its
owner signs in.
Source: OWASP Password Storage Cheat Sheet.
"""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2id(Argon2PasswordHasher):
    memory_cost = 47_104  # KiB
    time_cost = 1
    parallelism = 1
