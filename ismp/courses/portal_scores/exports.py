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
from typing import Any

from django.http import HttpResponse
from django.utils import timezone

from ismp.courses.models import Enrollment, PortalUpload
from ismp.hours.models import in_hours
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


def answer_with(upload: PortalUpload, data: Iterable[bytes]) -> HttpResponse:
    """The file of a batch, as something to save."""
    kind = "application/zip" if upload.filename.endswith(".zip") else "text/csv; charset=big5"
    headers = {"Content-Disposition": f'attachment; filename="{upload.filename}"'}
    return HttpResponse(b"".join(data), content_type=kind, headers=headers)


def written_file(asked: dict[str, Any], completions: list[Any]) -> tuple[str, bytes]:
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
