"""線上課程 and 實體課程: what an agency or the platform offers, and who learns there.

Knows people (`ismp.accounts`); hours that were earned go to `ismp.hours` by a deed.
"""

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from ismp.accounts.models import Account, Agency, Scoped
from ismp.accounts.roles import Right
from ismp.ui.folding import fold

# --- 教師 --------------------------------------------------------------------------------------


class TeacherQuerySet(Scoped):
    right = Right.VIEW_COURSES

    def shown(self) -> Self:
        """Adds `shown_name` and `expires_on`, the day the first certificate ends."""
        return self.annotate(
            shown_name=Coalesce("account__name", "name"),
            expires_on=models.Min("certificates__expires_on"),
        )


class Teacher(models.Model):
    """Somebody who teaches for an agency: internal (an account) or from outside (a name)."""

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+", verbose_name="機關")
    account = models.ForeignKey(
        Account, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="公務帳號"
    )
    name = models.CharField("姓名", max_length=100, blank=True)
    organization = models.CharField("服務單位", max_length=100, blank=True)
    email = models.EmailField("電子郵件", blank=True)
    phone = models.CharField("電話", max_length=50, blank=True)
    expertise = models.CharField("專長", max_length=300, blank=True)
    profile = models.TextField("簡歷", max_length=4_000, blank=True)
    is_engaged = models.BooleanField("聘用中", default=True)

    objects: ClassVar["models.Manager[Teacher] | TeacherQuerySet"] = TeacherQuerySet.as_manager()

    class Meta:
        ordering = ["agency", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(account=None, name__gt="") | Q(account__isnull=False, name=""),
                name="a_teacher_is_an_account_or_has_a_name",
                violation_error_message="內部教師請填公務帳號，外聘教師請填姓名，只能填其中一項。",
            ),
            models.UniqueConstraint(
                fields=["agency", "account"],
                name="an_account_teaches_once_for_an_agency",
                violation_error_message="這個帳號已經是本機關的教師，請到他的資料編輯。",
            ),
        ]

    def __str__(self) -> str:
        return self.account.name if self.account else self.name


class TeacherCertificate(models.Model):
    """A certificate that a teacher holds, with the day it ends, if it ends."""

    teacher = models.ForeignKey(Teacher, models.CASCADE, related_name="certificates")
    name = models.CharField("證照名稱", max_length=100)
    number = models.CharField("證照號碼", max_length=50, blank=True)
    issued_on = models.DateField("發照日", null=True, blank=True)
    expires_on = models.DateField("到期日", null=True, blank=True)

    class Meta:
        ordering = ["expires_on", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(issued_on=None)
                | Q(expires_on=None)
                | Q(expires_on__gte=F("issued_on")),
                name="a_certificate_ends_after_it_was_issued",
                violation_error_message="到期日早於發照日，請更正。",
            )
        ]

    def __str__(self) -> str:
        return self.name


# --- 課程 --------------------------------------------------------------------------------------


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
