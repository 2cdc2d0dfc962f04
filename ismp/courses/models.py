"""線上課程 and 實體課程: what an agency or the platform offers, and who learns there.

Knows people (`ismp.accounts`); hours that were earned go to `ismp.hours` by a deed.
"""

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from ismp.accounts.models import Account, Agency
from ismp.accounts.roles import Right
from ismp.ui.folding import fold


class Kind(models.TextChoices):
    ONLINE = "online", "線上課程"
    CLASSROOM = "classroom", "實體課程"


class Category(models.TextChoices):
    """The tabs of 未完成課程; only the first two count towards the duties of the Act."""

    BASIC = "522", "資通安全通識教育訓練"
    PROFESSIONAL = "523", "資通安全專業教育訓練"
    SYSTEM = "system", "系統發展教育訓練"
    GENERAL = "general", "一般系統教育訓練"


class CourseState(models.TextChoices):
    DRAFT = "draft", "草稿"
    OPEN = "open", "開放"
    CLOSED = "closed", "關閉"


class CourseQuerySet(models.QuerySet["Course"]):
    def visible_to(self, user: Account) -> Self:
        """What somebody administers: her agency's, or all."""
        if not user.may(Right.VIEW_COURSES):
            return self.none()
        return self if user.may(Right.ALL_AGENCIES) else self.filter(agency=user.agency_id)

    def offered_to(self, account: Account | None) -> Self:
        """What a person may take; without one, what everybody may."""
        everybody = Q(agency=None) | Q(for_all=True)
        own = Q(agency=account.agency_id) if account else Q()
        return self.filter(everybody | own, state=CourseState.OPEN)


class Course(models.Model):
    """A course as it is announced; without an agency it is the platform's."""

    kind = models.CharField("種類", max_length=10, choices=Kind)
    agency = models.ForeignKey(
        Agency, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="開課機關"
    )
    for_all = models.BooleanField("開放其他機關同仁", default=False)
    title = models.CharField("課程名稱", max_length=200)
    folded_title = models.CharField(max_length=400, editable=False)
    """What searches look in, see `ismp.ui.folding`."""
    category = models.CharField("課程類別", max_length=10, choices=Category)
    hours = models.PositiveIntegerField("時數")
    """In thousandths.  Of a classroom course what a whole session gives, to announce it."""
    description = models.TextField("課程說明", blank=True)
    """Markdown."""
    link = models.URLField("相關連結", blank=True)
    state = models.CharField("狀態", max_length=10, choices=CourseState, default=CourseState.DRAFT)
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
            models.CheckConstraint(condition=Q(hours__gt=0), name="a_course_gives_hours"),
        ]

    def __str__(self) -> str:
        return self.title

    def save(self, **options: Any) -> None:
        self.folded_title = fold(self.title)
        super().save(**options)

    def get_absolute_url(self) -> str:
        return reverse("courses:course", args=[self.pk])
