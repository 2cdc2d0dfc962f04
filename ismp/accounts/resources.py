"""部門管理 and 帳號管理 as data (`ismp.ui.resources.resource` says what each line means)."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from django.utils import timezone

from ismp.accounts import separation, timeline
from ismp.accounts.actions import accounts as account_actions
from ismp.accounts.actions import cancelling, password_resets, person_links, postings
from ismp.accounts.actions import departments as department_actions
from ismp.accounts.forms.accounts import (
    AccountForm,
    IdentifiedForm,
    NumberForm,
    RoleForm,
    WithdrawalForm,
)
from ismp.accounts.forms.departments import DepartmentForm, MergeForm
from ismp.accounts.forms.postings import (
    CancelServiceForm,
    ChangeForm,
    LeaveForm,
    SinceForm,
    TransferForm,
)
from ismp.accounts.identities import Identity
from ismp.accounts.models import (
    Account,
    AccountControl,
    Agency,
    Department,
    Leave,
    Posting,
    Status,
)
from ismp.accounts.roles import ROLE_NAMES, Right, Role
from ismp.errors import ActionRefused
from ismp.ui.resources.columns import Column
from ismp.ui.resources.resource import Action, Filter, MenuPlace, Page, Resource
from ismp.ui.text.roc_dates import roc_date


def agencies(user: Any) -> list[tuple[str, str]]:
    """The choices of a filter by agency, for those who see several."""
    if not user.may(Right.ALL_AGENCIES):
        return []
    return [(str(agency.pk), agency.name) for agency in Agency.objects.all()]


AGENCY = Column("機關", "agency.name", right=Right.ALL_AGENCIES)
OF_AGENCY = Filter("agency", "機關", agencies)


def _state(department: Department) -> str:
    return f"已併入{department.merged_into}" if department.merged_into else "使用中"


DEPARTMENTS = Resource(
    name="departments",
    title="部門管理",
    thing="部門",
    rows=lambda user: (
        Department.objects.visible_to(user)
        .with_people()
        .select_related("agency", "merged_into")
        .order_by("agency", "path")
    ),
    columns=(
        Column("部門", "path"),
        AGENCY,
        Column("在職人數", "people", "number"),
        Column("資訊單位", "is_it"),
        Column("狀態", _state, tone=lambda one: "" if one.merged_into_id else "green"),
    ),
    called=lambda department: department.path,
    search={"name": "部門", "path": "上級部門"},
    filters=(
        OF_AGENCY,
        Filter(
            "state",
            "狀態",
            [("open", "使用中"), ("merged", "已合併")],
            lambda rows, choice: rows.filter(merged_into__isnull=choice == "open"),
        ),
    ),
    menu=MenuPlace("部門管理"),
    view=Right.VIEW_PEOPLE,
    edit=Right.EDIT_PEOPLE,
    form=DepartmentForm,
    save=department_actions.save_department,
    holds=department_actions.hold_trees,
    actions=(
        Action(
            "merge",
            "合併",
            Right.EDIT_PEOPLE,
            department_actions.merge,
            MergeForm,
            explains="從今天起，這些部門的人員與下級部門都改屬併入的部門；過去的任職紀錄不變。",
            fits=lambda user, one: not one.merged_into_id,
        ),
    ),
    empty="匯入名冊時會自動建立部門，也可以按「新增部門」。",
)


# --- 帳號管理 ------------------------------------------------------------------------------------


def _change(
    accounts: Iterable[Account], *, since: date, replace: bool = False, by: Account, **what: Any
) -> str:
    chosen = account_actions.touch(accounts, by)
    changed = [one for one in chosen if not timeline.changes_nothing(one, since, **what)]
    if not changed:
        raise ActionRefused(f"{roc_date(since)} 已經是這樣了，沒有要登記的異動。")
    for account in changed:
        if agency := what.get("agency"):  # the platform's transfer says who it is (ADR 23)
            person_links.join(account, agency, by=by)
        timeline.keep_within_reach(account, since, replace=replace, by=by)
        postings.assign(account, since=since, replace=replace, by=by.username, **what)
    same = len(chosen) - len(changed)
    also = f"另外 {same} 人原來就是這樣，沒有登記。" if same else ""
    return f"已登記 {len(changed)} 人的異動，{roc_date(since)} 生效。{also}"


def _cancel_service(
    accounts: Iterable[Account], *, entry: Posting, reason: str, by: Account
) -> str:
    cancelling.cancel_service(entry, reason=reason, by=by)
    return "已取消這筆任職異動，並通知本人。"


def _leave(accounts: Iterable[Account], *, since: date, by: Account, **what: Any) -> str:
    return _change(accounts, since=since, by=by, status=Status.LEFT, **what)


def _return(accounts: Iterable[Account], *, since: date, by: Account, **what: Any) -> str:
    done = _change(accounts, since=since, by=by, status=Status.ACTIVE, **what)
    for account in accounts:
        separation.note_control(account, AccountControl.Kind.RETURNED, by)
    return done


def _grant_leave(accounts: Iterable[Account], *, by: Account, **what: Any) -> str:
    [account] = account_actions.touch(accounts, by)
    leave = postings.grant_leave(account, by=by.username, **what)
    return f"已登記 {account.name} 留職停薪：{leave.in_words}。"


def _withdraw_leave(accounts: Iterable[Account], *, leave: Leave, reason: str, by: Account) -> str:
    account_actions.touch(accounts, by)
    postings.withdraw_leave(leave, reason=reason, by=by.username)
    return f"已撤銷 {leave.account.name} 的留職停薪。"


def _appoint(accounts: Iterable[Account], *, role: str, by: Account) -> str:
    chosen = [one for one in account_actions.touch(accounts, by) if one.role != role]
    if not chosen:
        raise ActionRefused(f"勾選的人已經是{ROLE_NAMES[Role(role)]}，沒有做任何變更。")
    for account in chosen:
        postings.appoint(account, Role(role), by=by.username)
    return f"已將 {len(chosen)} 人的角色改為{ROLE_NAMES[Role(role)]}。"


def _reset_password(accounts: Iterable[Account], *, identified: bool, by: Account) -> Page:
    [account] = accounts
    reset = password_resets.ask(account, by=by)
    others = password_resets.confirmers(reset) if reset.is_waiting else []
    return Page("accounts/reset_asked.html", {"reset": reset, "others": others})


def _departments(user: Any) -> list[tuple[str, str]]:
    if user.may(Right.ALL_AGENCIES):
        return []
    of_agency = Department.objects.visible_to(user).open()
    return [(str(one.pk), one.path) for one in of_agency]


def _touchable(user: Account, account: Account) -> bool:
    return user.pk != account.pk and user.may_touch(account)


def _in_office(user: Account, account: Account) -> bool:
    return _touchable(user, account) and account.is_active


def _beside(user: Account, account: Account) -> dict[str, Any]:
    """The entries of service that stand, the newest first, and those that do not any more."""
    today = timezone.localdate()
    steps = timeline.build(account)
    now = next((one for one in reversed(steps) if one.entry.since <= today), None)
    gone = account.postings.exclude(cancelled_at=None).select_related("agency", "department")
    return {
        "steps": [(step, step is now, step.entry.since > today) for step in reversed(steps)],
        "gone": gone.order_by("-cancelled_at", "-since"),
        "leaves": account.leaves.all(),
        "same_person": Account.objects.of_person(account)
        .exclude(pk=account.pk)
        .select_related("agency"),
        "may_cancel": user.may(Right.EDIT_PEOPLE) and _touchable(user, account),
        "unknown": Posting.UNKNOWN,
    }


ACCOUNTS = Resource(
    name="people",
    title="帳號管理",
    thing="帳號",
    rows=lambda user: (
        Account.objects.visible_to(user)
        .select_related("agency", "department")
        .order_by("agency__code", "username")
    ),
    columns=(
        Column("公務帳號", "username"),
        Column("姓名", "name"),
        AGENCY,
        Column("部門", "department.path"),
        Column("資安列管身分", "get_identities_display"),
        Column(
            "狀態", "get_status_display", tone=lambda one: "green" if one.is_active else "quiet"
        ),
        Column("角色", "get_role_display"),
        Column("最近使用", "last_seen_at", "date"),
    ),
    more=(
        Column("電子郵件", "email"),
        # With these 下載查詢結果 is a roster that 匯入名冊 reads.
        Column("機關代碼", "agency.code"),
        Column("機關名稱", "agency.name"),
    ),
    search={"username": "公務帳號", "name": "姓名", "department__path": "部門"},
    filters=(
        OF_AGENCY,
        Filter("department", "部門", _departments),
        Filter("status", "狀態", Status.choices),
        Filter(
            "identity",
            "資安列管身分",
            Identity.choices,
            lambda rows, choice: rows.with_identity(choice),
        ),
        Filter("role", "角色", [(role.value, name) for role, name in ROLE_NAMES.items()]),
        Filter(
            "leave",
            "留職停薪",
            [("now", "目前留職停薪")],
            lambda rows, choice: rows.on_leave(timezone.localdate()),
        ),
    ),
    menu=MenuPlace("帳號管理"),
    view=Right.VIEW_PEOPLE,
    edit=Right.EDIT_PEOPLE,
    form=AccountForm,
    save=account_actions.save_account,
    edits=_touchable,
    actions=(
        Action(
            "change",
            "變更部門或身分",
            Right.EDIT_PEOPLE,
            _change,
            ChangeForm,
            explains="從生效日起依新的部門與資安列管身分計算；之前的不變。",
            fits=_in_office,
        ),
        Action(
            "transfer",
            "調往其他機關",
            Right.TRANSFER_PEOPLE,
            _change,
            TransferForm,
            explains="從生效日起屬於調往的機關，時數跟著人走；調入後由該機關指定部門。",
            fits=_in_office,
        ),
        Action(
            "leave",
            "離職或停用",
            Right.EDIT_PEOPLE,
            _leave,
            SinceForm,
            explains="從生效日起不能登入，匯入時數時也不再對應；資料保留，之後可以復用。",
            danger=True,
            fits=_in_office,
        ),
        Action(
            "return",
            "復用",
            Right.EDIT_PEOPLE,
            _return,
            SinceForm,
            explains="從生效日起恢復在職，可以登入。",
            fits=lambda user, one: _touchable(user, one) and not one.is_active,
        ),
        Action(
            "grant_leave",
            "登記留職停薪",
            Right.EDIT_PEOPLE,
            _grant_leave,
            LeaveForm,
            explains="這段期間不要求學習時數。",
            many=False,
            fits=_in_office,
        ),
        Action(
            "withdraw_leave",
            "撤銷留職停薪",
            Right.EDIT_PEOPLE,
            _withdraw_leave,
            WithdrawalForm,
            many=False,
            fits=lambda user, one: (
                _touchable(user, one) and one.leaves.filter(withdrawn_at=None).exists()
            ),
        ),
        Action(
            "cancel_service",
            "取消任職異動",
            Right.EDIT_PEOPLE,
            _cancel_service,
            CancelServiceForm,
            explains="取消後就當作沒有登記過，它取代過的登記恢復有效；取消的登記與理由仍看得到。",
            many=False,
            danger=True,
            fits=lambda user, one: False,  # each entry on the page has its own button
        ),
        Action("appoint", "指派角色", Right.EDIT_PEOPLE, _appoint, RoleForm, fits=_in_office),
        Action(
            "reset_password",
            "重設密碼",
            Right.EDIT_PEOPLE,
            _reset_password,
            IdentifiedForm,
            explains=(
                "一次性代碼會寄到本人的電子郵件；沒有電子郵件，或是管理者的帳號，要另一位管理者確認。"
                "代碼發出時，原來的密碼才失效，所有登入都會結束；本人每一步都會收到通知。"
            ),
            many=False,
            whole=False,
            fits=_in_office,
        ),
        Action(
            "end_sessions",
            "結束登入",
            Right.EDIT_PEOPLE,
            account_actions.end_sessions,
            explains="這些帳號在所有裝置上的登入立刻結束；密碼不變。",
            fits=_in_office,
        ),
        Action(
            "set_national_id",
            "變更身分證字號",
            Right.EDIT_PEOPLE,
            account_actions.set_national_id,
            NumberForm,
            many=False,
            fits=_touchable,
        ),
    ),
    page="accounts/account_page.html",
    beside=_beside,
    called=lambda account: f"{account.username} {account.name}",
    empty="請匯入名冊，或按「新增帳號」。",
)
