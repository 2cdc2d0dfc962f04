"""Audit verbs of `ismp.imports` (`ismp.audit.verbs`).

What comes in is recorded under the verb of its kind (`kinds.ImportKind.verb`).
"""

from ismp.audit.verbs import NONE, Verb

PURGE_UPLOADS = Verb("purge_uploads", "清除過期檔案", boards=NONE, reviews=NONE)
