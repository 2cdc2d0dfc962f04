"""Audit verbs of `ismp.external_hours` (`ismp.audit.verbs`)."""

from ismp.audit.verbs import AGENCY, ALL, NONE, Verb

CLAIM_HOURS = Verb("claim_hours", "申請外部時數認列", boards=NONE, reviews=AGENCY)
WITHDRAW_CLAIM = Verb("withdraw_claim", "撤回外部時數認列", boards=NONE, reviews=AGENCY)
APPROVE_CLAIM = Verb("approve_claim", "認列外部時數", boards=NONE, reviews=AGENCY)
REFUSE_CLAIM = Verb("refuse_claim", "不同意認列外部時數", boards=NONE, reviews=AGENCY)
REVOKE_CLAIM = Verb("revoke_claim", "撤銷外部時數認列", boards=NONE, reviews=ALL)
OPEN_CERTIFICATE = Verb("open_certificate", "開啟證明文件", boards=NONE, reviews=NONE)
PURGE_CERTIFICATES = Verb("purge_certificates", "刪除過期的證明文件", boards=NONE, reviews=ALL)
