"""How an event of the audit trail reads: its action and its details in Chinese."""

import re
from datetime import date

from ismp.accounts.identities import in_words, sets
from ismp.accounts.models import Status
from ismp.applications.models import State as RequestState
from ismp.audit import verbs
from ismp.audit.models import Event
from ismp.courses.models import Standing, Way
from ismp.hours.models import Decision
from ismp.imports.models import State
from ismp.ui.text.roc_dates import roc_date

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


def event_in_words(event: Event) -> tuple[str, str]:
    """Return the action and its details, as a reader says them; `portal.apps` registers it."""
    return verbs.find(event.verb).label, _details_text(event)


def _details_text(event: Event) -> str:
    """The details of an event that a reader can use, in words."""
    texts = []
    for name, words in _DETAILS.items():
        value = event.detail.get(name)
        if value is True:
            texts.append(words)
        elif value not in {None, False, ""}:
            texts.append(f"{words} {_WORDS.get(value, value)}")
    texts += [changed_in_words(*change) for change in event.detail.get("changes", ())]
    return "、".join(texts)


def changed_in_words(title: str, before: str, after: str) -> str:
    """數量 5 → 1, as `audit.changes` noted it, days as 115-01-31."""
    return f"{title} {_side(before)} → {_side(after)}"


def _side(value: str) -> str:
    with_roc_day = _ISO_DAY.sub(lambda day: roc_date(date.fromisoformat(day[0])), value)
    return with_roc_day or "（空白）"
