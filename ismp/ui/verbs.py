"""Audit verbs of `ismp.ui` (`ismp.audit.verbs`)."""

from ismp.audit.verbs import NONE, Verb

REFUSE_PAGE = Verb("refuse_page", "拒絕開啟沒有權限的頁面", boards=NONE, reviews=NONE)
EXPORT_LIST = Verb("export_list", "下載清單", boards=NONE, reviews=NONE)
