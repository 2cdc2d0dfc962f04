"""Course pages of a person: course, 我的課程, learning, quiz, sign-up, attendance."""

import re
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db.models import Prefetch
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ismp.courses import actions
from ismp.courses.classroom.actions import attendance, classes
from ismp.courses.models import Course, Enrollment, Kind, Material, Meeting, Session, SignUp, Way
from ismp.courses.online import files
from ismp.courses.online.actions import learning
from ismp.ui.http.refusals import refusal_shown
from ismp.ui.http.requests import HttpRequest
from ismp.ui.text.numbers import whole_number

_SHOWN = 100
_AT_ONCE = 4 * 1024 * 1024
"""The most of a video in one answer: the browser asks for more, and no worker is held for long."""
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})$", re.ASCII)
_LONGEST_SECONDS = 1_000_000


@require_safe
def my_courses(request: HttpRequest) -> HttpResponse:
    """我的課程."""
    user = request.user
    sessions = Session.objects.with_waiting().select_related("course").prefetch_related("meetings")
    sign_ups = SignUp.objects.filter(account=user).order_by("-pk")
    context = {
        "enrollments": Enrollment.objects.filter(account=user).select_related(
            "course", "record__deletion"
        )[:_SHOWN],
        "sign_ups": sign_ups.select_related("record__deletion").prefetch_related(
            Prefetch("session", sessions)
        )[:_SHOWN],
    }
    return render(request, "courses/my_courses.html", context)


@require_safe
def course(request: HttpRequest, course_id: int) -> HttpResponse:
    user = request.user
    found = _course(request, course_id)
    sessions = found.sessions.with_waiting().select_related("course").prefetch_related("meetings")
    my_sign_ups = {one.session_id: one for one in SignUp.objects.filter(account=user)}
    enrollment = _newest(user, found)
    context = {
        "course": found,
        "enrollment": enrollment,
        "sessions": [(one, my_sign_ups.get(one.pk)) for one in sessions],
        "is_online": found.kind == Kind.ONLINE,
        "has_completed": bool(
            enrollment
            and enrollment.completed_at
            and timezone.localdate(enrollment.completed_at).year == timezone.localdate().year
        ),
        "counts": learning.counts(found),
    }
    return render(request, "courses/course.html", context)


def _course(request: HttpRequest, course_id: int) -> Course:
    user = request.user
    reachable = Course.objects.reachable_by(user).select_related("agency")
    return get_object_or_404(reachable, pk=course_id)


def _newest(user: Any, course: Course) -> Enrollment | None:
    return Enrollment.objects.filter(course=course, account=user).order_by("-pk").first()


# --- Online --------------------------------------------------------------------------------------


@require_POST
def enroll(request: HttpRequest, course_id: int) -> HttpResponse:
    user = request.user
    found = _course(request, course_id)
    done = _try(request, lambda: actions.enroll(found, [user], way=Way.SELF, by=user))
    if done is None or _newest(user, found) is None:
        return redirect(found)
    return redirect("courses:learn", found.pk)


@require_safe
def learn(request: HttpRequest, course_id: int) -> HttpResponse:
    """How far one is: the materials in order, the quiz, what is left."""
    enrollment = _enrollment(request, course_id)
    done = _done(enrollment)
    context = {
        "enrollment": enrollment,
        "course": enrollment.course,
        "materials": [(one, one.pk in done) for one in enrollment.course.materials.all()],
        "attempts": enrollment.attempts.exclude(submitted_at=None),
        "has_quiz": learning.has_quiz(enrollment.course),
        "against": learning.against_beginning(enrollment),
        "left": learning.left_to_do(enrollment),
        "counts": learning.counts(enrollment.course),
    }
    return render(request, "courses/learn.html", context)


def _enrollment(request: HttpRequest, course_id: int) -> Enrollment:
    user = request.user
    enrollments = Enrollment.objects.filter(account=user, course=course_id)
    enrollments = enrollments.select_related("course", "record__deletion")
    return get_object_or_404(enrollments.order_by("-pk")[:1])


def _done(enrollment: Enrollment) -> set[int]:
    done = enrollment.progress.exclude(done_at=None)
    return set(done.values_list("material", flat=True))


@require_http_methods(["GET", "HEAD", "POST"])
def material(request: HttpRequest, course_id: int, material_id: int) -> HttpResponse:
    """One material; 「看完了」 leads to the next that is left."""
    user = request.user
    enrollment = _enrollment(request, course_id)
    shown = get_object_or_404(Material, pk=material_id, course=course_id)
    if request.method == "POST":
        if _try(request, lambda: learning.finish(enrollment, shown, by=user)):
            messages.success(request, "恭喜完成這門課程！")
        left = enrollment.course.materials.exclude(pk__in=_done(enrollment))
        following = left.filter(position__gte=shown.position).first() or left.first()
        if following:
            return redirect("courses:material", course_id, following.pk)
        return redirect("courses:learn", course_id)
    progress = enrollment.progress.filter(material=shown).first()
    context = {"course": enrollment.course, "material": shown, "progress": progress}
    return render(request, "courses/material.html", context)


@require_POST
def bookmark(request: HttpRequest, course_id: int, material_id: int) -> HttpResponse:
    """Where a video was left; called by the page itself."""
    enrollment = _enrollment(request, course_id)
    shown = get_object_or_404(Material, pk=material_id, course=course_id)
    second = whole_number(request.POST.get("second"))
    if second is not None and second < _LONGEST_SECONDS:
        learning.bookmark(enrollment, shown, second)
    return HttpResponse(status=204)


@require_safe
def file(request: HttpRequest, course_id: int, material_id: int) -> HttpResponse:
    """The file of a material, in the ranges that a player asks for, for who is in the course or
    looks after it.

    A wish that makes no sense is answered as if there were none (RFC 9110, 14.2).
    """
    user = request.user
    enrolled = Enrollment.objects.filter(account=user).values("course")
    courses = Course.objects.filter(pk__in=enrolled) | Course.objects.taught_by(user)
    found = get_object_or_404(courses | Course.objects.visible_to(user), pk=course_id)
    shown = get_object_or_404(found.materials.exclude(media_type=""), pk=material_id)
    first, last, status = 0, shown.size - 1, 200
    asked = _RANGE.match(request.headers.get("Range", ""))
    if asked and (asked[1] or asked[2]):
        first = int(asked[1]) if asked[1] else max(shown.size - int(asked[2]), 0)
        last = min(int(asked[2]) if asked[1] and asked[2] else last, first + _AT_ONCE - 1, last)
        status = 206 if first <= last else 416
    headers = {"Accept-Ranges": "bytes"}
    if status == 416:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{shown.size}"})
    if status == 206:
        headers["Content-Range"] = f"bytes {first}-{last}/{shown.size}"
    headers["Content-Length"] = str(last - first + 1)
    return StreamingHttpResponse(  # type: ignore[return-value]
        files.read(shown, first, last),
        status=status,
        content_type=shown.media_type,
        headers=headers,
    )


@require_http_methods(["GET", "HEAD", "POST"])
def quiz(request: HttpRequest, course_id: int) -> HttpResponse:
    """Begin an attempt, answer it, hand it in."""
    user = request.user
    enrollment = _enrollment(request, course_id)
    attempt = enrollment.attempts.filter(submitted_at=None).first()
    if request.method != "POST":
        context = {
            "course": enrollment.course,
            "enrollment": enrollment,
            "attempt": attempt,
            "against": "" if attempt else learning.against_beginning(enrollment),
        }
        return render(request, "courses/quiz.html", context)
    if "begin" in request.POST or attempt is None:
        begun = _try(request, lambda: learning.begin_attempt(enrollment, by=user))
        return redirect("courses:quiz" if begun else "courses:learn", course_id)
    answers = [_chosen(request.POST.getlist(f"q{n}")) for n in range(len(attempt.paper))]
    attempt = learning.submit(attempt, answers, by=user)
    verdict = "通過" if attempt.passed else "未通過"
    tell = messages.success if attempt.passed else messages.error
    tell(request, f"第 {attempt.number} 次測驗得 {attempt.score} 分，{verdict}。")
    return redirect("courses:learn", course_id)


def _chosen(values: list[str]) -> list[int]:
    return [int(value) for value in values if re.fullmatch(r"\d{1,2}", value, re.ASCII)]


# --- In the room ---------------------------------------------------------------------------------


@require_POST
def sign_up(request: HttpRequest, session_id: int) -> HttpResponse:
    user = request.user
    session = _session(request, session_id)
    if done := _try(request, lambda: classes.sign_up(session, user, by=user)):
        messages.success(request, f"{session}：{done.get_standing_display()}。")
    return redirect(session.course)


@require_POST
def withdraw(request: HttpRequest, session_id: int) -> HttpResponse:
    user = request.user
    session = _session(request, session_id)
    sign_up = get_object_or_404(SignUp, session=session, account=user)
    if _try(request, lambda: classes.withdraw(sign_up, by=user)):
        messages.success(request, f"已取消報名：{session}。")
    return redirect(session.course)


def _session(request: HttpRequest, session_id: int) -> Session:
    user = request.user
    reachable = Session.objects.filter(course__in=Course.objects.reachable_by(user))
    return get_object_or_404(reachable.select_related("course"), pk=session_id)


@require_http_methods(["GET", "HEAD", "POST"])
def attend(request: HttpRequest, meeting_id: int, room_code: str) -> HttpResponse:
    """Where the code in the room leads: one button, and one is there."""
    user = request.user
    reachable = Meeting.objects.filter(session__course__in=Course.objects.reachable_by(user))
    meeting = get_object_or_404(reachable.select_related("session__course"), pk=meeting_id)
    context: dict[str, Any] = {"meeting": meeting}
    if request.method == "POST":
        ticket = request.POST.get("ticket", "")
        context["attendance"] = _try(request, lambda: attendance.attend(meeting, ticket, by=user))
    else:
        context["ticket"] = _try(request, lambda: attendance.scanned(meeting, room_code, user))
    return render(request, "courses/attend.html", context)


def _try(request: HttpRequest, action: Callable[[], Any]) -> Any:
    """Do it; None where it was refused."""
    with refusal_shown(request):
        return action()
    return None
