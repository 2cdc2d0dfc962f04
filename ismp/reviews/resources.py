"""帳號申請, 機關異動申請, 身分變更申請, 同一人確認, 重設密碼 as lists: what was asked and what
became of it."""

from collections.abc import Callable, Iterable
from typing import Any

from ismp.accounts.actions import person_links
from ismp.accounts.actions.password_resets import may_confirm
from ismp.accounts.models import Account, PasswordReset, PersonLink
from ismp.accounts.resources import AGENCY, OF_AGENCY
from ismp.accounts.roles import Right
from ismp.applications.forms import RevokeLinkForm
from ismp.applications.models import AccountApplication, IdentityChange, State, Transfer
from ismp.reviews.queue_item import Deciding
from ismp.reviews.sources import people as sources_people
from ismp.ui.resources.columns import Column
from ismp.ui.resources.resource import Action, Filter, MenuPlace, Resource

_TONES = {State.WAITING: "amber", State.APPROVED: "green", State.REFUSED: "red"}
_LINK_TONES = {
    PersonLink.State.WAITING: "amber",
    PersonLink.State.CONFIRMED: "green",
    PersonLink.State.REFUSED: "red",
}
_STATE = Column("狀態", "get_state_display", tone=lambda one: _TONES.get(one.state, "quiet"))
_DECIDED = (
    Column("決定時間", "decided_at", "date"),
    Column("決定", "decider"),
    Column("意見", "comment", "text"),
)
_STATES = Filter("state", "狀態", State.choices)
_PEOPLE = {"account__username": "公務帳號", "account__name": "姓名"}
_WITH = ("agency", "decided_by", "in_place_of")


def _beside(how: Deciding) -> Any:
    """Whether it waits for this person, and for a transfer whether they may revoke it."""

    def beside(user: Any, one: Any) -> dict[str, Any]:
        waits = type(one).objects.to_decide_by(user).filter(pk=one.pk).exists()
        asked_by = getattr(one, "asked_by", None)
        own = asked_by is not None and asked_by.agency_id == user.agency_id
        return {
            "review": how.name if waits else "",
            "may_withdraw": own and one.is_waiting and user.may(Right.EDIT_PEOPLE),
        }

    return beside


APPLICATIONS = Resource(
    name="applications",
    title="帳號申請",
    thing="帳號申請",
    rows=lambda user: (
        AccountApplication.objects.visible_to(user).select_related(*_WITH).order_by("-pk")
    ),
    columns=(
        Column("公務帳號", "username"),
        Column("姓名", "name"),
        AGENCY,
        Column("部門", "department"),
        Column("資安列管身分", "get_identities_display"),
        Column("申請時間", "asked_at", "date"),
        _STATE,
    ),
    more=(
        Column("收件編號", "receipt_in_groups"),
        Column("公務電子郵件", "email"),
        Column("理由", "reason", "text"),
        *_DECIDED,
    ),
    search={"username": "公務帳號", "name": "姓名"},
    filters=(OF_AGENCY, _STATES),
    menu=MenuPlace("機關審核作業"),
    view=Right.VIEW_PEOPLE,
    page="reviews/request_page.html",
    beside=_beside(sources_people.APPLICATION),
    empty="還沒有帳號的同仁在登入頁按「申請帳號」，申請就會出現在這裡。",
)

TRANSFERS = Resource(
    name="transfers",
    title="機關異動申請",
    thing="機關異動申請",
    rows=lambda user: (
        Transfer.objects.visible_to(user)
        .select_related(
            *_WITH, "account", "origin", "destination", "department", "asked_by__agency"
        )
        .order_by("-pk")
    ),
    columns=(
        Column("同仁", lambda one: f"{one.account.name}（{one.account.username}）"),
        Column("原機關", "origin.name"),
        Column("調往機關", "destination.name"),
        Column("生效日", "since", "date"),
        Column("申請時間", "asked_at", "date"),
        _STATE,
    ),
    more=(
        Column("提出", lambda one: f"{one.asked_by.agency} {one.asked_by.name}"),
        Column("調入後的部門", "department.name"),
        Column("理由", "reason", "text"),
        *_DECIDED,
    ),
    search=_PEOPLE,
    filters=(_STATES,),
    menu=MenuPlace("機關審核作業", covers="requests"),
    view=Right.VIEW_PEOPLE,
    page="reviews/request_page.html",
    beside=_beside(sources_people.TRANSFER),
    links=(
        (Right.EDIT_PEOPLE, "申請調入", "application_forms:coming"),
        (Right.EDIT_PEOPLE, "申請調出", "application_forms:going"),
    ),
    empty="同仁要調入或調出本機關時，按「申請調入」或「申請調出」，由另一個機關同意。",
)


def _revoke(links: Iterable[PersonLink], *, reason: str, by: Account) -> str:
    [link] = links
    person_links.revoke(link, reason=reason, by=by)
    return f"已撤銷：{link} 從現在起各自採計，並通知兩個帳號。"


def _beside_link(user: Account, one: PersonLink) -> dict[str, Any]:
    waits = PersonLink.objects.to_decide_by(user).filter(pk=one.pk).exists()
    return {"review": sources_people.PERSON_LINK.name if waits else ""}


def _account(name: str) -> Callable[[PersonLink], str]:
    """The account on one side of a link: 王小明（a-wang）."""
    return lambda link: f"{getattr(link, name).name}（{getattr(link, name)}）"


PERSON_LINKS = Resource(
    name="person_links",
    title="同一人確認",
    thing="同一人確認",
    rows=lambda user: (
        PersonLink.objects.visible_to(user)
        .select_related(
            *("account__agency", "account__department", "other__agency", "other__department"),
            *("asked_by", "decided_by", "in_place_of"),
        )
        .order_by("-pk")
    ),
    columns=(
        Column("帳號", _account("other")),
        Column("機關", "other.agency.name"),
        Column("另一個帳號", _account("account")),
        Column("另一個機關", "account.agency.name"),
        Column("登錄時間", "asked_at", "date"),
        Column("狀態", "get_state_display", tone=lambda one: _LINK_TONES.get(one.state, "quiet")),
    ),
    more=(
        Column("部門", "other.department.path"),
        Column("另一個帳號的部門", "account.department.path"),
        *_DECIDED,
    ),
    search={
        "other__username": "公務帳號",
        "other__name": "姓名",
        "account__username": "另一個公務帳號",
        "account__name": "另一個姓名",
    },
    filters=(Filter("state", "狀態", PersonLink.State.choices),),
    menu=MenuPlace("機關審核作業"),
    view=Right.VIEW_PEOPLE,
    actions=(
        Action(
            "revoke",
            "撤銷確認",
            Right.TRANSFER_PEOPLE,
            _revoke,
            RevokeLinkForm,
            explains="兩個帳號從現在起各自採計、互相看不到資料；確認期間看過的收不回來。",
            many=False,
            danger=True,
            fits=lambda user, one: one.state == PersonLink.State.CONFIRMED,
        ),
    ),
    page="reviews/request_page.html",
    beside=_beside_link,
    empty="其他機關的帳號登錄了本機關同仁的身分證字號時，會在這裡等候確認。",
)

CHANGES = Resource(
    name="changes",
    title="身分變更申請",
    thing="身分變更申請",
    rows=lambda user: (
        IdentityChange.objects.visible_to(user).select_related(*_WITH, "account").order_by("-pk")
    ),
    columns=(
        Column("公務帳號", "account.username"),
        Column("姓名", "account.name"),
        AGENCY,
        Column("申請的身分", "get_identities_display"),
        Column("生效日", "since", "date"),
        Column("申請時間", "asked_at", "date"),
        _STATE,
    ),
    more=(Column("理由", "reason", "text"), *_DECIDED),
    search=_PEOPLE,
    filters=(OF_AGENCY, _STATES),
    menu=MenuPlace("機關審核作業"),
    view=Right.VIEW_PEOPLE,
    page="reviews/request_page.html",
    beside=_beside(sources_people.IDENTITIES),
    empty="同仁在「我的時數」按「申請變更身分」，申請就會出現在這裡。",
)

_RESET_TONES = {"waiting": "amber", "issued": "green", "refused": "red"}
RESETS = Resource(
    name="resets",
    title="重設密碼",
    thing="重設密碼",
    rows=lambda user: (
        PasswordReset.objects.visible_to(user)
        .select_related("account__agency", "asked_by", "decided_by")
        .order_by("-pk")
    ),
    columns=(
        Column("公務帳號", "account.username"),
        Column("姓名", "account.name"),
        Column("機關", "account.agency.name", right=Right.ALL_AGENCIES),
        Column("申請", lambda one: f"{one.asked_by.name}（{one.asked_by}）"),
        Column("申請時間", "asked_at", "date"),
        Column("狀態", "get_state_display", tone=lambda one: _RESET_TONES.get(one.state, "quiet")),
        Column("代碼", "get_way_display"),
        Column("寄到", "sent_to"),
    ),
    more=(
        Column("要確認的原因", "because", "text"),
        Column("決定時間", "decided_at", "date"),
        Column("確認", "decided_by.name"),
        Column("意見", "comment", "text"),
    ),
    search=_PEOPLE,
    filters=(Filter("state", "狀態", PasswordReset.State.choices),),
    menu=MenuPlace("機關審核作業"),
    view=Right.VIEW_PEOPLE,
    page="reviews/request_page.html",
    beside=lambda user, one: {
        "review": sources_people.RESET.name if one.is_waiting and may_confirm(one, user) else "",
        "may_withdraw": False,
    },
    empty="在「帳號管理」打開同仁的帳號，按「重設密碼」。",
)
