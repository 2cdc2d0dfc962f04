"""Audit verbs of `ismp.compliance` (`ismp.audit.verbs`)."""

from ismp.audit.verbs import ALL, NONE, Topic, Verb

EXPORT_STANDING = Verb("export_standing", "下載達標名單", boards=NONE, reviews=NONE)
REMIND = Verb("remind", "提醒未達標同仁", boards=NONE, reviews=NONE)
CHANGE_RULE = Verb("change_rule", "訂定學習地圖", boards=ALL, reviews=ALL, rewrites=Topic.RULES)
END_RULE = Verb("end_rule", "停用學習地圖", boards=ALL, reviews=ALL, rewrites=Topic.RULES)
CANCEL_RULE = Verb(
    "cancel_rule", "取消學習地圖的版本", boards=ALL, reviews=ALL, rewrites=Topic.RULES
)
ADD_EXAMPLE = Verb("add_example", "新增學習地圖範例", boards=ALL, reviews=ALL)
REMOVE_EXAMPLE = Verb("remove_example", "刪除學習地圖範例", boards=ALL, reviews=ALL)
SET_POLICY = Verb("set_policy", "訂定採計政策", boards=ALL, reviews=ALL, rewrites=Topic.RULES)
CANCEL_POLICY = Verb("cancel_policy", "取消採計政策", boards=ALL, reviews=ALL, rewrites=Topic.RULES)
