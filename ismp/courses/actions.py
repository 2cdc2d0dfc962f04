"""Actions on courses: keep and open them, and let people into those on line.

What happens inside of a course: `online.actions` on line, `classroom.actions` in the
room.
"""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Account
from ismp.audit import changes, trail
from ismp.courses import verbs
from ismp.courses.models import (
    Course,
    CourseState,
    Enrollment,
    Kind,
    Quiz,
    SignUp,
    Teacher,
    Way,
)
from ismp.errors import ActionRefused
from ismp.hours.models import in_hours
from ismp.notifications.actions import notify

_OF_EVENTS = ("title", "category", "agency_id")
"""What the records of those who completed a course are known by."""


@transaction.atomic
def save_course(course: Course, *, teachers: Iterable[Teacher] = (), by: Account) -> Course:
    """Add a course or change it.  Raises ActionRefused when records already tell of it."""
    course.title = national_id.hide(course.title)
    course.description = national_id.hide(course.description)
    before, taught = changes.stored(course), ""
    if before:
        differs = any(getattr(before, name) != getattr(course, name) for name in _OF_EVENTS)
        if differs and _has_completions(course):
            raise ActionRefused("已有人在這門課取得時數，名稱與類別不能再改；請另外新增一門課程。")
        taught = _teachers_of(course)
    changes.store(course, before, "folded_title")
    course.teachers.set(teachers)
    changed = changes.between(before, course, "folded_title", "hours")
    if before and before.hours != course.hours:
        changed.append(("時數", in_hours(before.hours), in_hours(course.hours)))
    if before and taught != _teachers_of(course):
        changed.append(("教師", taught, _teachers_of(course)))
    trail.record(verbs.SAVE_COURSE, course, actor=by.username, title=course.title, changes=changed)
    return course


def _teachers_of(course: Course) -> str:
    return "、".join(map(str, course.teachers.select_related("account").order_by("pk")))


def _has_completions(course: Course) -> bool:
    earned = SignUp.objects.filter(session__course=course).exclude(title="")
    return course.enrollments.exclude(completed_at=None).exists() or earned.exists()


@transaction.atomic
def open_courses(courses: QuerySet[Course], *, by: Account) -> int:
    """Offer courses to people.  Raises ActionRefused when there is nothing to learn yet.

    Returns how many were not offered before.
    """
    closed = [course for course in courses if course.state != CourseState.OPEN]
    for course in closed:
        if course.kind == Kind.ONLINE and not course.materials.exists():
            raise ActionRefused(f"「{course}」還沒有教材，請先新增教材再開放。")
        if course.kind == Kind.CLASSROOM and not course.sessions.exists():
            raise ActionRefused(f"「{course}」還沒有期別，請先新增期別再開放。")
        quiz, there = Quiz.objects.filter(course=course).first(), course.questions.count()
        if quiz and quiz.drawn > there:
            raise ActionRefused(
                f"「{course}」的測驗每次出 {quiz.drawn} 題，題庫只有 {there} 題；"
                "請先新增題目，或把「測驗設定」的題數改少。"
            )
        _set_state(course, CourseState.OPEN)
        trail.record(verbs.OPEN_COURSE, course, actor=by.username, title=course.title)
    return len(closed)


@transaction.atomic
def close_courses(courses: QuerySet[Course], *, by: Account) -> int:
    """Offer courses no longer; who is in one may go on.  Returns how many were offered."""
    offered = [course for course in courses if course.state != CourseState.CLOSED]
    for course in offered:
        _set_state(course, CourseState.CLOSED)
        trail.record(verbs.CLOSE_COURSE, course, actor=by.username, title=course.title)
    return len(offered)


def _set_state(course: Course, state: CourseState) -> None:
    course.state = state
    course.save(update_fields=["state"])


@transaction.atomic
def enroll(course: Course, people: Iterable[Account], *, way: Way, by: Account) -> list[Enrollment]:
    """Let people into an online course; return those who were not in it yet.

    Who has completed it this year is passed by.  Those whom somebody else put there are told.
    Raises ActionRefused.
    """
    if course.kind != Kind.ONLINE or course.state != CourseState.OPEN:
        raise ActionRefused("這門課程目前沒有開放，不能加入。")
    accounts = {account.pk: account for account in people}
    offered = Course.objects.filter(pk=course.pk)
    for one in {account.agency_id: account for account in accounts.values()}.values():
        if not offered.offered_to(one).exists():
            raise ActionRefused(f"這門課程沒有開放給 {one} 所屬的機關。")
    for known in already_in(course, accounts):
        accounts.pop(known, None)
    Enrollment.objects.bulk_create(
        [Enrollment(course=course, account=account, way=way) for account in accounts.values()],
        ignore_conflicts=True,  # somebody pressed twice
    )
    made = list(
        Enrollment.objects.filter(
            course=course, account__in=accounts, completed_at=None
        ).select_related("account")
    )
    if way != Way.SELF:
        notify(
            [enrollment.account for enrollment in made],
            kind="course_assigned",
            subject=f"請完成線上課程「{course}」",
            link=reverse("courses:learn", args=[course.pk]),
        )
    trail.record(verbs.ENROLL, course, actor=by.username, count=len(made), way=way.value)
    return made


def already_in(course: Course, accounts: Iterable[int]) -> set[int]:
    """Which of these accounts are in a course, or have completed it this year."""
    enrollments = Enrollment.objects.filter(course=course, account__in=list(accounts))
    this_year = enrollments.filter(completed_at__year=timezone.localdate().year)
    return set(
        (enrollments.filter(completed_at=None) | this_year).values_list("account", flat=True)
    )
