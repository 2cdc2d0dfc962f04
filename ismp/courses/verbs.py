"""Audit verbs of `ismp.courses` (`ismp.audit.verbs`)."""

from ismp.audit.verbs import AGENCY, ALL, NONE, Verb

SAVE_TEACHER = Verb("save_teacher", "儲存教師", boards=NONE, reviews=ALL)
ADD_CERTIFICATE = Verb("add_certificate", "登錄證照", boards=NONE, reviews=ALL)
REMOVE_CERTIFICATE = Verb("remove_certificate", "移除證照", boards=NONE, reviews=ALL)
SAVE_COURSE = Verb("save_course", "儲存課程", boards=NONE, reviews=ALL)
OPEN_COURSE = Verb("open_course", "開放課程", boards=NONE, reviews=ALL)
CLOSE_COURSE = Verb("close_course", "關閉課程", boards=NONE, reviews=ALL)
SAVE_MATERIAL = Verb("save_material", "儲存教材", boards=NONE, reviews=ALL)
MOVE_MATERIAL = Verb("move_material", "調整教材順序", boards=NONE, reviews=ALL)
REMOVE_MATERIAL = Verb("remove_material", "刪除教材", boards=NONE, reviews=ALL)
SAVE_QUESTION = Verb("save_question", "儲存題目", boards=NONE, reviews=ALL)
REMOVE_QUESTION = Verb("remove_question", "刪除題目", boards=NONE, reviews=ALL)
SAVE_QUIZ = Verb("save_quiz", "設定測驗", boards=NONE, reviews=ALL)
ENROLL = Verb("enroll", "加入線上課程", boards=NONE, reviews=NONE)
BEGIN_QUIZ = Verb("begin_quiz", "開始測驗", boards=NONE, reviews=NONE)
SUBMIT_QUIZ = Verb("submit_quiz", "測驗交卷", boards=NONE, reviews=NONE)
COMPLETE_COURSE = Verb("complete_course", "完成線上課程", boards=NONE, reviews=NONE)
SAVE_SESSION = Verb("save_session", "儲存期別", boards=NONE, reviews=ALL)
CANCEL_SESSION = Verb("cancel_session", "取消期別", boards=NONE, reviews=ALL)
SIGN_UP = Verb("sign_up", "報名實體課程", boards=NONE, reviews=AGENCY)
WITHDRAW = Verb("withdraw", "取消報名", boards=NONE, reviews=AGENCY)
APPROVE_SIGN_UP = Verb("approve_sign_up", "審核錄取", boards=NONE, reviews=AGENCY)
REFUSE_SIGN_UP = Verb("refuse_sign_up", "審核不錄取", boards=NONE, reviews=AGENCY)
FREE_PLACE = Verb("free_place", "離職或異動，空出課程名額", boards=NONE, reviews=ALL)
REMIND_CLASS = Verb("remind_class", "上課提醒", boards=NONE, reviews=NONE)
MARK_ATTENDANCE = Verb("mark_attendance", "點名", boards=NONE, reviews=NONE)
ATTEND = Verb("attend", "掃描簽到", boards=NONE, reviews=NONE)
GRADE_CLASS = Verb("grade_class", "登錄成績", boards=NONE, reviews=ALL)
FINISH_SESSION = Verb("finish_session", "結訓", boards=NONE, reviews=ALL)
EXPORT_FOR_PORTAL = Verb(
    "export_for_portal", "下載入口網上傳檔（含身分證字號）", boards=NONE, reviews=NONE
)
TAKE_UPLOAD_AGAIN = Verb(
    "take_upload_again", "再次下載入口網上傳檔（含身分證字號）", boards=ALL, reviews=ALL
)
REVOKE_UPLOAD = Verb("revoke_upload", "撤銷上傳批次", boards=ALL, reviews=ALL)
CORRECT_AT_PORTAL = Verb("correct_at_portal", "已到入口網更正", boards=ALL, reviews=ALL)
