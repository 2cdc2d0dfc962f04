"""資安情資 and 情資回覆 as data (see `ismp.ui.module`)."""

from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from ismp.accounts.modules import AGENCY, OF_AGENCY
from ismp.accounts.roles import Right
from ismp.security import advisories
from ismp.security.advisory_words import beside_the_source, words_of
from ismp.security.forms import AdvisoryForm, AnswerForm, ExtendForm, PublishForm
from ismp.security.models import Address, Advisory, Device, Reply, Severity
from ismp.ui.columns import Column
from ismp.ui.module import Deed, Filter, Module

_SEVERITY_TONES = {"low": "", "medium": "amber", "high": "red", "critical": "red"}


def _publish(things: Iterable[Advisory], **asked: Any) -> int:
    return sum(bool(advisories.publish(one, **asked)) for one in things)


def _extend(things: Iterable[Advisory], **asked: Any) -> int:
    return sum(bool(advisories.extend(one, **asked)) for one in things)


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
        Column("受影響產品", lambda one: words_of("products", one.products), "text"),
        Column("內容", "body", "text"),
        Column("建議措施", "action", "text"),
        Column("其他資訊", lambda one: words_of("details", one.details), "text"),
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
    view=Right.VIEW_SECURITY,
    edit=Right.REVIEW_SECURITY,
    form=AdvisoryForm,
    save=advisories.save,
    deeds=(
        Deed(
            "publish",
            "發布給機關",
            Right.REVIEW_SECURITY,
            _publish,
            PublishForm,
            explains="選定的機關會收到通知，並在期限前回覆；之後可以再加發其他機關。",
        ),
        Deed(
            "extend",
            "展延期限",
            Right.REVIEW_SECURITY,
            _extend,
            ExtendForm,
            explains="還沒有回覆的機關改用新的期限，並收到通知；原期限留在異動紀錄。",
            fits=lambda user, one: one.published_at,
        ),
        Deed("stix", "匯出 STIX 2.1", Right.VIEW_SECURITY, advisories.export),
    ),
    page="security/advisory.html",
    beside=lambda user, one: {
        "addresses": one.addresses.visible_to(user).select_related("agency", "incident"),
        "named": advisories.devices_of(one, Device.objects.visible_to(user)),
        "today": timezone.localdate(),
        "beside_the_source": beside_the_source(one) if user.may(Right.REVIEW_SECURITY) else [],
    },
    links=((Right.REVIEW_SECURITY, "匯入情資檔案", "security:take_in"),),
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
        Column("期限", "due_on", "date"),
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
    view=Right.VIEW_SECURITY,
    deeds=(
        Deed(
            "acknowledge",
            "簽收",
            Right.EDIT_SECURITY,
            _acknowledge,
            fits=lambda u, one: not one.acknowledged_at,
        ),
        Deed("answer", "回覆", Right.EDIT_SECURITY, _answer, AnswerForm),
        Deed(
            "incident",
            "轉為資安事件",
            Right.EDIT_SECURITY,
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
