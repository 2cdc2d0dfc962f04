"""Actions of a learner in an online course: open materials, take the quiz, complete it.

Where somebody is in a course is a bookmark and leaves no event; an attempt and a completion do.
"""

import contextlib
import random
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from ismp.accounts.models import Account
from ismp.audit import trail
from ismp.courses import verbs
from ismp.courses.models import (
    Attempt,
    Category,
    Completion,
    Course,
    Enrollment,
    Material,
    Progress,
    Question,
    Quiz,
)
from ismp.errors import ActionRefused
from ismp.hours.records.actions.crediting import Credit, credit, records_of
from ismp.notifications.actions import notify
from ismp.ui.resources import versions

PLATFORM = "資安統籌管理平台"
"""學習機關 of what no agency gives."""
ONLY_TERM = "1"
"""期別 of an online course: the portal wants one."""
_chance = random.SystemRandom()


def bookmark(enrollment: Enrollment, material: Material, second: int) -> None:
    """Remember how far a video was watched, as long as it is part of the course."""
    with contextlib.suppress(IntegrityError), transaction.atomic():
        Progress.objects.update_or_create(
            enrollment=enrollment, material=material, defaults={"second": second}
        )


def finish(enrollment: Enrollment, material: Material, *, by: Account) -> bool:
    """Note that a material is done; return whether this completed the course.

    Raises ActionRefused when the material was taken out of the course meanwhile.
    """
    try:
        return _finish(enrollment, material, by)
    except IntegrityError as gone:  # at the commit: who takes a material out waits for no learner
        raise ActionRefused(f"教材「{material}」已經不在這門課程裡。") from gone


@transaction.atomic
def _finish(enrollment: Enrollment, material: Material, by: Account) -> bool:
    enrollment = _held(enrollment)
    progress, _ = Progress.objects.get_or_create(enrollment=enrollment, material=material)
    if progress.done_at is None:
        progress.done_at = timezone.now()
        progress.save(update_fields=["done_at"])
    return _complete_if_done(enrollment, by)


@transaction.atomic
def begin_attempt(enrollment: Enrollment, *, by: Account) -> Attempt:
    """Draw the questions of an attempt, or go on with the one that was begun.

    Raises ActionRefused when there are none left, or no quiz.
    """
    enrollment = _held(enrollment)
    if begun := enrollment.attempts.filter(submitted_at=None).first():
        return begun
    if against := against_beginning(enrollment):
        raise ActionRefused(against)
    pool = list(enrollment.course.questions.all())
    drawn = _chance.sample(pool, min(enrollment.course.quiz.drawn, len(pool)))
    attempt = Attempt.objects.create(
        enrollment=enrollment,
        number=enrollment.attempts.count() + 1,
        paper=[_printed(question) for question in drawn],
    )
    trail.record(verbs.BEGIN_QUIZ, enrollment.course, actor=by.username, attempt=attempt.number)
    return attempt


def against_beginning(enrollment: Enrollment) -> str:
    """Why no further attempt can be begun, in a sentence; empty when one can."""
    attempts = list(enrollment.attempts.all())
    if not has_quiz(enrollment.course):
        return "這門課程沒有測驗。"
    if enrollment.completed_at:
        return "您已經完成這門課程，不需要再作答。"
    if any(attempt.passed for attempt in attempts):
        return "您已經通過測驗，不需要再作答。"
    most = enrollment.course.quiz.attempts
    return f"{most} 次作答機會已用完，請洽開課單位。" if len(attempts) >= most else ""


def _printed(question: Question) -> dict[str, Any]:
    """A question as it stands on one paper: its options shuffled, unless they are 是 and 否."""
    order = list(range(len(question.options)))
    if question.kind != Question.Kind.TRUE_FALSE:
        _chance.shuffle(order)
    return {
        "kind": question.kind,
        "text": question.text,
        "options": [question.options[place] for place in order],
        "right": sorted(order.index(place) for place in question.right),
    }


@transaction.atomic
def submit(attempt: Attempt, answers: list[list[int]], *, by: Account) -> Attempt:
    """Hand in an attempt: a question counts when exactly its right options are chosen.

    Handing in twice changes nothing.  A course with nothing left to do is completed.
    """
    enrollment = _held(attempt.enrollment)
    attempt = Attempt.objects.get(pk=attempt.pk)
    if attempt.submitted_at:
        return attempt
    quiz = enrollment.course.quiz
    given = [sorted(set(chosen)) for chosen in answers]
    right = sum(
        answer == question["right"] for answer, question in zip(given, attempt.paper, strict=True)
    )
    attempt.answers, attempt.score = given, right * 100 // len(attempt.paper)
    attempt.passed, attempt.submitted_at = attempt.score >= quiz.pass_mark, timezone.now()
    attempt.save(update_fields=["answers", "score", "passed", "submitted_at"])
    if enrollment.completed_at is None:  # what a completion says stays
        enrollment.score = max(enrollment.score or 0, attempt.score)
        enrollment.save(update_fields=["score"])
    _complete_if_done(enrollment, by)
    trail.record(
        verbs.SUBMIT_QUIZ,
        enrollment.course,
        actor=by.username,
        attempt=attempt.number,
        score=attempt.score,
    )
    return attempt


def left_to_do(enrollment: Enrollment) -> list[str]:
    """Describe in words what is missing before the hours are credited."""
    done = Progress.objects.filter(enrollment=enrollment).exclude(done_at=None)
    left = enrollment.course.materials.exclude(pk__in=done.values("material"))
    words = [f"教材「{material}」" for material in left]
    if has_quiz(enrollment.course) and not enrollment.attempts.filter(passed=True).exists():
        words.append("測驗")
    return words


def has_quiz(course: Course) -> bool:
    return Quiz.objects.filter(course=course).exists() and course.questions.exists()


def _held(enrollment: Enrollment) -> Enrollment:
    """Under lock, so that a course is completed once however often somebody presses, and by the
    name, category and hours that it has then: who edits the course holds it too."""
    versions.hold(Course.objects.all(), [enrollment.course_id])
    held = Enrollment.objects.select_for_update(of=("self",))
    return held.select_related("course__agency", "account__agency").get(pk=enrollment.pk)


def complete_those_done(course: Course, *, by: Account) -> int:
    """Complete the course for whoever has nothing left to do since a part of it was taken out;
    return for how many.  Who had done nothing of it at all is not completed by that."""
    begun = course.enrollments.filter(completed_at=None).filter(
        Q(progress__done_at__isnull=False) | Q(attempts__passed=True)
    )
    if not course.materials.exists() and not has_quiz(course):
        return 0
    return sum(_complete_if_done(_held(one), by) for one in begun.distinct().order_by("pk"))


def _complete_if_done(enrollment: Enrollment, by: Account) -> bool:
    if enrollment.completed_at or left_to_do(enrollment):
        return False
    course = enrollment.course
    enrollment.completed_at, enrollment.hours = timezone.now(), course.hours
    fix(enrollment, course)
    enrollment.save(update_fields=["completed_at", "hours", *FIXED])
    notify(
        [enrollment.account],
        kind="course_completed",
        subject=f"您已完成線上課程「{course}」",
        link=course.get_absolute_url(),
    )
    if counts(course):
        earned = _credit(enrollment)
        credit([earned], about=f"線上課程：{course}", by=by)
        [enrollment.record_id] = records_of([earned])
        enrollment.save(update_fields=["record"])
    trail.record(verbs.COMPLETE_COURSE, course, actor=by.username, score=enrollment.score)
    return True


FIXED = ("title", "category", "organizer_code", "organizer_name")
"""What `fix` writes down."""


def fix(completion: Completion, course: Course) -> None:
    """Write down what a completion is of, once: what is edited later, or an agency that is renamed
    or merged, changes nothing of it, and a correction finds the same record."""
    if not completion.title:
        completion.title, completion.category = course.title, course.category
        completion.organizer_code, completion.organizer_name = organizer(course)


def counts(course: Course) -> bool:
    """Whether its hours are a learning record: only 522 and 523 are, by the Act."""
    return Category(course.category).counts


def organizer(course: Course) -> tuple[str, str]:
    """學習機關 of a course: its code and its name."""
    return (course.agency.code, course.agency.name) if course.agency else ("", PLATFORM)


def _credit(enrollment: Enrollment) -> Credit:
    return Credit(
        account=enrollment.account,
        category=int(enrollment.category),
        organizer_code=enrollment.organizer_code,
        organizer_name=enrollment.organizer_name,
        title=enrollment.title,
        term=ONLY_TERM,
        started_on=timezone.localdate(enrollment.enrolled_at),
        ended_on=timezone.localdate(enrollment.completed_at),
        digital_hours=enrollment.hours or 0,
        score=enrollment.shown_score,
    )
