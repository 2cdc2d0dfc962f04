"""Audit verbs of `ismp.operations` (`ismp.audit.verbs`)."""

from ismp.audit.verbs import ALL, NONE, Verb

ROTATE_KEYS = Verb("rotate_keys", "更換加密金鑰", boards=ALL, reviews=ALL)
BACKUP = Verb("backup", "備份", boards=NONE, reviews=NONE)
RESTORE = Verb("restore", "從備份還原", boards=ALL, reviews=ALL)
COPY_DATABASE = Verb("copy_database", "複製到另一種資料庫", boards=ALL, reviews=ALL)
