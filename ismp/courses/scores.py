"""上傳終身學習入口網格式: completions as the portal takes them, so that hours flow back.

The one place outside of an import where a national ID is read in clear, for this file only; who
took it is in the audit trail.  Source: the portal's format of 25 columns, in use since 2015
(course producers' public code); CP950, at most 3,000 rows a file.
"""

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from django import forms
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from ismp.accounts.access import needs
from ismp.accounts.models import Account, Agency
from ismp.accounts.roles import Right
from ismp.audit import trail
from ismp.courses.learning import ONLY_TERM
from ismp.courses.models import Enrollment, SignUp
from ismp.hours.models import in_hours
from ismp.hours.profile import CATEGORIES
from ismp.ui.forms import Form, RocDateField
from ismp.ui.roc import roc_date

_HEAD = (  # in the portal's order; what it requires has a star
    "*身分證字號,*課程名稱,*開課起始日期,*開課起始時間,*開課結束日期,*開課結束時間,*姓名,*學位學分,"
    "*課程類別代碼,*上課縣市,*期別,*訓練總數,*訓練總數單位,訓練成績,證件字號,出勤上課狀況,生日,"
    "*學習性質,*數位時數,*實體時數,課程代碼,*實際上課起始日期,*實際上課起始時間,*實際上課結束日期,"
    "*實際上課結束時間"
)
_NO_DEGREE, _IN_HOURS, _DIGITAL, _CLASSROOM = "6", "1", "1", "2"
_ROWS_A_FILE = 3_000
_CODEC = "cp950"
_COUNTED = [str(code) for code in CATEGORIES]
_NAMED = 5


class UploadForm(Form):
    """Which completions, and where they are said to have taken place."""

    agency = forms.ModelChoiceField(Agency.objects.all(), label="機關", empty_label="（請選擇）")
    start = RocDateField(label="完成日期起", required=True)
    end = RocDateField(label="完成日期迄", required=True)
    county = forms.RegexField(
        r"^[0-9]{2}$",
        label="上課縣市代碼",
        help_text="入口網的兩位數代碼，例如臺北市是 10、新北市是 23。",
        error_messages={"invalid": "請填兩位數字，例如 10。"},
    )
    skip = forms.BooleanField(label="略過沒有身分證字號的人", required=False)

    def __init__(self, *args: Any, user: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        if not user.may(Right.ALL_AGENCIES):
            self.fields.pop("agency")

    def clean(self) -> dict[str, Any]:
        told = self.cleaned_data
        told.setdefault("agency", self.user.agency if "agency" not in self.fields else None)
        start, end = told.get("start"), told.get("end")
        if start and end and end < start:
            raise forms.ValidationError("完成日期的迄日早於起日，請更正。")
        if start and end and not self.errors:
            told["completions"] = self._numbered(completions(told["agency"], start, end))
        return told

    def _numbered(self, found: list[Any]) -> list[Any]:
        """Those with an ID on file; refused with the accounts that have none, unless told to."""
        without = sorted({one.account.username for one in found if not one.account.sealed_id})
        if without and not self.cleaned_data["skip"]:
            names = "、".join(without[:_NAMED])
            raise forms.ValidationError(
                f"有 {len(without)} 個帳號沒有身分證字號（例如 {names}）；"
                "請先到帳號管理補登，或勾選略過。"
            )
        if len(without) == len({one.account_id for one in found}):
            raise forms.ValidationError("這段期間沒有可以上傳的 522 或 523 課程時數。")
        return [one for one in found if one.account.sealed_id]


def completions(agency: Agency, start: date, end: date) -> list[Any]:
    """Of an agency's people: online courses completed and classes that gave hours, in a period."""
    days = {"account__agency": agency, "completed_at__date__range": (start, end)}
    online = Enrollment.objects.filter(**days, course__category__in=_COUNTED)
    classes = SignUp.objects.filter(**days, hours__gt=0, session__course__category__in=_COUNTED)
    return [
        *online.select_related("course", "account").order_by("completed_at"),
        *classes.select_related("session__course", "account")
        .prefetch_related("session__meetings")
        .order_by("completed_at"),
    ]


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Right.MANAGE_COURSES)
def upload(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    form = UploadForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        return _download(form.cleaned_data, by=user)
    return render(request, "courses/upload.html", {"form": form})


@transaction.atomic
def _download(asked: dict[str, Any], *, by: Account) -> HttpResponse:
    """The file, or several in a ZIP, and the event that says who took which."""
    rows = [_row(one, asked["county"]) for one in asked["completions"]]
    parts = [rows[at : at + _ROWS_A_FILE] for at in range(0, len(rows), _ROWS_A_FILE)]
    trail.record(
        "export_for_portal",
        actor=by.username,
        agency=asked["agency"].code,
        since=roc_date(asked["start"]),
        until=roc_date(asked["end"]),
        count=len(rows),
    )
    files = [_csv(part) for part in parts]
    name = f"portal-{asked['start']:%Y%m%d}-{asked['end']:%Y%m%d}"
    if len(files) == 1:
        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
        return HttpResponse(files[0], content_type="text/csv; charset=big5", headers=headers)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, file in enumerate(files, 1):
            archive.writestr(f"{name}-{number}.csv", file)
    headers = {"Content-Disposition": f'attachment; filename="{name}.zip"'}
    return HttpResponse(buffer.getvalue(), content_type="application/zip", headers=headers)


def _csv(rows: list[list[str]]) -> bytes:
    """What CP950 cannot write becomes a question mark: the portal finds people by their ID."""
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([_HEAD.split(","), *rows])
    return buffer.getvalue().encode(_CODEC, "replace")


def _row(one: Any, county: str) -> list[str]:
    """The completion with exactly what its record's key is made of (docs/adr/0012)."""
    online = isinstance(one, Enrollment)
    course = one.course if online else one.session.course
    begun, ended = _span(one)
    hours = in_hours(course.hours if online else one.hours)
    when = [*_moment(begun), *_moment(ended)]
    return [
        one.account.national_id,
        course.title,
        *when,
        one.account.name,
        _NO_DEGREE,
        course.category,
        county,
        ONLY_TERM if online else str(one.session.number),
        hours,
        _IN_HOURS,
        one.shown_score,
        *("", "", ""),
        _DIGITAL if online else _CLASSROOM,
        hours if online else "0",
        "0" if online else hours,
        "",
        *when,
    ]


def _span(one: Any) -> tuple[datetime, datetime]:
    if isinstance(one, Enrollment):
        return one.enrolled_at, one.completed_at  # type: ignore[return-value]
    meetings = list(one.session.meetings.all())
    return meetings[0].starts_at, max(meeting.ends_at for meeting in meetings)


def _moment(moment: datetime) -> Iterator[str]:
    local = timezone.localtime(moment)
    yield roc_date(local)
    yield f"{local:%H:%M:%S}"


urlpatterns = [path("upload/", upload, name="upload")]
