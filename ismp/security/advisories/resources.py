"""資安情資 and 情資回覆 as data (see `ismp.ui.resources.resource`)."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.text import Truncator

from ismp.accounts.forms.accounts import OfTheAgencyForm
from ismp.accounts.models import Agency
from ismp.accounts.resources import AGENCY, OF_AGENCY
from ismp.accounts.roles import Right
from ismp.errors import ActionRefused
from ismp.security.advisories import affected_devices
from ismp.security.advisories.actions import advisories
from ismp.security.advisories.actions import lists as advisory_lists
from ismp.security.advisories.wording import beside_the_source, words_of
from ismp.security.forms import (
    AdvisoryForm,
    AnswerForm,
    ExtendForm,
    PublishForm,
    ReasonToAgenciesForm,
)
from ismp.security.models import Address, Advisory, Device, Ended, Reply, Severity
from ismp.ui.resources.columns import Column
from ismp.ui.resources.resource import Action, Filter, MenuPlace, Resource

_TLP_TONES = {"unknown": "red", "red": "red", "amber": "amber", "amber+strict": "amber"}
_SEVERITY_TONES = {"unrated": "", "low": "", "medium": "amber", "high": "red", "critical": "red"}


def _publish(
    things: Iterable[Advisory],
    *,
    agencies: Iterable[Agency],
    grades: list[str],
    everybody: bool,
    with_device: bool,
    group: Any = None,
    **asked: Any,
) -> int:
    """To all agencies that are chosen in one way or another."""
    for one in (chosen := list(things)):
        owners = one if with_device else None
        by_kind = advisories.agencies_by(group=group, grades=grades, advisory=owners)
        named = Agency.objects.filter(pk__in=[agency.pk for agency in agencies])
        whom = Agency.objects.open() if everybody else (by_kind | named).distinct()
        if not whom.exists():
            raise ActionRefused(f"「{one.title}」沒有符合條件的機關，請改用別的條件或逐一選擇。")
        advisories.publish(one, agencies=whom, **asked)
    return len(chosen)


def _end(kind: Ended) -> Callable[..., int]:
    def act(things: Iterable[Advisory], *, reason: str, by: Any) -> int:
        return sum(bool(advisories.end(one, kind, reason=reason, by=by)) for one in things)

    return act


def _may_end(user: Any, one: Advisory) -> bool:
    return bool(one.published_at) and one.ended not in {Ended.WITHDRAWN, Ended.CLOSED}


def _state(one: Advisory) -> str:
    if one.ended:
        return one.get_ended_display()
    return "已發布" if one.published_at else "草稿"


def _extend(things: Iterable[Advisory], **asked: Any) -> int:
    return sum(bool(advisories.extend(one, **asked)) for one in things)


def _in_state(rows: Any, choice: str) -> Any:
    if choice == "ended":
        return rows.exclude(ended="")
    return rows.filter(published_at__isnull=choice == "draft", ended="")


def _beside(user: Any, one: Advisory) -> dict[str, Any]:
    hits = affected_devices.hit_by(one, Device.objects.visible_to(user))
    addresses = one.addresses.visible_to(user).select_related("agency", "incident")
    addresses = addresses.prefetch_related("files")
    iocs, today = one.indicators.all(), timezone.localdate()
    return {
        "addresses": addresses,
        "overdue": {each.pk for each in addresses if _is_overdue(one, each, today)},
        "indicators_query": urlencode(
            {"field": "advisory__title", "q": Truncator(one.title).chars(100)}
        ),
        "hits": affected_devices.judged(one, hits[:SHOWN]),
        "hit_count": hits.count(),
        "iocs": iocs[:SHOWN],
        "ioc_count": iocs.count(),
        "today": today,
        "beside_the_source": beside_the_source(one) if user.may(Right.REVIEW_SECURITY) else [],
        "may_remove": user.may(Right.REVIEW_SECURITY),
    }


def _is_overdue(advisory: Advisory, address: Any, today: date) -> bool:
    """Whether an agency should have answered before today and has not."""
    is_open = not address.removed_at and not advisory.ended and address.reply == Reply.NONE
    return is_open and address.due_on is not None and address.due_on < today


SHOWN = 20
"""Devices and indicators that stand on a page; all of them have pages of their own."""


ADVISORIES = Resource(
    name="advisories",
    title="資安情資",
    thing="情資",
    rows=lambda user: Advisory.objects.visible_to(user).with_answers().defer("stix", "source_says"),
    columns=(
        Column("標題", "title", "text"),
        Column("狀態", _state, tone=lambda one: "amber" if one.ended else ""),
        Column("嚴重程度", "get_severity_display", tone=lambda one: _SEVERITY_TONES[one.severity]),
        Column("TLP", "get_tlp_display", tone=lambda one: _TLP_TONES.get(one.tlp, "")),
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
        Column("結束理由", "ended_because", "text"),
        Column("結束時間", "ended_at", "date"),
    ),
    search={"title": "標題", "cve_words": "CVE", "source_id": "來源編號", "body": "內容"},
    filters=(
        Filter("severity", "嚴重程度", Severity.choices),
        Filter(
            "state",
            "狀態",
            [("draft", "草稿"), ("published", "已發布"), ("ended", "已撤回、撤銷或結案")],
            _in_state,
        ),
    ),
    menu=MenuPlace("資安情資管理"),
    view=Right.VIEW_SECURITY,
    edit=Right.REVIEW_SECURITY,
    form=AdvisoryForm,
    save=advisories.save,
    actions=(
        Action(
            "publish",
            "發布給機關",
            Right.REVIEW_SECURITY,
            _publish,
            PublishForm,
            explains="符合任一條件的機關會收到通知，並在期限前回覆；之後可以再加發其他機關。",
            fits=lambda user, one: not one.ended,
        ),
        Action(
            "extend",
            "展延期限",
            Right.REVIEW_SECURITY,
            _extend,
            ExtendForm,
            explains="還沒有回覆的機關改用新的期限，並收到通知；原期限留在異動紀錄。",
            fits=lambda user, one: one.published_at and not one.ended,
        ),
        Action(
            "close",
            "結案",
            Right.REVIEW_SECURITY,
            _end(Ended.CLOSED),
            ReasonToAgenciesForm,
            explains="還沒有回覆的機關不必再回覆，也不算逾期；已有的回覆保留。",
            fits=_may_end,
        ),
        Action(
            "withdraw",
            "撤回",
            Right.REVIEW_SECURITY,
            _end(Ended.WITHDRAWN),
            ReasonToAgenciesForm,
            explains="發布錯誤時使用；機關會收到通知，不必再回覆，也不算逾期。",
            danger=True,
            fits=_may_end,
        ),
        Action("stix", "匯出 STIX 2.1", Right.VIEW_SECURITY, advisories.export),
        Action("iocs", "匯出 IOC（CSV）", Right.VIEW_SECURITY, advisory_lists.export_iocs),
    ),
    page="security/advisory.html",
    beside=_beside,
    links=((Right.REVIEW_SECURITY, "匯入情資檔案", "security:import_advisories"),),
    empty="平台管理者匯入或撰寫情資後，發布給機關。",
)


def _answer(things: Any, *, reply: str, by: Any, **asked: Any) -> int:
    return sum(bool(advisories.answer(one, Reply(reply), by=by, **asked)) for one in things)


def _acknowledge(things: Any, *, on_behalf: str, by: Any) -> int:
    return sum(advisories.acknowledge(one, on_behalf=on_behalf, by=by) for one in things)


def _replied_by(one: Address) -> str:
    stead = f"（代{one.agency}：{one.replied_on_behalf}）" if one.replied_on_behalf else ""
    return f"{one.replied_by}{stead}"


_REPLY_TONES = {"none": "amber", "affected": "red", "not_affected": "green", "done": "green"}


def _is_over(one: Address) -> bool:
    return bool(one.removed_at or one.advisory.ended)


def _reply(one: Address) -> str:
    if one.reply == Reply.NONE and _is_over(one):
        return "已移除，不必回覆" if one.removed_at else "不必再回覆"
    return one.get_reply_display()


def _reply_tone(one: Address) -> str:
    return "" if one.reply == Reply.NONE and _is_over(one) else _REPLY_TONES[one.reply]


def _remove(things: Iterable[Address], *, reason: str, by: Any) -> int:
    return sum(bool(advisories.remove(one, reason=reason, by=by)) for one in things)


def _beside_address(user: Any, one: Address) -> dict[str, Any]:
    own = Device.objects.visible_to(user).filter(agency=one.agency)
    hits = affected_devices.hit_by(one.advisory, own)
    return {
        "hits": affected_devices.judged(one.advisory, hits[:SHOWN]),
        "hit_count": hits.count(),
        "answers": one.answers.all(),
        "files": one.files.all(),
        "may_attach": user.may(Right.EDIT_SECURITY) and one.agency_id in user.agency_ids(),
    }


ADDRESSES = Resource(
    name="addresses",
    title="情資回覆",
    thing="情資回覆",
    rows=lambda user: (
        Address.objects.visible_to(user)
        .exclude(advisory__published_at=None)
        .select_related("advisory", "agency", "incident__agency")
        .defer("advisory__stix", "advisory__source_says")
        .order_by("-advisory", "agency")
    ),
    columns=(
        Column("情資", "advisory.title", "text"),
        AGENCY,
        Column("回覆", _reply, tone=_reply_tone),
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
        Column("移除理由", "removed_because", "text"),
        Column("簽收人", "acknowledged_by"),
        Column("回覆人", _replied_by),
        Column("事件", lambda one: one.incident.number if one.incident else ""),
    ),
    search={"advisory__title": "情資", "agency__name": "機關"},
    filters=(OF_AGENCY, Filter("reply", "回覆", Reply.choices)),
    menu=MenuPlace("資安情資管理", title="機關回覆"),
    view=Right.VIEW_SECURITY,
    holds=advisories.hold_agencies,
    actions=(
        Action(
            "acknowledge",
            "簽收",
            Right.EDIT_SECURITY,
            _acknowledge,
            OfTheAgencyForm,
            fits=lambda u, one: not one.acknowledged_at,
        ),
        Action(
            "answer",
            "回覆",
            Right.EDIT_SECURITY,
            _answer,
            AnswerForm,
            explains="先前的回覆會保留；佐證檔案請回到這一頁的「附上佐證」。",
            fits=lambda user, one: not one.removed_at,
        ),
        Action(
            "remove",
            "移除受文機關",
            Right.REVIEW_SECURITY,
            _remove,
            ReasonToAgenciesForm,
            explains="發錯機關時使用；機關會收到通知，不必再回覆，也不算逾期。",
            danger=True,
            fits=lambda user, one: not one.removed_at,
        ),
        Action(
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
    beside=_beside_address,
    empty="還沒有發布給本機關的情資。",
)
