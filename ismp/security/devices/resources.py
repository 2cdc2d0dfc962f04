"""管制設備, 例外留用, 限制清單 and 年度盤點 as data (see `ismp.ui.resources.resource`)."""

from typing import Any

from django.utils import timezone

from ismp.accounts import separation
from ismp.accounts.resources import AGENCY, OF_AGENCY
from ismp.accounts.roles import Right
from ismp.security.advisories import affected_devices
from ismp.security.devices.actions import campaigns as campaign_actions
from ismp.security.devices.actions import decisions as decision_actions
from ismp.security.devices.actions import devices as device_actions
from ismp.security.devices.actions import products as product_actions
from ismp.security.forms import (
    CampaignForm,
    CommentForm,
    DeviceForm,
    ExtendCampaignForm,
    KeepForm,
    LiftForm,
    ProductForm,
    ReasonForm,
    RetireByForm,
    RetiredForm,
)
from ismp.security.models import (
    Advisory,
    Campaign,
    Decision,
    Device,
    Network,
    RestrictedProduct,
)
from ismp.ui.resources.columns import Column
from ismp.ui.resources.resource import Action, Filter, MenuPlace, Resource
from ismp.ui.text import roc_dates


def _restriction(device: Device) -> str:
    return f"清單：{device.restriction}" if device.restriction else "不在清單上"


def _by_state(rows: Any, choice: str) -> Any:
    today = timezone.localdate()
    if choice == "retired":
        return rows.exclude(retired_on=None)
    if choice == "overdue":
        return rows.overdue(today)
    if choice == "undecided":
        return rows.undecided(today)
    return rows.in_use().restricted() if choice == "restricted" else rows.in_use()


def _may_be_decided(user: Any, device: Device) -> bool:
    return bool(device.restriction_id and not device.retired_on)


def _decide_retire(things: Any, *, by: Any, **asked: Any) -> int:
    return sum(
        bool(decision_actions.decide(one, kind=Decision.Kind.RETIRE, by=by, **asked))
        for one in things
    )


def _decide_keep(things: Any, *, by: Any, **asked: Any) -> str:
    for one in things:
        decision_actions.decide(one, kind=Decision.Kind.KEEP, by=by, **asked)
    return "已提出例外留用，等候資安長或其他管理者核可。"


def _retire(things: Any, *, retired_on: Any, by: Any) -> int:
    return device_actions.retire(Device.objects.filter(pk__in=things), on=retired_on, by=by)


def _unretire(things: Any, *, reason: str, by: Any) -> int:
    return device_actions.unretire(Device.objects.filter(pk__in=things), reason=reason, by=by)


DEVICES = Resource(
    name="devices",
    title="管制設備",
    thing="設備",
    rows=lambda user: Device.objects.visible_to(user).select_related("agency", "restriction"),
    columns=(
        Column("財產編號", "asset_no"),
        AGENCY,
        Column("種類", "get_kind_display"),
        Column("廠牌", "brand"),
        Column("型號", "model"),
        Column("放置地點", "place"),
        Column("連網情形", "get_network_display"),
        Column("限制清單", _restriction, tone=lambda one: "red" if one.restriction_id else "green"),
        Column("預計汰換日期", "retire_by", "date"),
        Column("汰換日期", "retired_on", "date"),
    ),
    more=(
        Column("品項", "category"),
        Column("序號", "serial"),
        Column("數量", "quantity", "number"),
        Column("保管單位", "department"),
        Column("保管人", "custodian"),
        Column("購置日期", "bought_on", "date"),
    ),
    search={"asset_no": "財產編號", "brand": "廠牌", "model": "型號", "custodian": "保管人"},
    filters=(
        OF_AGENCY,
        Filter(
            "state",
            "狀態",
            [
                ("in_use", "使用中"),
                ("restricted", "在限制清單上"),
                ("undecided", "待決定處置"),
                ("overdue", "逾期未汰換"),
                ("retired", "已汰換"),
            ],
            _by_state,
        ),
        Filter("network", "連網情形", Network.choices),
    ),
    menu=MenuPlace("資安管制作業"),
    view=Right.VIEW_SECURITY,
    edit=Right.EDIT_SECURITY,
    form=DeviceForm,
    save=device_actions.save_device,
    actions=(
        Action(
            "retire-by",
            "限期汰換",
            Right.EDIT_SECURITY,
            _decide_retire,
            RetireByForm,
            explains="清單上的設備在期限前汰換；逾期會列在儀表板最前面。",
            fits=_may_be_decided,
        ),
        Action(
            "keep",
            "例外留用",
            Right.EDIT_SECURITY,
            _decide_keep,
            KeepForm,
            explains="業務需要且無其他替代方案時，經核可並採補償措施，可在期限內留用。",
            fits=_may_be_decided,
        ),
        Action(
            "retired",
            "登錄汰換",
            Right.EDIT_SECURITY,
            _retire,
            RetiredForm,
            fits=lambda user, one: not one.retired_on,
        ),
        Action(
            "unretire",
            "取消汰換",
            Right.EDIT_SECURITY,
            _unretire,
            ReasonForm,
            explains="登錄錯了，或設備又恢復使用時，讓設備回到使用中。",
            fits=lambda user, one: bool(one.retired_on),
        ),
    ),
    page="security/device.html",
    beside=lambda user, one: {
        "decisions": one.decisions.select_related("made_by", "decided_by"),
        "named_by": affected_devices.naming(one, Advisory.objects.visible_to(user)),
    },
    links=((Right.EDIT_SECURITY, "匯入清冊", "security:import_devices"),),
    empty="請按「匯入清冊」或「新增設備」。",
)


def _approve(things: Any, *, comment: str, by: Any) -> int:
    return sum(
        bool(decision_actions.approve(one, accept=True, comment=comment, by=by)) for one in things
    )


def _reject(things: Any, *, comment: str, by: Any) -> int:
    return sum(
        bool(decision_actions.approve(one, accept=False, comment=comment, by=by)) for one in things
    )


def _withdraw(things: Any, *, by: Any) -> int:
    return sum(bool(decision_actions.withdraw(one, by=by)) for one in things)


def _is_own(user: Any, decision: Decision) -> bool:
    return decision.state == Decision.State.PENDING and decision.made_by_id == user.pk


def _is_to_decide(user: Any, decision: Decision) -> bool:
    pending = decision.state == Decision.State.PENDING
    return pending and separation.may_decide(user, decision.made_by_id)


_DECISION_TONES = {
    **{"pending": "amber", "approved": "green"},
    **{"rejected": "red", "withdrawn": "quiet"},
}
DECISIONS = Resource(
    name="decisions",
    title="例外留用",
    thing="例外留用",
    rows=lambda user: Decision.objects.filter(
        kind=Decision.Kind.KEEP, device__in=Device.objects.visible_to(user)
    ).select_related("device__agency", "made_by", "decided_by"),
    columns=(
        Column("設備", "device"),
        Column("機關", "device.agency.name", right=Right.ALL_AGENCIES),
        Column("狀態", "get_state_display", tone=lambda one: _DECISION_TONES[one.state]),
        Column("有效期限", "expires_on", "date"),
        Column("提出人", "made_by.name"),
        Column("提出時間", "made_at", "date"),
    ),
    more=(
        Column("留用理由", "reason", "text"),
        Column("補償措施", "measure", "text"),
        Column("核可人", "decided_by.name"),
        Column("意見", "comment", "text"),
    ),
    search={"device__asset_no": "財產編號", "device__brand": "廠牌"},
    filters=(Filter("state", "狀態", Decision.State.choices),),
    menu=MenuPlace("資安管制作業"),
    view=Right.VIEW_SECURITY,
    actions=(
        Action("approve", "核可", Right.EDIT_SECURITY, _approve, CommentForm, fits=_is_to_decide),
        Action(
            "reject",
            "不同意",
            Right.EDIT_SECURITY,
            _reject,
            CommentForm,
            danger=True,
            fits=_is_to_decide,
        ),
        Action("withdraw", "撤回", Right.EDIT_SECURITY, _withdraw, fits=_is_own),
    ),
    empty="清單上的設備要留用時，在設備的頁面按「例外留用」。",
)


def _lift(things: Any, *, ended_on: Any, by: Any) -> str:
    changed = sum(product_actions.lift(one, on=ended_on, by=by) for one in things)
    return f"已登錄解除；有 {changed} 項設備的限制因此改變。"


PRODUCTS = Resource(
    name="products",
    title="限制清單",
    thing="限制產品",
    rows=RestrictedProduct.objects.with_devices,
    columns=(
        Column("廠牌", "brand"),
        Column("型號", "model"),
        Column("來源函號", "letter", "text"),
        Column("發文日期", "issued_on", "date"),
        Column("解除日期", "ended_on", "date"),
        Column("使用中的設備", "held", "number"),
    ),
    search={"brand": "廠牌", "model": "型號", "letter": "來源函號"},
    menu=MenuPlace("資安管制作業"),
    view=Right.VIEW_SECURITY,
    is_shared=True,
    edit=Right.REVIEW_SECURITY,
    form=ProductForm,
    save=product_actions.save_product,
    actions=(
        Action(
            "lift",
            "登錄解除",
            Right.REVIEW_SECURITY,
            _lift,
            LiftForm,
            fits=lambda user, one: not one.ended_on,
        ),
    ),
    links=((Right.REVIEW_SECURITY, "匯入限制清單", "security:import_products"),),
    empty="危害國家資通安全產品的廠牌與型號，由平台管理者依來函登錄。",
)


def _withdraw_sign_off(things: Any, *, reason: str, by: Any) -> str:
    for one in things:
        campaign_actions.withdraw_sign_off(one, agency=by.agency, reason=reason, by=by)
    return "已撤回本機關的簽署；清冊更正後請再簽署一次。"


def _extend(things: Any, *, due_on: Any, reason: str, by: Any) -> str:
    for one in things:
        campaign_actions.extend_campaign(one, due_on=due_on, reason=reason, by=by)
    return f"期限已展延到 {roc_dates.roc_date(due_on)}，所有機關都會收到通知。"


def _campaign_beside(user: Any, campaign: Campaign) -> dict[str, Any]:
    return {
        "sign_offs": campaign_actions.sign_offs_of(campaign, user),
        "unsigned": campaign_actions.unsigned(campaign, user),
        "extensions": campaign_actions.extensions_of(campaign),
    }


CAMPAIGNS = Resource(
    name="campaigns",
    title="年度盤點",
    thing="年度盤點",
    rows=Campaign.objects.with_sign_offs,
    columns=(
        Column("年度", "year"),
        Column("期限", "due_on", "date"),
        Column("已簽署機關", "signed", "number"),
        Column("未簽署機關", "missing", "number", right=Right.ALL_AGENCIES),
        Column(
            "本機關",
            lambda one: "已簽署" if one.is_signed else "未簽署",
            tone=lambda one: "green" if one.is_signed else "amber",
        ),
    ),
    search={"year": "年度"},
    menu=MenuPlace("資安管制作業"),
    view=Right.VIEW_SECURITY,
    is_shared=True,
    edit=Right.REVIEW_SECURITY,
    form=CampaignForm,
    save=campaign_actions.save_campaign,
    actions=(
        Action(
            "sign",
            "簽署本機關清冊",
            Right.EDIT_SECURITY,
            campaign_actions.sign_all,
            explains="簽署表示本機關的管制設備清冊完整；清單上的設備都要先有處置。",
            many=False,
            fits=lambda user, one: not one.is_signed,
        ),
        Action(
            "withdraw",
            "撤回本機關的簽署",
            Right.EDIT_SECURITY,
            _withdraw_sign_off,
            ReasonForm,
            explains="簽署後才發現清冊有誤時撤回，更正後再簽署一次；兩次都留在紀錄裡。",
            many=False,
            fits=lambda user, one: one.is_signed,
        ),
        Action(
            "extend",
            "展延期限",
            Right.REVIEW_SECURITY,
            _extend,
            ExtendCampaignForm,
            explains="期限只能往後；所有機關會收到通知。",
            many=False,
        ),
    ),
    edits=lambda user, one: not one.sign_offs.exists(),
    page="security/campaign.html",
    beside=_campaign_beside,
    empty="平台管理者每年開始一次盤點，各機關確認清冊後簽署。",
)
