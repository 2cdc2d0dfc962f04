"""上傳批次 and 已上傳的時數 as data (see `ismp.ui.resources.resource`)."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpResponse

from ismp.accounts.models import Account
from ismp.accounts.resources import OF_AGENCY, agencies
from ismp.accounts.roles import Right
from ismp.courses.models import PortalUpload, UploadedHours
from ismp.courses.portal_scores import actions
from ismp.courses.portal_scores.exports import answer_with
from ismp.hours.models import in_hours
from ismp.ui.forms import ActionForm
from ismp.ui.resources.columns import Column
from ismp.ui.resources.resource import Action, Filter, Resource
from ismp.ui.text.roc_dates import roc_date

_MOST_CHOICES = 200


class RevokeUploadForm(ActionForm):
    reason = forms.CharField(
        label="理由",
        max_length=200,
        help_text="例如「入口網退回，沒有上傳成功」。已在入口網登錄的時數，請先到入口網刪除再撤銷。",
    )


def _revoke(things: QuerySet[PortalUpload], *, reason: str, by: Account) -> str:
    upload = actions.revoke(things.get(), reason=reason, by=by)
    return f"已撤銷{upload}，{upload.count} 筆時數重新列入可以上傳的時數。"


def _take_again(things: QuerySet[PortalUpload], *, by: Account) -> HttpResponse:
    upload = things.get()
    return answer_with(upload, actions.take_again(upload, by=by))


def _stands(user: Any, upload: PortalUpload) -> bool:
    return upload.revoked_at is None


def _state(upload: PortalUpload) -> str:
    return "已撤銷" if upload.revoked_at else "已上傳"


def _revoked(rows: Any, choice: str) -> Any:
    return rows.filter(revoked_at__isnull=choice == "stands")


def _to_correct(upload: PortalUpload) -> dict[str, Any]:
    rows: Any = UploadedHours.objects.filter(upload=upload)
    return {"to_correct": rows.compared().filter(differs=True).count()}


PORTAL_UPLOADS = Resource(
    name="portal_uploads",
    title="上傳批次",
    thing="上傳批次",
    rows=lambda user: PortalUpload.objects.visible_to(user).select_related("agency"),
    columns=(
        Column("批次", str),
        Column("機關", "agency.name", right=Right.ALL_AGENCIES),
        Column("下載時間", "made_at", "date"),
        Column("下載的人", lambda one: one.made_by_name or one.made_by),
        Column("完成日期", lambda one: f"{roc_date(one.start)} ~ {roc_date(one.end)}"),
        Column("筆數", "count", "number"),
        Column("人數", "people", "number"),
        Column("狀態", _state, tone=lambda one: "quiet" if one.revoked_at else "green"),
    ),
    more=(
        Column("檔名", "filename"),
        Column("上課縣市代碼", "county"),
        Column("撤銷時間", "revoked_at", "date"),
        Column("撤銷理由", "revoke_reason", "text"),
    ),
    search={"made_by": "下載的帳號", "made_by_name": "下載的人"},
    filters=(
        OF_AGENCY,
        Filter("state", "狀態", [("stands", "已上傳"), ("revoked", "已撤銷")], _revoked),
    ),
    menu=None,
    view=Right.VIEW_COURSES,
    holds=lambda keys: actions.hold_agencies(PortalUpload.objects.filter(pk__in=keys)),
    actions=(
        Action(
            "again",
            "再次下載",
            Right.MANAGE_COURSES,
            _take_again,
            explains="和當時下載的檔案完全相同，含有完整的身分證字號；下載會記入稽核軌跡。",
            many=False,
            fits=_stands,
        ),
        Action(
            "revoke",
            "撤銷（沒有上傳成功）",
            Right.MANAGE_COURSES,
            _revoke,
            RevokeUploadForm,
            explains="這一批的時數會重新列入可以上傳的時數，檔案會刪除；紀錄與理由會留下來。",
            many=False,
            danger=True,
            fits=_stands,
        ),
    ),
    page="courses/portal_upload_page.html",
    beside=lambda user, upload: _to_correct(upload),
    links=((Right.MANAGE_COURSES, "上傳終身學習入口網格式", "scores:upload"),),
    empty="下載上傳檔後，每一批會列在這裡：誰、何時、幾筆。",
)


# --- Row by row ----------------------------------------------------------------------------------


def _row_state(row: Any) -> str:
    if not row.stands:
        return "批次已撤銷" if row.upload.revoked_at else "已自入口網刪除"
    if not row.differs:
        return "已更正" if row.corrected_at else "已上傳"
    if not row.current:
        return "已上傳但已不採計，請到入口網刪除"
    if row.current != row.hours:
        return f"時數已變更為 {in_hours(row.current)}，請到入口網更正"
    return f"成績已變更為 {row.current_score or '（空白）'}，請到入口網更正"


def _tone(row: Any) -> str:
    return "red" if row.differs else "green" if row.stands else "quiet"


def _by_state(rows: Any, choice: str) -> Any:
    if choice == "differs":
        return rows.filter(differs=True)
    return rows.filter(stands=choice == "stands", differs=False)


def _note_corrected(rows: QuerySet[UploadedHours], *, by: Account) -> str:
    return f"已記下 {actions.note_corrected(rows, by=by)} 筆到入口網更正過。"


def _batches(user: Any) -> list[tuple[str, str]]:
    found = PortalUpload.objects.visible_to(user).values_list("pk", "made_at")[:_MOST_CHOICES]
    return [(str(pk), f"第 {pk} 批（{roc_date(made_at)}）") for pk, made_at in found]


UPLOADED_HOURS = Resource(
    name="uploaded_hours",
    title="已上傳的時數",
    thing="已上傳的時數",
    rows=lambda user: (
        UploadedHours.objects.visible_to(user)
        .compared()
        .select_related("upload__agency", "account__department", "record")
    ),
    columns=(
        Column("公務帳號", "account.username"),
        Column("姓名", "account.name"),
        Column("機關", "upload.agency.name", right=Right.ALL_AGENCIES),
        Column("課程", "record.title", "text"),
        Column("期別", "record.term"),
        Column("類別", "record.category"),
        Column("迄日期", "record.ended_on", "date"),
        Column("批次", "upload"),
        Column("上傳時數", lambda row: in_hours(row.hours), "number"),
        Column("狀態", _row_state, tone=_tone),
    ),
    more=(
        Column("上傳成績", "score"),
        Column("更正時間", "corrected_at", "date"),
        Column("更正的帳號", "corrected_by"),
    ),
    search={
        "account__username": "公務帳號",
        "account__name": "姓名",
        "record__title": "課程名稱",
    },
    filters=(
        Filter("upload__agency", "機關", agencies),
        Filter("upload", "批次", _batches),
        Filter(
            "state",
            "狀態",
            [("differs", "上傳後有變更"), ("stands", "與上傳時相同"), ("gone", "已撤銷或刪除")],
            _by_state,
        ),
    ),
    menu=None,
    view=Right.VIEW_COURSES,
    holds=lambda keys: actions.hold_agencies(PortalUpload.objects.filter(rows__in=keys)),
    actions=(
        Action(
            "corrected",
            "已到入口網更正",
            Right.MANAGE_COURSES,
            _note_corrected,
            explains="請先到入口網把這些時數改成現在採計的時數；已不採計的請在入口網刪除。",
            fits=lambda user, row: row.differs,
        ),
    ),
    links=((Right.VIEW_COURSES, "上傳批次", "portal_uploads:list"),),
    empty="下載上傳檔後，每一筆時數會列在這裡。",
)
