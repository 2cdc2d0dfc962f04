"""外部時數認列 in 管理環境 as data (`ismp.ui.resources.resource` says what each line means)."""

from datetime import datetime
from typing import Any

from ismp.accounts import separation
from ismp.accounts.models import Account
from ismp.accounts.resources import AGENCY, OF_AGENCY
from ismp.accounts.roles import Right
from ismp.compliance.standing import import_effect
from ismp.compliance.standing.table import Line
from ismp.external_hours import actions
from ismp.external_hours.forms import ApproveForm, RefuseForm, RevokeForm
from ismp.external_hours.models import ExternalClaim, State
from ismp.hours.models import Record, in_hours
from ismp.hours.portal_import.layout import CATEGORIES
from ismp.hours.records import duplicates
from ismp.imports.models import Source
from ismp.ui.resources.columns import Column
from ismp.ui.resources.resource import Action, Filter, MenuPlace, Resource
from ismp.ui.templatetags.ismp_ui import roc_moment
from ismp.ui.text.search_folding import fold

_TONES = {
    State.PENDING: "amber",
    State.APPROVED: "green",
    State.REFUSED: "red",
    State.REVOKED: "red",
}


def _action(by: Account | None, at: datetime | None, words: str) -> str:
    """Who did it, when, and what was said; empty before it is done."""
    return f"{by.name} {roc_moment(at)}　{words}".rstrip("　") if by else ""


def _approve(claims: Any, *, by: Account, **asked: Any) -> str:
    done = actions.approve(claims.get(), by=by, **asked)
    return f"已認列 {in_hours(done.given_hours)} 小時，並通知申請人。"


def _refuse(claims: Any, *, comment: str, by: Account) -> str:
    actions.refuse(claims.get(), comment=comment, by=by)
    return "已退回申請，並通知申請人。"


def _revoke(claims: Any, *, reason: str, by: Account) -> str:
    actions.revoke(claims.get(), reason=reason, by=by)
    return "已撤銷認列並收回時數，申請人已收到通知。"


def _is_to_decide(user: Any, claim: ExternalClaim) -> bool:
    return claim.state == State.PENDING and separation.may_decide(user, claim.account_id)


def _is_to_revoke(user: Any, claim: ExternalClaim) -> bool:
    return claim.state == State.APPROVED and separation.may_decide(user, claim.account_id)


def _beside(user: Any, claim: ExternalClaim) -> dict[str, Any]:
    """Consequences of a decision: the lights before and after, and the person's records."""
    pending = claim.state == State.PENDING
    effects, aside = effects_of(claim) if pending else ([], False)
    return {
        "pending": pending,
        "effects": effects,
        "aside": aside,
        "overlaps": [(record, _is_alike(claim, record)) for record in _overlaps(claim)],
        "own": claim.account_id == user.pk,
    }


def effects_of(claim: ExternalClaim) -> tuple[list[tuple[Line, Line]], bool]:
    """Each duty of the person today and with these hours; and whether the hours are suspended
    at once for an imported record that looks the same (可能重複)."""
    alike = (one for one in _overlaps(claim) if _is_alike(claim, one))
    aside = any(_will_stand(claim, one) for one in alike)
    hours = 0 if aside else claim.hours
    effects = import_effect.of_hours(
        [claim.account], category=claim.category, ended_on=claim.ended_on, hours=hours
    )
    return effects.get(claim.account_id, []), aside


def _will_stand(claim: ExternalClaim, record: Record) -> bool:
    """Whether a record that looks the same stands in place of what is recognised (可能重複)."""
    return record.run.source == Source.FILE and record.agency_id == claim.agency_id


def _overlaps(claim: ExternalClaim) -> list[Record]:
    """Other records of the person for the same days, or that look like the same training."""
    own_records = Record.objects.live().of_person(claim.account).select_related("agency", "run")
    others = own_records.exclude(run=claim.run_id) if claim.run_id else own_records
    return [
        one
        for one in others.order_by("-ended_on", "pk")
        if (one.started_on <= claim.ended_on and one.ended_on >= claim.started_on)
        or _is_alike(claim, one)
    ]


def _is_alike(claim: ExternalClaim, record: Record) -> bool:
    same = fold(record.title) == fold(claim.title) and record.category == claim.category
    return same and duplicates.is_near(record.ended_on, claim.ended_on)


CLAIMS = Resource(
    name="claims",
    title="外部時數認列",
    thing="外部時數",
    rows=lambda user: ExternalClaim.objects.visible_to(user).select_related(
        "agency", "account__agency", "account__department", "decided_by", "revoked_by", "run"
    ),
    columns=(
        Column("公務帳號", "account.username"),
        Column("姓名", "account.name"),
        AGENCY,
        Column("名稱", "title", "text"),
        Column("主辦機構", "organizer"),
        Column("類別", "category"),
        Column("迄日期", "ended_on", "date"),
        Column("申請時數", lambda one: in_hours(one.hours), "number"),
        Column("認列時數", lambda one: in_hours(one.given_hours), "number"),
        Column("狀態", "get_state_display", tone=lambda one: _TONES.get(one.state, "")),
        Column("申請時間", "claimed_at", "date"),
    ),
    more=(
        Column("起日期", "started_on", "date"),
        Column("學習方式", "get_nature_display"),
        Column("部門", "account.department.name"),
        Column("說明", "description", "text"),
        Column("認列類別", "given_category"),
        Column("審核", lambda one: _action(one.decided_by, one.decided_at, one.comment), "text"),
        Column(
            "撤銷", lambda one: _action(one.revoked_by, one.revoked_at, one.revoke_reason), "text"
        ),
    ),
    search={
        "account__username": "公務帳號",
        "account__name": "姓名",
        "title": "名稱",
        "organizer": "主辦機構",
    },
    filters=(
        OF_AGENCY,
        Filter("state", "狀態", State.choices),
        Filter("category", "類別", [(str(one), f"{one} {CATEGORIES[one]}") for one in CATEGORIES]),
    ),
    menu=MenuPlace("學習地圖管理"),
    view=Right.VIEW_HOURS,
    holds=actions.hold_agencies,
    actions=(
        Action(
            "approve",
            "認列",
            Right.RECOGNIZE_HOURS,
            _approve,
            ApproveForm,
            explains="認列後立刻登錄為他的時數，並通知他。",
            many=False,
            fits=_is_to_decide,
        ),
        Action(
            "refuse",
            "不同意",
            Right.RECOGNIZE_HOURS,
            _refuse,
            RefuseForm,
            many=False,
            danger=True,
            fits=_is_to_decide,
        ),
        Action(
            "revoke",
            "撤銷認列",
            Right.RECOGNIZE_HOURS,
            _revoke,
            RevokeForm,
            explains="時數會收回、不能還原；申請與審核的紀錄會留下。",
            many=False,
            danger=True,
            fits=_is_to_revoke,
        ),
    ),
    page="external_hours/claim.html",
    beside=_beside,
    empty="同仁在「我的時數」申請外部時數認列後，會列在這裡。",
)
