"""資安管制作業 and 資安情資管理 as data (`ismp.ui.module` says what each line means)."""

from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from ismp.accounts.modules import AGENCY, OF_AGENCY
from ismp.accounts.roles import Right
from ismp.security import advisories, devices
from ismp.security.forms import (
    AdvisoryForm,
    AnswerForm,
    CampaignForm,
    CommentForm,
    DeviceForm,
    KeepForm,
    LiftForm,
    ProductForm,
    PublishForm,
    RetireByForm,
    RetiredForm,
)
from ismp.security.levels import Level
from ismp.security.models import (
    Address,
    Advisory,
    Campaign,
    Decision,
    Device,
    Incident,
    IncidentState,
    Network,
    Reply,
    RestrictedProduct,
    Severity,
)
from ismp.ui.module import Column, Deed, Filter, Module

VIEW, EDIT, REVIEW = Right.VIEW_SECURITY, Right.EDIT_SECURITY, Right.REVIEW_SECURITY


# --- 資通安全通報 ------------------------------------------------------------------------------


def _level_tone(incident: Incident) -> str:
    return "red" if (incident.level or 0) >= Level.THREE else "amber" if incident.level else ""


INCIDENTS = Module(
    name="incidents",
    title="資通安全通報",
    thing="事件",
    rows=lambda user: (
        Incident.objects.visible_to(user)
        .in_administration(user)
        .select_related("agency", "reporter")
    ),
    columns=(
        Column("編號", "number"),
        AGENCY,
        Column("事件名稱", "title", "text"),
        Column("等級", lambda one: f"{one.level} 級" if one.level else "未定", tone=_level_tone),
        Column(
            "狀態",
            "get_state_display",
            tone=lambda one: "green" if one.state == IncidentState.CLOSED else "amber",
        ),
        Column("演練", "is_drill"),
        Column("知悉時間", "known_at", "date"),
        Column("通報時間", "reported_at", "date"),
    ),
    search={"title": "事件名稱", "agency__name": "機關"},
    filters=(
        OF_AGENCY,
        Filter("state", "狀態", IncidentState.choices),
        Filter("level", "等級", [(str(level.value), f"{level.value} 級") for level in Level]),
        Filter("is_drill", "演練", [("True", "演練"), ("False", "實際事件")]),
    ),
    view=VIEW,
    page="security/incident_in_module.html",
    more=(Column("通報人", "reporter.name"), Column("復原時間", "recovered_at", "date")),
    links=(
        (EDIT, "通報資安事件", "security:report"),
        (VIEW, "法定期限", "security:time_limits"),
    ),
    empty="發現可疑情形時，請按「通報資安事件」。",
)


# --- 管制設備 ----------------------------------------------------------------------------------


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


def _decide_retire(things: Any, *, retire_by: Any, by: Any) -> int:
    return sum(
        bool(devices.decide(one, kind=Decision.Kind.RETIRE, retire_by=retire_by, by=by))
        for one in things
    )


def _decide_keep(things: Any, *, by: Any, **asked: Any) -> str:
    for one in things:
        devices.decide(one, kind=Decision.Kind.KEEP, by=by, **asked)
    return "已提出例外留用，等候資安長或其他管理者核可。"


def _retire(things: Any, *, retired_on: Any, by: Any) -> int:
    return devices.retire(Device.objects.filter(pk__in=things), on=retired_on, by=by)


DEVICES = Module(
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
        Column("預計汰換", "retire_by", "date"),
        Column("汰換日期", "retired_on", "date"),
    ),
    more=(
        Column("品項", "category"),
        Column("序號", "serial"),
        Column("數量", "quantity", "number"),
        Column("保管單位", "department"),
        Column("保管人", "keeper"),
        Column("購置日期", "bought_on", "date"),
    ),
    search={"asset_no": "財產編號", "brand": "廠牌", "model": "型號", "keeper": "保管人"},
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
    view=VIEW,
    edit=EDIT,
    form=DeviceForm,
    save=devices.save_device,
    deeds=(
        Deed(
            "retire-by",
            "限期汰換",
            EDIT,
            _decide_retire,
            RetireByForm,
            explains="清單上的設備在期限前汰換；逾期會列在儀表板最前面。",
            fits=lambda user, one: one.restriction_id and not one.retired_on,
        ),
        Deed(
            "keep",
            "例外留用",
            EDIT,
            _decide_keep,
            KeepForm,
            explains="業務需要且無其他替代方案時，經核可並採補償措施，可在期限內留用。",
            fits=lambda user, one: one.restriction_id and not one.retired_on,
        ),
        Deed(
            "retired",
            "登錄汰換",
            EDIT,
            _retire,
            RetiredForm,
            fits=lambda user, one: not one.retired_on,
        ),
    ),
    page="security/device.html",
    beside=lambda user, one: {
        "decisions": one.decisions.select_related("made_by", "decided_by"),
        "named_by": advisories.naming(one, Advisory.objects.visible_to(user)),
    },
    links=((EDIT, "匯入清冊", "security:import_devices"),),
    empty="請按「匯入清冊」或「新增設備」。",
)


def _approve(things: Any, *, comment: str, by: Any) -> int:
    return sum(bool(devices.approve(one, accept=True, comment=comment, by=by)) for one in things)


def _reject(things: Any, *, comment: str, by: Any) -> int:
    return sum(bool(devices.approve(one, accept=False, comment=comment, by=by)) for one in things)


def _is_to_decide(user: Any, decision: Decision) -> bool:
    return decision.state == Decision.State.PENDING and decision.made_by_id != user.pk


_DECISION_TONES = {"pending": "amber", "approved": "green", "rejected": "red"}
DECISIONS = Module(
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
    view=VIEW,
    deeds=(
        Deed("approve", "核可", EDIT, _approve, CommentForm, fits=_is_to_decide),
        Deed("reject", "不同意", EDIT, _reject, CommentForm, danger=True, fits=_is_to_decide),
    ),
    subject=lambda decision: f"device:{decision.device_id}",
    empty="清單上的設備要留用時，在設備的頁面按「例外留用」。",
)


def _lift(things: Any, *, ended_on: Any, by: Any) -> str:
    changed = sum(devices.lift(one, on=ended_on, by=by) for one in things)
    return f"已登錄解除；有 {changed} 項設備的限制因此改變。"


PRODUCTS = Module(
    name="products",
    title="限制清單",
    thing="限制產品",
    rows=RestrictedProduct.objects.with_devices,
    columns=(
        Column("產品", str),
        Column("來源函號", "letter", "text"),
        Column("發文日期", "issued_on", "date"),
        Column("解除日期", "ended_on", "date"),
        Column("使用中的設備", "held", "number"),
    ),
    search={"brand": "廠牌", "model": "型號", "letter": "來源函號"},
    view=VIEW,
    edit=REVIEW,
    form=ProductForm,
    save=devices.save_product,
    deeds=(
        Deed("lift", "登錄解除", REVIEW, _lift, LiftForm, fits=lambda user, one: not one.ended_on),
    ),
    empty="危害國家資通安全產品的廠牌與型號，由平台管理者依來函登錄。",
)

CAMPAIGNS = Module(
    name="campaigns",
    title="年度盤點",
    thing="年度盤點",
    rows=Campaign.objects.with_sign_offs,
    columns=(
        Column("年度", "year"),
        Column("期限", "due_on", "date"),
        Column("已簽署機關", "signed", "number"),
        Column(
            "本機關",
            lambda one: "已簽署" if one.mine else "未簽署",
            tone=lambda one: "green" if one.mine else "amber",
        ),
    ),
    search={"year": "年度"},
    view=VIEW,
    edit=REVIEW,
    form=CampaignForm,
    save=devices.save_campaign,
    deeds=(
        Deed(
            "sign",
            "簽署本機關清冊",
            EDIT,
            devices.sign_all,
            explains="簽署表示本機關的管制設備清冊完整；清單上的設備都要先有處置。",
            many=False,
            fits=lambda user, one: not one.mine,
        ),
    ),
    page="security/campaign.html",
    beside=lambda user, one: {"sign_offs": devices.sign_offs_of(one, user)},
    empty="平台管理者每年開始一次盤點，各機關確認清冊後簽署。",
)


# --- 資安情資 ----------------------------------------------------------------------------------

_SEVERITY_TONES = {"low": "", "medium": "amber", "high": "red", "critical": "red"}


def _publish(things: Iterable[Advisory], *, agencies: Any, due_on: Any, by: Any) -> int:
    return sum(
        bool(advisories.publish(one, agencies=agencies, due_on=due_on, by=by)) for one in things
    )


ADVISORIES = Module(
    name="advisories",
    title="資安情資",
    thing="情資",
    rows=lambda user: Advisory.objects.visible_to(user).with_answers(),
    columns=(
        Column("標題", "title", "text"),
        Column("嚴重程度", "get_severity_display", tone=lambda one: _SEVERITY_TONES[one.severity]),
        Column("TLP", "get_tlp_display"),
        Column("來源", "source"),
        Column("發布日期", "issued_on", "date"),
        Column("回覆期限", "due_on", "date"),
        Column("已回覆／機關", lambda one: f"{one.answered}／{one.addressed}", "number"),
        Column("逾期", "late", "number"),
    ),
    more=(
        Column("來源編號", "source_id"),
        Column("CVE", lambda one: "、".join(one.cves)),
        Column("受影響產品", advisories.products_in_words, "text"),
        Column("內容", "body", "text"),
        Column("建議措施", "action", "text"),
    ),
    search={"title": "標題", "source_id": "來源編號", "body": "內容"},
    filters=(
        Filter("severity", "嚴重程度", Severity.choices),
        Filter(
            "state",
            "狀態",
            [("draft", "草稿"), ("published", "已發布")],
            lambda rows, choice: rows.filter(published_at__isnull=choice == "draft"),
        ),
    ),
    view=VIEW,
    edit=REVIEW,
    form=AdvisoryForm,
    save=advisories.save,
    deeds=(
        Deed(
            "publish",
            "發布給機關",
            REVIEW,
            _publish,
            PublishForm,
            explains="選定的機關會收到通知，並在期限前回覆；之後可以再加發其他機關。",
        ),
        Deed("stix", "匯出 STIX 2.1", VIEW, advisories.export),
    ),
    page="security/advisory.html",
    beside=lambda user, one: {
        "addresses": one.addresses.visible_to(user).select_related("agency", "incident"),
        "named": advisories.devices_of(one, Device.objects.visible_to(user)),
        "today": timezone.localdate(),
    },
    links=((REVIEW, "匯入情資檔案", "security:take_in"),),
    empty="平台管理者匯入或撰寫情資後，發布給機關。",
)


def _answer(things: Any, *, reply: str, evidence: str, by: Any) -> int:
    return sum(
        bool(advisories.answer(one, Reply(reply), evidence=evidence, by=by)) for one in things
    )


def _acknowledge(things: Any, *, by: Any) -> int:
    return sum(bool(advisories.acknowledge(one, by=by)) for one in things)


_REPLY_TONES = {"none": "amber", "affected": "red", "not_affected": "green", "done": "green"}
ADDRESSES = Module(
    name="addresses",
    title="情資回覆",
    thing="情資回覆",
    rows=lambda user: (
        Address.objects.visible_to(user)
        .exclude(advisory__published_at=None)
        .select_related("advisory", "agency", "incident__agency")
        .order_by("-advisory", "agency")
    ),
    columns=(
        Column("情資", "advisory.title", "text"),
        AGENCY,
        Column("回覆", "get_reply_display", tone=lambda one: _REPLY_TONES[one.reply]),
        Column("期限", "advisory.due_on", "date"),
        Column(
            "逾期",
            lambda one: "逾期" if one.is_late(timezone.localdate()) else "",
            tone=lambda one: "red" if one.is_late(timezone.localdate()) else "",
        ),
        Column("簽收時間", "acknowledged_at", "date"),
        Column("回覆時間", "replied_at", "date"),
    ),
    more=(
        Column("處理情形與佐證", "evidence", "text"),
        Column("簽收人", "acknowledged_by"),
        Column("回覆人", "replied_by"),
        Column("事件", lambda one: one.incident.number if one.incident else ""),
    ),
    search={"advisory__title": "情資", "agency__name": "機關"},
    filters=(OF_AGENCY, Filter("reply", "回覆", Reply.choices)),
    view=VIEW,
    deeds=(
        Deed(
            "acknowledge", "簽收", EDIT, _acknowledge, fits=lambda u, one: not one.acknowledged_at
        ),
        Deed("answer", "回覆", EDIT, _answer, AnswerForm),
        Deed(
            "incident",
            "轉為資安事件",
            EDIT,
            advisories.to_incident,
            explains="為本機關建立一件事件草稿，並與這則情資相連。",
            many=False,
            fits=lambda user, one: not one.incident_id and one.agency_id == user.agency_id,
        ),
    ),
    page="security/address.html",
    beside=lambda user, one: {
        "named": advisories.devices_of(
            one.advisory, Device.objects.visible_to(user).filter(agency=one.agency)
        )
    },
    subject=lambda address: f"advisory:{address.advisory_id}",
    empty="還沒有發布給本機關的情資。",
)
