"""Audit verbs of `ismp.portal` (`ismp.audit.verbs`)."""

from ismp.audit.verbs import NONE, Topic, Verb

SAVE_PAGE = Verb("save_page", "更新網站內容", boards=NONE, reviews=NONE, rewrites=Topic.TEXTS)
ISSUE_CERTIFICATE = Verb("issue_certificate", "核發時數證明", boards=NONE, reviews=NONE)
OPEN_TICKET = Verb("open_ticket", "報修", boards=NONE, reviews=NONE)
ANSWER_TICKET = Verb("answer_ticket", "回覆報修", boards=NONE, reviews=NONE)
CLOSE_TICKET = Verb("close_ticket", "報修結案", boards=NONE, reviews=NONE)
EXPORT_BUNDLE = Verb("export_bundle", "下載支援資料", boards=NONE, reviews=NONE)
