"""管理環境: its entrance, and the audit trail for those who verify."""

import re
from datetime import date

from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from ismp.accounts.identities import in_words, sets
from ismp.accounts.models import Status
from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.applications.models import State as RequestState
from ismp.audit import trail as audit
from ismp.audit.models import Event
from ismp.courses.models import Standing, Way
from ismp.hours.models import Decision, State
from ismp.security import overview
from ismp.ui.forms import Form, KeywordField
from ismp.ui.http.requests import HttpRequest
from ismp.ui.resources.resource import without_keyword
from ismp.ui.resources.search import containing
from ismp.ui.text.roc_dates import roc_date

VERBS = {
    "sign_in": "登入",
    "sign_in_failed": "登入失敗",
    "sign_out": "登出",
    "change_password": "變更密碼",
    "fail_old_password": "舊密碼錯誤",
    "reset_failed": "一次性代碼錯誤",
    "refuse_page": "拒絕開啟沒有權限的頁面",
    "appoint": "指派角色",
    "import_roster": "匯入名冊",
    "create_by_roster": "名冊新增帳號",
    "change_by_roster": "名冊變更帳號",
    "add_account": "新增帳號",
    "save_account": "編輯帳號",
    "set_national_id": "變更身分證字號",
    "ask_person_link": "請他機關確認同一人",
    "confirm_person_link": "確認為同一人",
    "refuse_person_link": "確認不是同一人",
    "revoke_person_link": "撤銷同一人的確認",
    "end_person_link": "同一人的確認因身分證字號變更結束",
    "ask_reset": "申請重設密碼",
    "approve_reset": "確認重設密碼",
    "refuse_reset": "不同意重設密碼",
    "expire_reset": "重設密碼自動結案",
    "reset_password": "重設密碼",
    "set_password": "以一次性代碼設定密碼",
    "end_sessions": "結束登入",
    "assign": "任職異動",
    "cancel_service": "取消任職異動",
    "begin_serving": "任職異動生效",
    "save_department": "儲存部門",
    "merge_departments": "合併部門",
    "save_teacher": "儲存教師",
    "add_certificate": "登錄證照",
    "remove_certificate": "移除證照",
    "add_agency": "新增機關",
    "save_agency": "編輯機關",
    "rename_agency": "機關改名",
    "cancel_rename": "取消機關改名",
    "begin_name": "機關改名生效",
    "order_closing": "登記機關合併或裁撤",
    "cancel_closing": "取消機關合併或裁撤",
    "merge_agency": "合併機關",
    "close_agency": "裁撤機關",
    "grade": "核定責任等級",
    "cancel_grade": "取消責任等級",
    "grant_leave": "登記留職停薪",
    "withdraw_leave": "撤銷留職停薪",
    "import_hours": "匯入時數",
    "undo_import": "復原匯入",
    "export_hours": "下載查詢結果",
    "export_list": "下載清單",
    "delete_hours": "刪除時數",
    "restore_hours": "還原時數",
    "export_standing": "下載達標名單",
    "remind": "提醒未達標同仁",
    "incident": "資安事件",
    "name_officer": "登錄資安長",
    "cancel_officer": "取消資安長的登錄",
    "save_device": "登錄設備",
    "take_in_devices": "匯入設備清冊",
    "retire_devices": "汰換設備",
    "unretire_devices": "取消汰換設備",
    "save_product": "編輯限制清單",
    "take_in_products": "匯入限制清單",
    "lift_product": "解除限制",
    "restrict_products": "更新限制清單",
    "decide_device": "決定設備處置",
    "approve_device": "核可例外留用",
    "withdraw_device": "撤回例外留用",
    "open_campaign": "開始年度盤點",
    "save_campaign": "更正年度盤點",
    "extend_campaign": "展延年度盤點期限",
    "sign_inventory": "簽署設備清冊",
    "withdraw_sign_off": "撤回設備清冊的簽署",
    "take_in_advisories": "匯入情資",
    "update_advisory": "來源更新情資",
    "save_advisory": "編輯情資",
    "publish_advisory": "發布情資",
    "extend_advisory": "展延情資回覆期限",
    "end_advisory": "撤回情資或結案",
    "remove_addressee": "移除情資的受文機關",
    "add_evidence": "附上情資佐證",
    "receive_intelligence": "收到情資檔案",
    "open_evidence": "開啟情資佐證",
    "save_group": "儲存機關群組",
    "save_vendor": "儲存廠牌別名",
    "acknowledge_advisory": "簽收情資",
    "answer_advisory": "回覆情資",
    "attach_incident": "情資轉為事件",
    "apply_for_account": "申請帳號",
    "decide_application": "審核帳號申請",
    "expire_application": "帳號申請逾期結案",
    "purge_applications": "清除過期的帳號申請",
    "ask_transfer": "申請機關異動",
    "decide_transfer": "審核機關異動",
    "ask_identities": "申請身分變更",
    "decide_identities": "審核身分變更",
    "withdraw_request": "撤回申請",
    "delegate": "指定代理人",
    "end_delegation": "結束代理",
    "attach_hours": "待認領時數歸戶",
    "purge_waiting": "清除過期的待認領時數",
    "save_course": "儲存課程",
    "open_course": "開放課程",
    "close_course": "關閉課程",
    "save_material": "儲存教材",
    "move_material": "調整教材順序",
    "remove_material": "刪除教材",
    "save_question": "儲存題目",
    "remove_question": "刪除題目",
    "save_quiz": "設定測驗",
    "enroll": "加入線上課程",
    "begin_quiz": "開始測驗",
    "submit_quiz": "測驗交卷",
    "complete_course": "完成線上課程",
    "save_session": "儲存期別",
    "cancel_session": "取消期別",
    "sign_up": "報名實體課程",
    "withdraw": "取消報名",
    "approve_sign_up": "審核錄取",
    "refuse_sign_up": "審核不錄取",
    "free_place": "離職或異動，空出課程名額",
    "remind_class": "上課提醒",
    "mark_attendance": "點名",
    "attend": "掃描簽到",
    "grade_class": "登錄成績",
    "finish_session": "結訓",
    "export_for_portal": "下載入口網上傳檔（含身分證字號）",
    "take_upload_again": "再次下載入口網上傳檔（含身分證字號）",
    "revoke_upload": "撤銷上傳批次",
    "correct_at_portal": "已到入口網更正",
    "credit_hours": "登錄時數（本平台課程、外部認列）",
    "take_back_hours": "收回外部認列的時數",
    "withdraw_hours": "收回本平台課程的時數",
    "claim_hours": "申請外部時數認列",
    "withdraw_claim": "撤回外部時數認列",
    "approve_claim": "認列外部時數",
    "refuse_claim": "不同意認列外部時數",
    "revoke_claim": "撤銷外部時數認列",
    "open_certificate": "開啟證明文件",
    "purge_certificates": "刪除過期的證明文件",
    "remind_deadline": "期限提醒",
    "decide_duplicate": "確認可能重複的時數",
    "purge_uploads": "清除過期檔案",
    "rotate_keys": "更換加密金鑰",
    "change_rule": "訂定學習地圖",
    "end_rule": "停用學習地圖",
    "cancel_rule": "取消學習地圖的版本",
    "add_example": "新增學習地圖範例",
    "remove_example": "刪除學習地圖範例",
    "set_policy": "訂定採計政策",
    "cancel_policy": "取消採計政策",
    "save_page": "更新網站內容",
    "issue_certificate": "核發時數證明",
    "open_ticket": "報修",
    "answer_ticket": "回覆報修",
    "close_ticket": "報修結案",
    "export_bundle": "下載支援資料",
    "backup": "備份",
    "restore": "從備份還原",
    "copy_database": "複製到另一種資料庫",
}
"""Every action in the words of a reader; a test finds a verb that is missing here."""

_DETAILS = {
    "locked": "暫時鎖定",
    "page": "頁面",
    "state": "狀態",
    "status": "狀態",
    "total": "總筆數",
    "created": "新增",
    "updated": "更新",
    "unchanged": "無變動",
    "rejected": "無法匯入",
    "removed": "移除",
    "restored": "回復",
    "kept": "保留",
    "count": "筆數",
    "withdrawn": "收回",
    "left_deleted": "已由機關刪除",
    "reason": "理由",
    "of": "課程",
    "decision": "處理",
    "title": "課程名稱",
    "material": "教材",
    "session": "期別",
    "quota": "名額",
    "standing": "報名結果",
    "way": "方式",
    "attempt": "第幾次",
    "score": "成績",
    "drawn": "出題數",
    "pass_mark": "及格分數",
    "people": "人數",
    "line": "名冊第幾列",
    "runs": "匯入次數",
    "format": "格式",
    "module": "清單",
    "department": "部門",
    "departments": "部門數",
    "it_unit": "資訊單位",
    "into": "併入",
    "engaged": "聘用中",
    "certificate": "證照",
    "dry_run": "試匯入",
    "role": "角色",
    "account": "帳號",
    "asked_by": "申請",
    "because": "原因",
    "in_place_of": "代理",
    "digest": "清冊摘要",
    "run": "匯入",
    "new": "新增",
    "on_behalf_of": "代",
    "file": "檔案",
    "since": "自",
    "until": "至",
    "cancelled": "取消",
    "replaced": "取代",
    "identities": "資安列管身分",
    "grade": "責任等級",
    "step": "步驟",
    "drill": "演練",
    "kind": "處置",
    "reply": "回覆",
    "year": "年度",
    "rule": "學習地圖",
    "hours": "時數",
    "grades": "責任等級",
    "example": "範例",
    "two_years": "兩年的算法",
    "grace_days": "寬限天數",
    "unlisted": "等級未列的身分視為一般使用者及主管",
}
_WORDS = {
    **dict(State.choices),
    **dict(Status.choices),
    **dict(Decision.choices),
    **dict(Standing.choices),
    **dict(Way.choices),
    **dict(RequestState.choices),
    **{identities: in_words(identities) for identities in sets()},
}
_ISO_DAY = re.compile(r"^\d{4}-\d\d-\d\d")
_PER_PAGE = 50


@require_safe
@needs(Right.MANAGE)
def manage_home(request: HttpRequest) -> HttpResponse:
    """The modules, and before them what of 資安管制 is done and what is late."""
    user = request.user
    scopes = []
    if user.may(Right.VIEW_SECURITY):
        scopes.append(("本機關", overview.of(user, user.agency)))
        if user.may(Right.ALL_AGENCIES):
            scopes.append(("全市", overview.of(user)))
    return render(request, "portal/manage_home.html", {"scopes": scopes})


class _Search(Form):
    q = KeywordField()


@require_safe
@needs(Right.VIEW_TRAIL)
def trail(request: HttpRequest) -> HttpResponse:
    """稽核軌跡: who did what from where, searched by verb and words; verified on demand."""
    search = _Search(request.GET)
    if faults := search.errors.get("q"):
        return without_keyword(request, faults)
    text, verb = search.cleaned_data["q"], request.GET.get("verb", "")
    events = Event.objects.all()
    if verb:
        events = events.filter(verb=verb)
    if text:
        events = events.filter(
            containing("actor", text)
            | containing("agency", text)
            | containing("subject", text)
            | Q(address__startswith=text)
            | Q(session=text.lower())
            | Q(reference=text.upper())
        )
    page = Paginator(events, _PER_PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    for own in ("page", "verify"):
        query.pop(own, None)
    context = {
        "page": page,
        "events": [(event, *event_in_words(event)) for event in page],
        "verbs": VERBS.items(),
        "verb": verb,
        "q": text,
        "query": query.urlencode(),
        "hidden": list(query.items()),
        "verified": "verify" in request.GET,
        "faults": list(audit.faults()) if "verify" in request.GET else [],
    }
    return render(request, "portal/trail.html", context)


def event_in_words(event: Event) -> tuple[str, str]:
    """The action and its details, as a reader says them (settings.EVENT_IN_WORDS)."""
    return VERBS.get(event.verb, event.verb), _told(event)


def _told(event: Event) -> str:
    """The details of an event that a reader can use, in words."""
    told = []
    for name, words in _DETAILS.items():
        value = event.detail.get(name)
        if value is True:
            told.append(words)
        elif value not in {None, False, ""}:
            told.append(f"{words} {_WORDS.get(value, value)}")
    told += [changed_in_words(*change) for change in event.detail.get("changes", ())]
    return "、".join(told)


def changed_in_words(title: str, before: str, after: str) -> str:
    """數量 5 → 1, as `audit.changes` noted it, days as 115-01-31."""
    return f"{title} {_side(before)} → {_side(after)}"


def _side(value: str) -> str:
    with_roc_day = _ISO_DAY.sub(lambda day: roc_date(date.fromisoformat(day[0])), value)
    return with_roc_day or "（空白）"


urlpatterns = [
    path("", manage_home, name="home"),
    path("trail/", trail, name="trail"),
]
