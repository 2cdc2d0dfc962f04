"""可能重複 as data (`ismp.ui.resources.resource` says what each line means)."""

from functools import partial
from typing import Any

from ismp.accounts.resources import AGENCY, OF_AGENCY
from ismp.accounts.roles import Right
from ismp.hours.models import Decision, Duplicate, in_hours
from ismp.hours.records.actions import duplicates as duplicate_actions
from ismp.ui.resources.columns import Column
from ismp.ui.resources.resource import Action, Filter, Resource
from ismp.ui.text.roc_dates import roc_date


def _description(record: Any) -> str:
    """迄日期, 時數 and 學習機關 of a record, in one line."""
    hours, where = in_hours(record.hours), record.organizer_name or record.organizer_code
    return f"{roc_date(record.ended_on)}　{hours} 小時　{where}"


def _decide(pairs: Any, *, decision: Decision, by: Any) -> int:
    """Of those of which that is not said yet: the second of two has nothing left to do."""
    return duplicate_actions.decide(pairs.exclude(decision=decision), decision=decision, by=by)


def _tone(pair: Duplicate) -> str:
    return "amber" if pair.decision == Decision.PENDING else "green"


DUPLICATES = Resource(
    name="duplicates",
    title="可能重複",
    thing="可能重複的時數",
    rows=lambda user: (
        Duplicate.objects.visible_to(user)
        .shown()
        .select_related("credited__account", "credited__run", "imported", "agency")
    ),
    columns=(
        Column("公務帳號", "credited.account.username"),
        Column("姓名", "credited.account.name"),
        AGENCY,
        Column("名稱", "credited.title", "text"),
        Column("來源", "credited.run.get_source_display"),
        Column("本平台登錄", lambda pair: _description(pair.credited)),
        Column("匯入的時數", lambda pair: _description(pair.imported)),
        Column("處理", "get_decision_display", tone=_tone),
    ),
    search={"credited__account__username": "公務帳號", "credited__title": "名稱"},
    filters=(OF_AGENCY, Filter("decision", "處理", Decision.choices)),
    menu=None,
    view=Right.VIEW_HOURS,
    holds=duplicate_actions.hold_agencies,
    actions=(
        Action(
            "once",
            "只採計一筆",
            Right.DELETE_HOURS,
            partial(_decide, decision=Decision.ONE),
            explains="這是同一次學習：採計匯入的時數，本平台登錄的那一筆不再計算。",
        ),
        Action(
            "twice",
            "兩筆都採計",
            Right.DELETE_HOURS,
            partial(_decide, decision=Decision.BOTH),
            explains="這是兩次不同的學習：本平台登錄的與匯入的時數都計算。本平台上傳到入口網、再匯回來的"
            "是同一次學習，請改按「只採計一筆」。",
        ),
    ),
    empty="本平台課程或外部認列的時數，若匯入的檔案也有，會列在這裡等您確認；確認前只採計一筆。",
)
