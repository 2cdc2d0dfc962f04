"""Actions on the parts of a course online: materials, questions and the quiz."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Max

from ismp.accounts import national_id
from ismp.accounts.models import Account
from ismp.audit import changes, trail
from ismp.courses import verbs
from ismp.courses.models import Course, Material, Question, Quiz
from ismp.courses.online import files
from ismp.courses.online.actions import learning
from ismp.errors import ActionRefused
from ismp.ui.resources import versions

# --- Actions --------------------------------------------------------------------------------------
# Each holds the course: its parts have an order, and rules about all of them.


def _hold(part: Material | Question | Quiz) -> None:
    versions.hold(Course.objects.all(), [part.course_id])


def _hold_stored(part: Material | Question) -> None:
    """Hold the course, and read anew a part that is there; raises ActionRefused when it is gone."""
    _hold(part)
    try:
        part.refresh_from_db()
    except (Material.DoesNotExist, Question.DoesNotExist) as gone:
        raise ActionRefused("這一項已經有人刪除了，請重新整理這一頁。") from gone


@transaction.atomic
def save_material(material: Material, chunks: Iterable[bytes] | None, *, by: Account) -> Material:
    """Add a material at the end, or change it; `chunks` are its new file, if there is one."""
    _hold(material)
    material.title = national_id.hide(material.title)
    material.text = national_id.hide(material.text)
    before = changes.stored(material)
    if material.pk is None:
        last = material.course.materials.aggregate(last=Max("position"))["last"]
        material.position = 1 if last is None else last + 1
    changes.store(material, before)
    changed = changes.between(before, material)
    if chunks is not None:
        files.store(material, chunks)
        changed += [("檔案", "原來的檔案", "新的檔案")] if before else []
    trail.record(
        verbs.SAVE_MATERIAL,
        material.course,
        actor=by.username,
        material=material.title,
        changes=changed,
    )
    return material


@transaction.atomic
def remove_material(material: Material, *, by: Account) -> None:
    """Take it out of the course; who had only this one left has completed it now.

    Raises ActionRefused.
    """
    _hold_stored(material)
    course = material.course
    material.delete()
    learning.complete_those_done(course, by=by)
    trail.record(verbs.REMOVE_MATERIAL, course, actor=by.username, material=material.title)


@transaction.atomic
def move_up(material: Material, *, by: Account) -> None:
    """Change places with the material before it, if there is one.  Raises ActionRefused."""
    _hold_stored(material)
    before = material.course.materials.filter(position__lt=material.position).last()
    if before:
        before.position, material.position = material.position, before.position
        Material.objects.bulk_update([before, material], ["position"])
        trail.record(
            verbs.MOVE_MATERIAL, material.course, actor=by.username, material=material.title
        )


@transaction.atomic
def save_question(question: Question, *, by: Account) -> Question:
    _hold(question)
    question.text = national_id.hide(question.text)
    before = changes.stored(question)
    changes.store(question, before)
    changed = changes.between(before, question)
    trail.record(verbs.SAVE_QUESTION, question.course, actor=by.username, changes=changed)
    return question


@transaction.atomic
def remove_question(question: Question, *, by: Account) -> None:
    """Take it out of the pool; papers that were drawn keep it.

    Raises ActionRefused when fewer would be left than an attempt draws; without the last one the
    course has no quiz, and who had only that left has completed it.
    """
    _hold_stored(question)
    course, left = question.course, question.course.questions.exclude(pk=question.pk).count()
    quiz = Quiz.objects.filter(course=course).first()
    if quiz and 0 < left < quiz.drawn:
        raise ActionRefused(f"每次出 {quiz.drawn} 題，題庫不能更少；請先把「測驗設定」的題數改少。")
    question.delete()
    learning.complete_those_done(course, by=by)
    trail.record(verbs.REMOVE_QUESTION, course, actor=by.username)


@transaction.atomic
def save_quiz(quiz: Quiz, *, by: Account) -> Quiz:
    _hold(quiz)
    before = changes.stored(quiz)
    changes.store(quiz, before)
    trail.record(
        verbs.SAVE_QUIZ,
        quiz.course,
        actor=by.username,
        drawn=quiz.drawn,
        pass_mark=quiz.pass_mark,
        changes=changes.between(before, quiz),
    )
    return quiz
