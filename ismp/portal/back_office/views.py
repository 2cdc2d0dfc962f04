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
from ismp.audit import verbs
from ismp.audit.models import Event
from ismp.courses.models import Standing, Way
from ismp.hours.models import Decision, State
from ismp.security import overview
from ismp.ui.forms import Form, KeywordField
from ismp.ui.http.requests import HttpRequest
from ismp.ui.resources.resource import without_keyword
from ismp.ui.resources.search import containing
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
        "verbs": verbs.every(),
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
    return verbs.find(event.verb).label, _told(event)


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
