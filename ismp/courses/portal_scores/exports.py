"""上傳終身學習入口網格式: hours that count, as the portal takes them, so that they flow back.

The one place outside of an import where a national ID is read in clear, for this file only; who
took it is in the audit trail.  Source: the portal's format of 25 columns, in use since 2015
(course producers' public code); CP950, at most 3,000 rows a file.
"""

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from ismp.accounts.models import Account, Agency
from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.courses.models import Enrollment, PortalUpload, UploadedHours
from ismp.courses.portal_scores import uploads
from ismp.errors import ActionRefused
from ismp.hours.models import in_hours
from ismp.ui.forms import Form, RocDateField
from ismp.ui.http.once import each_time
from ismp.ui.http.requests import HttpRequest
from ismp.ui.text.roc_dates import roc_date

_HEAD = (  # in the portal's order; what it requires has a star
    "*身分證字號,*課程名稱,*開課起始日期,*開課起始時間,*開課結束日期,*開課結束時間,*姓名,*學位學分,"
    "*課程類別代碼,*上課縣市,*期別,*訓練總數,*訓練總數單位,訓練成績,證件字號,出勤上課狀況,生日,"
    "*學習性質,*數位時數,*實體時數,課程代碼,*實際上課起始日期,*實際上課起始時間,*實際上課結束日期,"
    "*實際上課結束時間"
)
_NO_DEGREE, _IN_HOURS, _DIGITAL, _CLASSROOM = "6", "1", "1", "2"
_ROWS_A_FILE = 3_000
_CODEC = "cp950"
_LATEST = 10
"""How many batches the page shows."""


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
        asked = self.cleaned_data
        asked.setdefault("agency", self.user.agency if "agency" not in self.fields else None)
        start, end = asked.get("start"), asked.get("end")
        if start and end and end < start:
            raise forms.ValidationError("完成日期的迄日早於起日，請更正。")
        return asked


# The page stays when its file comes, so the drawn form is sent again on purpose, after a revocation
# too; a double click finds nothing new, under the agency's lock.
@each_time
@require_http_methods(["GET", "HEAD", "POST"])
@needs(Right.MANAGE_COURSES)
def upload(request: HttpRequest) -> HttpResponse:
    user = request.user
    agency = None if user.may(Right.ALL_AGENCIES) else user.agency
    waiting = uploads.pending(agency) if agency else None
    form = UploadForm(request.POST or None, user=user, initial=_usual(agency, waiting))
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        try:
            made, data = uploads.make(**asked, write=partial(_written, asked), by=user)
        except ActionRefused as reason:
            form.add_error(None, str(reason))
        else:
            return answer_with(made, [data])
    told = UploadedHours.objects.visible_to(user).compared()
    context = {
        "form": form,
        "waiting": waiting,
        "uploads": PortalUpload.objects.visible_to(user).select_related("agency")[:_LATEST],
        "to_correct": told.filter(differs=True).count(),
    }
    return render(request, "courses/upload.html", context)


def _usual(agency: Agency | None, waiting: uploads.Pending | None) -> dict[str, Any]:
    """Initial values of the form: everything that waits, and the county of the last time."""
    usual: dict[str, Any] = {}
    if waiting:
        usual = {"start": waiting.first, "end": waiting.last}
    last = PortalUpload.objects.filter(agency=agency).first() if agency else None
    return usual | ({"county": last.county} if last else {})


def answer_with(upload: PortalUpload, data: Iterable[bytes]) -> HttpResponse:
    """The file of a batch, as something to save."""
    kind = "application/zip" if upload.filename.endswith(".zip") else "text/csv; charset=big5"
    headers = {"Content-Disposition": f'attachment; filename="{upload.filename}"'}
    return HttpResponse(b"".join(data), content_type=kind, headers=headers)


def _written(asked: dict[str, Any], completions: list[Any]) -> tuple[str, bytes]:
    """Name and bytes: a CSV file, or several in a ZIP."""
    rows = [_row(one, asked["county"]) for one in completions]
    files = [_csv(rows[at : at + _ROWS_A_FILE]) for at in range(0, len(rows), _ROWS_A_FILE)]
    name = f"portal-{asked['start']:%Y%m%d}-{asked['end']:%Y%m%d}"
    if len(files) == 1:
        return f"{name}.csv", files[0]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, file in enumerate(files, 1):
            archive.writestr(f"{name}-{number}.csv", file)
    return f"{name}.zip", buffer.getvalue()


def _csv(rows: list[list[str]]) -> bytes:
    """Replace characters outside CP950 by question marks: the portal finds people by their ID."""
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([_HEAD.split(","), *rows])
    return buffer.getvalue().encode(_CODEC, "replace")


def _row(one: Any, county: str) -> list[str]:
    """Values of the record: when the file comes back, it is the same record (docs/adr/0012)."""
    record, online = one.record, isinstance(one, Enrollment)
    when = [moment for side in _span(one) for moment in _moment(side)]
    hours = in_hours(record.hours)
    return [
        one.account.national_id,
        record.title,
        *when,
        one.account.name,
        _NO_DEGREE,
        str(record.category),
        county,
        record.term,
        hours,
        _IN_HOURS,
        record.score,
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
