"""機關管理 as data (`ismp.ui.resources.resource` says what each line means).

The platform keeps the agencies; the others see their own, an auditor all.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, OuterRef, Q, Subquery
from django.utils import timezone

from ismp.accounts.actions import cancelling
from ismp.accounts.actions import postings as accounts
from ismp.accounts.agencies import actions
from ismp.accounts.agencies.closing import actions as closing_actions
from ismp.accounts.agencies.closing import preview as closing_preview
from ismp.accounts.agencies.forms import (
    AgencyForm,
    CancelEntryForm,
    CloseForm,
    GradeForm,
    OfficerForm,
    RenameForm,
)
from ismp.accounts.models import (
    Account,
    Agency,
    AgencyGrade,
    AgencyName,
    Closing,
    Grade,
    SecurityOfficer,
    Status,
)
from ismp.accounts.roles import Right
from ismp.ui.resources.columns import Column
from ismp.ui.resources.resource import Action, Filter, MenuPlace, Page, Resource
from ismp.ui.text.roc_dates import roc_date


def _rows(user: Any) -> Any:
    """With what a list shows: the grade and the 資安長 of today, how many are in office."""
    today = timezone.localdate()
    grades = AgencyGrade.objects.on(today).filter(agency=OuterRef("pk"))
    officers = SecurityOfficer.objects.on(today).filter(agency=OuterRef("pk"))
    officers = officers.filter(account__agency=OuterRef("pk"), account__status=Status.ACTIVE)
    return (
        Agency.objects.visible_to(user)
        .select_related("parent", "merged_into")
        .annotate(
            graded=Subquery(grades.values("grade")[:1]),
            officer=Subquery(officers.values("account__name")[:1]),
            people=Count("accounts", filter=Q(accounts__status=Status.ACTIVE)),
        )
        .order_by("code")
    )


def _graded(rows: Any, choice: str) -> Any:
    return rows.filter(graded=None if choice == "none" else choice)


def _state(rows: Any, choice: str) -> Any:
    today = timezone.localdate()
    return rows.open_on(today) if choice == "open" else rows.filter(closed_on__lte=today)


def _rename(agencies: Iterable[Agency], *, by: Account, **what: Any) -> str:
    [agency] = agencies
    entry = actions.rename(agency, what.pop("name"), by=by, **what)
    return f"已登記「{agency}」自 {roc_date(entry.since)} 起改名為「{entry.name}」。"


def _grade(agencies: Iterable[Agency], *, grade: str, by: Account, **what: Any) -> str:
    [agency] = agencies
    entry = accounts.grade(agency, Grade(grade), by=by.username, **what)
    return f"已登記「{agency}」自 {roc_date(entry.since)} 起為 {entry.get_grade_display()}。"


def _name_officer(agencies: Iterable[Agency], *, by: Account, **what: Any) -> str:
    [agency] = agencies
    entry = actions.name_officer(agency, by=by, **what)
    return f"已登錄「{agency}」的資安長：{entry.in_words}。"


def _close(
    agencies: Iterable[Agency], *, into: Agency | None, since: Any, sure: bool, by: Account
) -> Any:
    [agency] = agencies
    if not sure:
        seen = closing_preview.preview(agency, into, since)
        context = {"agency": agency, "into": into, "since": since, "preview": seen}
        return Page("accounts/agency_close.html", context)
    done = closing_actions.close(agency, into=into, since=since, by=by)
    if done.done_at:
        return f"已完成：{agency} {done.in_words}。"
    return f"已登記：{agency} {done.in_words}，當天自動生效。"


def _cancel(agencies: Iterable[Agency], *, entry: Any, reason: str, by: Account) -> str:
    ways: dict[Any, Any] = {
        AgencyName: actions.cancel_name,
        AgencyGrade: cancelling.cancel_grading,
        SecurityOfficer: actions.cancel_officer,
        Closing: closing_actions.cancel_closing,
    }
    ways[type(entry)](entry, reason=reason, by=by)
    return "已取消這筆登記。"


def _beside(user: Account, agency: Agency) -> dict[str, Any]:
    """The entries of the agency, the newest first, and why what is due was not done."""
    waiting = agency.closings.standing().filter(done_at=None).select_related("into").first()
    late = waiting if waiting and waiting.since <= timezone.localdate() else None
    return {
        "names": agency.names.standing().order_by("-since"),
        "grade_entries": agency.grade_entries.standing().order_by("-since"),
        "officers": agency.security_officers.standing()
        .select_related("account", "deputy")
        .order_by("-since"),
        "closing": waiting,
        "obstacles": closing_preview.obstacles(agency, late.into, late.since) if late else [],
        "gone": _gone(agency),
        "children": agency.children.all(),
        "merged": agency.merged.all(),
        "may_cancel": user.may(Right.MANAGE_AGENCIES),
        "today": timezone.localdate(),
        "first": AgencyName.FIRST,
    }


def _gone(agency: Agency) -> list[tuple[str, Any]]:
    """List cancelled and replaced entries with their subject."""
    kinds = (
        ("名稱", agency.names),
        ("責任等級", agency.grade_entries),
        ("資安長", agency.security_officers),
        ("合併、裁撤", agency.closings),
    )
    found = [(title, one) for title, rows in kinds for one in rows.exclude(cancelled_at=None)]
    return sorted(found, key=lambda pair: pair[1].cancelled_at, reverse=True)


def _open(user: Any, agency: Agency) -> bool:
    return not agency.closed_on


AGENCIES = Resource(
    name="agencies",
    title="機關管理",
    thing="機關",
    rows=_rows,
    columns=(
        Column("機關代碼", "code"),
        Column("機關", "name"),
        Column("責任等級", lambda one: f"{one.graded}級" if one.graded else "未核定"),
        Column("上級機關", "parent.name"),
        Column("在職人數", "people", "number"),
        Column("資安長", "officer"),
        Column("聯絡人", "contact_name"),
        Column(
            "狀態", closing_actions.state_of, tone=lambda one: "quiet" if one.closed_on else "green"
        ),
    ),
    more=(
        Column("聯絡電話", "contact_phone"),
        Column("聯絡電子郵件", "contact_email"),
    ),
    called=lambda agency: f"{agency.name}（{agency.code}）",
    search={"name": "機關名稱", "code": "機關代碼", "parent__name": "上級機關"},
    filters=(
        Filter("grade", "責任等級", [*Grade.choices, ("none", "未核定")], _graded),
        Filter("state", "狀態", [("open", "使用中"), ("closed", "已合併或裁撤")], _state),
    ),
    menu=MenuPlace("部門管理"),
    view=Right.VIEW_PEOPLE,
    edit=Right.MANAGE_AGENCIES,
    form=AgencyForm,
    save=actions.save_agency,
    edits=_open,
    actions=(
        Action(
            "grade",
            "核定責任等級",
            Right.MANAGE_AGENCIES,
            _grade,
            GradeForm,
            explains="從生效日起，這個機關的人依該等級的學習地圖判定；之前的日子不變。",
            many=False,
            fits=_open,
        ),
        Action(
            "rename",
            "改名",
            Right.MANAGE_AGENCIES,
            _rename,
            RenameForm,
            explains="從生效日起用新的名稱；之前日子的達標狀況與文件仍用原來的名稱。機關代碼不變。",
            many=False,
            fits=_open,
        ),
        Action(
            "officer",
            "登錄資安長",
            Right.MANAGE_AGENCIES,
            _name_officer,
            OfficerForm,
            explains="重大資安事件會立刻通知資安長；機關也可以在「資安管制作業 › 資安長」登錄。",
            many=False,
            fits=_open,
        ),
        Action(
            "close",
            "合併或裁撤",
            Right.MANAGE_AGENCIES,
            _close,
            CloseForm,
            button="下一步：看會怎麼處理",
            explains="下一頁會列出人員、部門、設備、案件各有多少、怎麼處理，再確定。",
            many=False,
            fits=lambda user, one: not one.closed_on and not one.closings.standing().exists(),
        ),
        Action(
            "cancel",
            "取消登記",
            Right.MANAGE_AGENCIES,
            _cancel,
            CancelEntryForm,
            explains="取消後就當作沒有登記過，它取代過的登記恢復有效；取消的登記與理由仍看得到。",
            many=False,
            danger=True,
            fits=lambda user, one: False,  # each entry on the page has its own button
        ),
    ),
    page="accounts/agency_page.html",
    beside=_beside,
    empty="匯入名冊時會自動建立新的機關，也可以按「新增機關」。",
)
