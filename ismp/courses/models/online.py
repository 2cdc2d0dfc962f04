"""線上課程: what there is to learn and to answer, and how far everybody is with it."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from ismp.accounts.models import Account
from ismp.audit.models import Audited
from ismp.courses.models.learners import Completion, OfPeople, Way
from ismp.storage.encrypted_files import FilePiece


class CoursePart(Audited):
    """A part of a course, whose history is its course's."""

    course_id: int

    class Meta:
        abstract = True

    @property
    def audit_subject(self) -> str:
        return f"course:{self.course_id}"


class Material(CoursePart):
    """教材: one thing to watch or read, in the order of `position`."""

    class Kind(models.TextChoices):
        VIDEO = "video", "影片"
        PDF = "pdf", "PDF"
        PAGE = "page", "網頁"
        LINK = "link", "連結"

    course = models.ForeignKey("Course", models.CASCADE, related_name="materials")
    position = models.PositiveSmallIntegerField("順序")
    kind = models.CharField("種類", max_length=10, choices=Kind)
    title = models.CharField("名稱", max_length=200)
    text = models.TextField("內容", blank=True)
    """Markdown of a page."""
    link = models.URLField("連結", blank=True)
    media_type = models.CharField(max_length=40, blank=True)
    size = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["course", "position", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["video", "pdf", "page", "link"]),
                name="material_is_of_a_known_kind",
            )
        ]

    def __str__(self) -> str:
        return self.title


class MaterialPiece(FilePiece):
    """A encrypted piece of a material's file (`ismp.courses.online.files`)."""

    purpose = "material"
    owner = models.ForeignKey(Material, models.CASCADE, related_name="pieces")


class Quiz(CoursePart):
    """測驗 of a course: how many questions are drawn for an attempt, and what passes."""

    course = models.OneToOneField("Course", models.CASCADE, related_name="quiz")
    drawn = models.PositiveSmallIntegerField("每次出題數")
    pass_mark = models.PositiveSmallIntegerField("及格分數", default=60)
    attempts = models.PositiveSmallIntegerField("可作答次數", default=3)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(pass_mark__range=(1, 100), drawn__gt=0, attempts__gt=0),
                name="a_quiz_can_be_taken_and_passed",
                violation_error_message="及格分數是 1 到 100，出題數與作答次數要大於 0，請更正。",
            )
        ]

    def __str__(self) -> str:
        return f"quiz:{self.course_id}"


class Question(CoursePart):
    """One of the pool that attempts are drawn from."""

    class Kind(models.TextChoices):
        SINGLE = "single", "單選"
        MULTIPLE = "multiple", "複選"
        TRUE_FALSE = "truth", "是非"

    course = models.ForeignKey("Course", models.CASCADE, related_name="questions")
    kind = models.CharField("題型", max_length=10, choices=Kind)
    text = models.TextField("題目")
    options = models.JSONField("選項")
    right = models.JSONField("正確答案")
    """The indexes of the right options, in order."""

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.text


class Enrollment(Completion):
    """修課: one person in one online course, until it is completed; next year perhaps again."""

    course = models.ForeignKey("Course", models.PROTECT, related_name="enrollments")
    account = models.ForeignKey(Account, models.PROTECT, related_name="enrollments")
    way = models.CharField("方式", max_length=10, choices=Way)
    enrolled_at = models.DateTimeField(default=timezone.now)
    score = models.PositiveSmallIntegerField("成績", null=True)
    """The best of the attempts."""

    objects: ClassVar[models.Manager["Enrollment"]] = OfPeople.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["course", "account"],
                condition=Q(completed_at=None),
                name="a_person_is_in_a_course_once_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(way__in=Way.values), name="enrollment_came_by_a_known_way"
            ),
        ]
        indexes = [models.Index(fields=["account", "-id"], name="enrollments_of_a_person")]

    def __str__(self) -> str:
        return f"{self.account} {self.course}"

    @property
    def shown_score(self) -> str:
        return "" if self.score is None else str(self.score)


class Progress(models.Model):
    """How far a person is with one material."""

    enrollment = models.ForeignKey(Enrollment, models.CASCADE, related_name="progress")
    material = models.ForeignKey(Material, models.CASCADE, related_name="+")
    second = models.PositiveIntegerField(default=0)
    """Of a video: where to go on."""
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["enrollment", "material"], name="progress_is_kept_once_a_material"
            )
        ]

    def __str__(self) -> str:
        return f"{self.enrollment_id}/{self.material_id}"


class Attempt(models.Model):
    """One go at a quiz: the questions as they were drawn, because the pool may change later."""

    enrollment = models.ForeignKey(Enrollment, models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    paper = models.JSONField()
    """[{"kind", "text", "options", "right"}]; `right` never leaves the server before the end."""
    answers = models.JSONField(null=True)
    """[[indexes], …] in the order of the paper."""
    score = models.PositiveSmallIntegerField(null=True)
    passed = models.BooleanField(default=False)
    started_at = models.DateTimeField(default=timezone.now)
    submitted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["enrollment", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["enrollment", "number"], name="an_attempt_has_one_number"
            )
        ]

    def __str__(self) -> str:
        return f"attempt:{self.pk}"
