"""Audit verbs of `ismp.hours` (`ismp.audit.verbs`)."""

from ismp.audit.verbs import AGENCY, ALL, NONE, Verb

IMPORT_HOURS = Verb("import_hours", "匯入時數", boards=AGENCY, reviews=NONE)
UNDO_IMPORT = Verb("undo_import", "復原匯入", boards=AGENCY, reviews=NONE)
EXPORT_HOURS = Verb("export_hours", "下載查詢結果", boards=NONE, reviews=NONE)
DELETE_HOURS = Verb("delete_hours", "刪除時數", boards=AGENCY, reviews=NONE)
RESTORE_HOURS = Verb("restore_hours", "還原時數", boards=AGENCY, reviews=NONE)
ATTACH_HOURS = Verb("attach_hours", "待認領時數歸戶", boards=AGENCY, reviews=NONE)
PURGE_WAITING = Verb("purge_waiting", "清除過期的待認領時數", boards=NONE, reviews=NONE)
CREDIT_HOURS = Verb("credit_hours", "登錄時數（本平台課程、外部認列）", boards=AGENCY, reviews=NONE)
TAKE_BACK_HOURS = Verb("take_back_hours", "收回外部認列的時數", boards=AGENCY, reviews=ALL)
WITHDRAW_HOURS = Verb("withdraw_hours", "收回本平台課程的時數", boards=AGENCY, reviews=NONE)
DECIDE_DUPLICATE = Verb("decide_duplicate", "確認可能重複的時數", boards=AGENCY, reviews=NONE)
