"""課程 as they are announced, and which of them are whose.

It asks who learns where, so it stands above `online` and `classroom`, which name a course only.
"""

from datetime import date
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone

from ismp.accounts.models import Account, Agency, Scoped
from ismp.accounts.roles import Right
from ismp.audit.models import Audited
from ismp.courses.models.classroom import HOLDING, Meeting, Session, SessionState, SignUp
from ismp.courses.models.learners import Category
from ismp.courses.models.online import Enrollment
from ismp.courses.models.teachers import Teacher
from ismp.ui.text.search_folding import fold


class Kind(models.TextChoices):
    ONLINE = "online", "線上課程"
    CLASSROOM = "classroom", "實體課程"


class CourseState(models.TextChoices):
    DRAFT = "draft", "草稿"
    OPEN = "open", "開放"
    CLOSED = "closed", "關閉"


class CourseQuerySet(Scoped["Course"]):
    """Courses that a person administers: those of the agency, or all."""

    right = Right.VIEW_COURSES

    def taught_by(self, user: Account) -> Self:
        """Courses that a person teaches or administers."""
        teaching = Teacher.objects.filter(account=user, is_engaged=True)
        if not user.may(Right.TEACH):
            return self.none()
        own = self.filter(
            pk__in=Course.teachers.through.objects.filter(teacher__in=teaching).values("course")
        )
        return own | self.visible_to(user)

    def reachable_by(self, user: Account) -> Self:
        """Courses whose pages a person may open: offered, joined, taught."""
        enrolled = Enrollment.objects.filter(course=OuterRef("pk"), account=user)
        signed_up = SignUp.objects.filter(session__course=OuterRef("pk"), account=user)
        joined = self.filter(Exists(enrolled) | Exists(signed_up))
        return self.offered_to(user) | joined | self.taught_by(user) | self.visible_to(user)

    def offered_to(self, account: Account | None) -> Self:
        """Courses that a person may take; without one, those open to everybody."""
        return self.offered_in(account.agency_id if account else None)

    def offered_in(self, agency: int | None) -> Self:
        """Courses that people of an agency may take."""
        everybody = Q(agency=None) | Q(for_all=True)
        own = Q(agency=agency) if agency else Q()
        return self.filter(everybody | own, state=CourseState.OPEN)

    def not_completed_by(self, account: Account, year: int) -> Self:
        """Exclude courses completed in that year; in another year they give hours again."""
        done = {"course": OuterRef("pk"), "account": account, "completed_at__year": year}
        attended = {"session__course": OuterRef("pk"), "account": account, "hours__gt": 0}
        return self.exclude(
            Exists(Enrollment.objects.filter(**done))
            | Exists(SignUp.objects.filter(**attended, completed_at__year=year))
        )

    def beginning(self, on: date) -> Self:
        """Courses to begin on a day: online at any time, else while a session takes sign-ups."""
        sessions = Session.objects.taking_sign_ups(on).filter(course=OuterRef("pk"))
        return self.filter(Q(kind=Kind.ONLINE) | Exists(sessions))

    def before(self, account: Account) -> Self:
        """Courses before a person now: those to begin, and those joined and not completed."""
        enrolled = Enrollment.objects.filter(course=OuterRef("pk"), account=account)
        coming = Meeting.objects.filter(session=OuterRef("session"), ends_at__gt=timezone.now())
        signed_up = SignUp.objects.filter(
            Exists(coming),
            session__course=OuterRef("pk"),
            session__state=SessionState.PLANNED,
            account=account,
            standing__in=HOLDING,
        )
        sessions = Session.objects.taking_sign_ups(timezone.localdate())
        taking = sessions.filter(course=OuterRef("pk"))
        under_way = Exists(enrolled.filter(completed_at=None)) | Exists(signed_up)
        return self.filter(Q(kind=Kind.ONLINE) | Exists(taking) | under_way)


class Course(Audited):
    """A course as it is announced; without an agency it is the platform's."""

    kind = models.CharField("種類", max_length=10, choices=Kind)
    agency = models.ForeignKey(
        Agency, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="開課機關"
    )
    for_all = models.BooleanField("開放其他機關同仁", default=False)
    title = models.CharField("課程名稱", max_length=200)
    folded_title = models.CharField(max_length=400, editable=False)
    """What searches look in, see `ismp.ui.text.search_folding`."""
    category = models.CharField("課程類別", max_length=10, choices=Category)
    hours = models.PositiveIntegerField("時數")
    """In thousandths.  Of a classroom course what a whole session gives, to announce it."""
    description = models.TextField("課程說明", blank=True)
    """Markdown."""
    link = models.URLField("相關連結", blank=True)
    state = models.CharField("狀態", max_length=10, choices=CourseState, default=CourseState.DRAFT)
    teachers = models.ManyToManyField(
        Teacher, blank=True, related_name="courses", verbose_name="教師"
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar["models.Manager[Course] | CourseQuerySet"] = CourseQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["category", "state"], name="courses_of_a_category")]
        constraints = [
            models.CheckConstraint(
                condition=Q(category__in=Category.values), name="course_category_is_a_known_one"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=Kind.values), name="a_course_is_online_or_in_a_classroom"
            ),
            models.CheckConstraint(
                condition=Q(state__in=CourseState.values), name="course_state_is_a_known_state"
            ),
            models.CheckConstraint(
                condition=Q(hours__gt=0),
                name="a_course_gives_hours",
                violation_error_message="時數要大於 0，請更正。",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def save(self, **options: Any) -> None:
        self.folded_title = fold(self.title)
        super().save(**options)

    def get_absolute_url(self) -> str:
        return reverse("courses:course", args=[self.pk])
