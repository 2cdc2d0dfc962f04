"""Audit verbs of `ismp.applications` (`ismp.audit.verbs`)."""

from ismp.audit.verbs import AGENCY, ALL, NONE, Verb

APPLY_FOR_ACCOUNT = Verb("apply_for_account", "申請帳號", boards=NONE, reviews=AGENCY)
DECIDE_APPLICATION = Verb("decide_application", "審核帳號申請", boards=NONE, reviews=AGENCY)
EXPIRE_APPLICATION = Verb("expire_application", "帳號申請逾期結案", boards=NONE, reviews=ALL)
PURGE_APPLICATIONS = Verb("purge_applications", "清除過期的帳號申請", boards=NONE, reviews=ALL)
ASK_TRANSFER = Verb("ask_transfer", "申請機關異動", boards=NONE, reviews=ALL)
DECIDE_TRANSFER = Verb("decide_transfer", "審核機關異動", boards=NONE, reviews=ALL)
ASK_IDENTITIES = Verb("ask_identities", "申請身分變更", boards=NONE, reviews=AGENCY)
DECIDE_IDENTITIES = Verb("decide_identities", "審核身分變更", boards=NONE, reviews=AGENCY)
WITHDRAW_REQUEST = Verb("withdraw_request", "撤回申請", boards=NONE, reviews=ALL)
DELEGATE = Verb("delegate", "指定代理人", boards=NONE, reviews=ALL)
END_DELEGATION = Verb("end_delegation", "結束代理", boards=NONE, reviews=ALL)
