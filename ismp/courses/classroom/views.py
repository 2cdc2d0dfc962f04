"""Pages of a teacher: the sign-ups, attendance and scores, the code in the room.

Administrators of the agency may do all of it too.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import segno
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ismp.accounts import national_id, separation
from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.courses.classroom.actions import attendance, classes
from ismp.courses.models import Course, Meeting, Session, SessionState, SignUp, Standing
from ismp.errors import ActionRefused
from ismp.ui import limits, reading
from ismp.ui.http.refusals import refusal_shown
from ismp.ui.http.requests import HttpRequest
from ismp.ui.http.uploads import takes_files
from ismp.ui.reading import faults, row_checks
from ismp.ui.text.numbers import whole_number, whole_numbers
from ismp.ui.text.search_folding import key

_MOST_BYTES = 1024 * 1024
_TITLES = ("公務帳號", "成績")
_CLEAR = "清除"
_SCORE = re.compile(r"\d{1,3}(\.\d{1,2})?", re.ASCII)


@dataclass(frozen=True)
class Listed:
    """A person of a list that was sent."""

    line: int
    sign_up: SignUp
    score: str
    has_score: bool
    """Whether the line has a place for one, be it blank."""


@require_safe
@needs(Right.TEACH)
def taught(request: HttpRequest) -> HttpResponse:
    """我教的課程: the sessions of the courses one teaches, the newest first."""
    sessions = _sessions(request).with_waiting().select_related("course")
    sessions = sessions.prefetch_related("meetings")
    return render(request, "courses/taught.html", {"sessions": sessions.order_by("-pk")[:200]})


def _sessions(request: HttpRequest) -> Any:
    user = request.user
    return Session.objects.filter(course__in=Course.objects.taught_by(user))


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Right.TEACH)
def session(request: HttpRequest, session_id: int) -> HttpResponse:
    """Attendance and scores of a session, as one table."""
    user = request.user
    found = get_object_or_404(_sessions(request).select_related("course"), pk=session_id)
    meetings, people = list(found.meetings.all()), list(_enrolled(found))
    if request.method == "POST":
        with refusal_shown(request):
            with transaction.atomic():
                _store(classes.hold(found), request.POST, user)
            words = "已儲存出席與成績。"
            if found.state == SessionState.FINISHED:
                words += "時數還沒有跟著更正，請再按「重新結算」。"
            messages.success(request, words)
        return redirect("courses:session", found.pk)
    rows = [(one, _presence(one, meetings)) for one in people]
    there = [
        " ".join(str(one.pk) for one, presence in rows if presence[at][1])
        for at in range(len(meetings))
    ]
    context = {
        "session": found,
        "meetings": meetings,
        "rows": rows,
        "shown": list(zip(meetings, there, strict=True)),
        "own": separation.conflicts(user),
        "sees_all": user.may(Right.ALL_AGENCIES),
        "waiting": found.sign_ups.filter(standing=Standing.WAITING).count(),
    }
    return render(request, "courses/session.html", context)


def _store(session: Session, typed: Any, by: Any) -> None:
    """Store a sheet; of one that says what it showed (`was-…`) only what was changed on it, over
    what others have stored since.  Raises ActionRefused where both changed one score."""
    for meeting in session.meetings.all():
        there = set(whole_numbers(typed.getlist(f"meeting-{meeting.pk}")))
        if (shown := typed.get(f"was-{meeting.pk}")) is not None:
            was = set(whole_numbers(shown.split()))
            now = set(meeting.attendances.values_list("sign_up", flat=True))
            there = (now | (there - was)) - (was - there)
        attendance.mark(meeting, there, by=by)
    scores = {}
    for one in _enrolled(session):
        text, was = typed.get(f"score-{one.pk}"), typed.get(f"was-score-{one.pk}")
        if text is None or (was is not None and text.strip() == was):
            continue
        if was is not None and was != one.shown_score and text.strip() != one.shown_score:
            raise ActionRefused(
                f"{one.account.name}的成績，您開啟這一頁之後別人改為「{one.shown_score}」，"
                f"您填的是「{text.strip()}」；出席與成績都沒有儲存，請核對後再填一次。"
            )
        scores[one.pk] = _score(text)
    attendance.grade(session, scores, by=by)


def _enrolled(session: Session) -> Any:
    enrolled = session.sign_ups.filter(standing=Standing.ENROLLED)
    people = enrolled.select_related("account__agency", "account__department", "record__deletion")
    return people.prefetch_related("attendances").order_by("account__username")


def _presence(one: SignUp, meetings: list[Meeting]) -> list[tuple[Meeting, Any]]:
    known = {attendance.meeting_id: attendance for attendance in one.attendances.all()}
    return [(meeting, known.get(meeting.pk)) for meeting in meetings]


def _score(text: str) -> Decimal | None:
    text = text.strip()
    if not text:
        return None
    if not _SCORE.fullmatch(text) or Decimal(text) > 100:
        raise ActionRefused("成績請填 0 到 100 的數字，最多兩位小數；出席與成績都沒有儲存。")
    return Decimal(text)


@takes_files("TABLE_MAX_BYTES")
@require_POST
@needs(Right.TEACH)
def from_file(request: HttpRequest, session_id: int) -> HttpResponse:
    """Attendance of one meeting, or scores, from a list of 公務帳號 (and 成績)."""
    user = request.user
    found = get_object_or_404(_sessions(request).select_related("course"), pk=session_id)
    try:
        people = {one.account.username.lower(): one for one in _enrolled(found)}
        listed = _listed(request.FILES.get("file"), people)
        words = _take(found, request.POST.get("what", ""), listed, user)
        messages.success(request, words)
    except (ActionRefused, faults.FileRejected) as reason:
        messages.error(request, str(reason))
    return redirect("courses:session", found.pk)


def _take(session: Session, what: str, listed: list[Listed], user: Any) -> str:
    if what == "scores":
        return _take_scores(session, listed, user)
    meeting = get_object_or_404(session.meetings, pk=whole_number(what))
    count = attendance.mark(meeting, [one.sign_up.pk for one in listed], by=user)
    return f"已登錄 {count} 人出席。"


def _take_scores(session: Session, listed: list[Listed], user: Any) -> str:
    """A blank score changes nothing; whoever wants one gone says so."""
    if not any(one.has_score for one in listed):
        raise ActionRefused("檔案裡沒有「成績」這一欄，沒有登錄任何成績；請補上再上傳。")
    scores: dict[int, Decimal | None] = {}
    for one in listed:
        if one.score:
            try:
                scores[one.sign_up.pk] = None if one.score == _CLEAR else _score(one.score)
            except ActionRefused as reason:
                raise ActionRefused(f"第 {one.line} 列：{reason}") from reason
    changed = attendance.grade(session, scores, by=user)
    cleared, blank = list(scores.values()).count(None), len(listed) - len(scores)
    words = f"已登錄 {len(scores) - cleared} 人的成績"
    words += f"、清除 {cleared} 人的成績" if cleared else ""
    more = f"；{blank} 人的成績空白，維持原來的（要清除請填「{_CLEAR}」）" if blank else ""
    same = "" if changed else "；都和原來的相同，無變動"
    return f"{words}{same}{more}。"


def _listed(file: Any, people: dict[str, SignUp]) -> list[Listed]:
    """The lines of a list whose first column is 公務帳號; the header may be missing.

    Raises ActionRefused, FileRejected.
    """
    if not file:
        raise ActionRefused("請先選擇 CSV 檔。")
    if file.size > _MOST_BYTES:
        raise ActionRefused("檔案超過 1 MB，請確認是這一期的名單。")
    table = reading.read(
        file.read(),
        _TITLES,
        limits=limits.of_tables(),
        required=_TITLES[:1],
        aliases={"帳號": "公務帳號", "分數": "成績"},
        instead="請每列一個公務帳號，存成 CSV 或新版 Excel（.xlsx）再上傳",
        without_header=_TITLES,
    )
    place, listed, seen, unknown = table.place, list[Listed](), dict[int, Listed](), list[str]()
    for row in table.rows:
        if bad := table.bad_cells(row):
            raise ActionRefused(f"{'、'.join(bad.values())}；{row_checks.BAD_CELL.remedy}")
        username = key(row.cells[place["公務帳號"]])
        score = key(row.cells[place["成績"]]) if "成績" in place else ""
        has_score = "成績" in place and (row.width > place["成績"])
        if not username:
            continue
        if username.lower() not in people:
            unknown.append(username)
            continue
        one = Listed(row.line, people[username.lower()], score, has_score=has_score)
        former = seen.setdefault(one.sign_up.pk, one)
        if former is one:
            listed.append(one)
        elif former.score != score:
            raise ActionRefused(
                f"第 {row.line} 列：公務帳號和第 {former.line} 列相同，成績不同；"
                "整個檔案都沒有儲存，請只留正確的一列再上傳。"
            )
    if unknown:
        example = national_id.hide(unknown[0])[:50]
        raise ActionRefused(
            f"檔案裡有 {len(unknown)} 個公務帳號沒有錄取這一期（例如 {example}），"
            "整個檔案都沒有儲存；請更正後再上傳。"
        )
    if not listed:
        raise ActionRefused("檔案裡沒有公務帳號；請每列一個，放在第一欄。")
    return listed


@require_POST
@needs(Right.TEACH)
def finish(request: HttpRequest, session_id: int) -> HttpResponse:
    """結訓: give everybody the hours."""
    user = request.user
    found = get_object_or_404(_sessions(request), pk=session_id)
    with refusal_shown(request):
        settled = attendance.finish(found, by=user)
        messages.success(request, settled.in_words)
    return redirect("courses:session", found.pk)


@require_safe
@needs(Right.TEACH)
def room(request: HttpRequest, meeting_id: int) -> HttpResponse:
    """The page to show in the room: its code renews itself."""
    return render(request, "courses/room.html", _code_context(request, meeting_id))


# Not marked as polling: the screen of a full room is no unattended desk, and late-comers scan too.
@require_safe
@needs(Right.TEACH)
def code(request: HttpRequest, meeting_id: int) -> HttpResponse:
    """The part that renews itself; 286 tells htmx to stop when the meeting is over."""
    context = _code_context(request, meeting_id)
    status = 286 if context["is_over"] else 200
    return render(request, "courses/_code.html", context, status=status)


def _code_context(request: HttpRequest, meeting_id: int) -> dict[str, Any]:
    user = request.user
    meetings = Meeting.objects.filter(session__in=_sessions(request))
    meeting = get_object_or_404(meetings.select_related("session__course"), pk=meeting_id)
    path = reverse("courses:attend", args=[meeting.pk, attendance.code_of(meeting, shown_by=user)])
    drawn = segno.make(request.build_absolute_uri(path), error="m")
    return {
        "meeting": meeting,
        "is_over": timezone.now() > meeting.ends_at,
        "code": mark_safe(drawn.svg_inline(scale=8, border=2)),  # noqa: S308 (segno drew it)
        "every": attendance.CODE_SECONDS,
        "present": meeting.attendances.count(),
        "expected": meeting.session.sign_ups.filter(standing=Standing.ENROLLED).count(),
    }
