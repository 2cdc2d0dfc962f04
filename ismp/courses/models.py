"""線上課程 and 實體課程: what an agency or the platform offers, and who learns there.

Knows people (`ismp.accounts`); hours that were earned go to `ismp.hours` by a deed.
"""

from datetime import date
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
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


class CourseQuerySet(Scoped):
    """Visible is what somebody administers: her agency's, or all."""

    right = Right.VIEW_COURSES

    def taught_by(self, user: Account) -> Self:
        """What somebody teaches, or administers."""
        mine = Teacher.objects.filter(account=user, is_engaged=True)
        if not user.may(Right.TEACH):
            return self.none()
        own = self.filter(
            pk__in=Course.teachers.through.objects.filter(teacher__in=mine).values("course")
        )
        return own | self.visible_to(user)

    def reachable_by(self, user: Account) -> Self:
        """Whose pages somebody may open: what is offered, what she is in, what she teaches."""
        enrolled = Enrollment.objects.filter(course=OuterRef("pk"), account=user)
        signed_up = SignUp.objects.filter(session__course=OuterRef("pk"), account=user)
        mine = self.filter(Exists(enrolled) | Exists(signed_up))
        return self.offered_to(user) | mine | self.taught_by(user) | self.visible_to(user)

    def offered_to(self, account: Account | None) -> Self:
        """What a person may take; without one, what everybody may."""
        return self.offered_in(account.agency_id if account else None)

    def offered_in(self, agency: int | None) -> Self:
        """What people of an agency may take."""
        everybody = Q(agency=None) | Q(for_all=True)
        own = Q(agency=agency) if agency else Q()
        return self.filter(everybody | own, state=CourseState.OPEN)

    def not_completed_by(self, account: Account, year: int) -> Self:
        """Without what she completed in that year; in another it gives hours again."""
        done = {"course": OuterRef("pk"), "account": account, "completed_at__year": year}
        attended = {"session__course": OuterRef("pk"), "account": account, "hours__gt": 0}
        return self.exclude(
            Exists(Enrollment.objects.filter(**done))
            | Exists(SignUp.objects.filter(**attended, completed_at__year=year))
        )

    def beginning(self, on: date) -> Self:
        """What can be begun on a day: online at any time, else while a session takes sign-ups."""
        sessions = Session.objects.taking_sign_ups(on).filter(course=OuterRef("pk"))
        return self.filter(Q(kind=Kind.ONLINE) | Exists(sessions))


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
            models.CheckConstraint(condition=Q(hours__gt=0), name="a_course_gives_hours"),
        ]

    def __str__(self) -> str:
        return self.title

    def save(self, **options: Any) -> None:
        self.folded_title = fold(self.title)
        super().save(**options)

    def get_absolute_url(self) -> str:
        return reverse("courses:course", args=[self.pk])


# --- 線上課程 ------------------------------------------------------------------------------------


class Material(models.Model):
    """教材: one thing to watch or read, in the order of `position`."""

    class Kind(models.TextChoices):
        VIDEO = "video", "影片"
        PDF = "pdf", "PDF"
        PAGE = "page", "網頁"
        LINK = "link", "連結"

    course = models.ForeignKey(Course, models.CASCADE, related_name="materials")
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

    @property
    def has_file(self) -> bool:
        return self.kind in {self.Kind.VIDEO, self.Kind.PDF}


class MaterialPiece(models.Model):
    """A sealed piece of a material's file (`ismp.courses.files`)."""

    material = models.ForeignKey(Material, models.CASCADE, related_name="pieces")
    number = models.PositiveIntegerField()
    key_version = models.PositiveSmallIntegerField()
    data = models.BinaryField()
    stored_as = models.CharField(max_length=32, blank=True)
    """The object's name in S3-compatible storage; empty when `data` is here."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["material", "number"], name="a_piece_has_one_place_in_its_material"
            )
        ]
        indexes = [
            models.Index(
                fields=["stored_as"], name="material_stored_elsewhere", condition=~Q(stored_as="")
            )
        ]

    def __str__(self) -> str:
        return f"{self.material_id}/{self.number}"


class Quiz(models.Model):
    """測驗 of a course: how many questions are drawn for an attempt, and what passes."""

    course = models.OneToOneField(Course, models.CASCADE, related_name="quiz")
    drawn = models.PositiveSmallIntegerField("每次出題數")
    pass_mark = models.PositiveSmallIntegerField("及格分數", default=60)
    attempts = models.PositiveSmallIntegerField("可作答次數", default=3)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(pass_mark__range=(1, 100), drawn__gt=0, attempts__gt=0),
                name="a_quiz_can_be_taken_and_passed",
            )
        ]

    def __str__(self) -> str:
        return f"quiz:{self.course_id}"


class Question(models.Model):
    """One of the pool that attempts are drawn from."""

    class Kind(models.TextChoices):
        SINGLE = "single", "單選"
        MULTIPLE = "multiple", "複選"
        TRUE_FALSE = "truth", "是非"

    course = models.ForeignKey(Course, models.CASCADE, related_name="questions")
    kind = models.CharField("題型", max_length=10, choices=Kind)
    text = models.TextField("題目")
    options = models.JSONField("選項")
    right = models.JSONField("正確答案")
    """The indexes of the right options, in order."""

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.text


class OfPeople(Scoped):
    """Whose learning somebody may see: her agency's people, or all."""

    right = Right.VIEW_COURSES
    agency_of = "account__agency"


class Way(models.TextChoices):
    """How somebody came to a course."""

    SELF = "self", "自行報名"
    DUTY = "duty", "依學習地圖指派"
    LIST = "list", "依名單指派"


class Enrollment(models.Model):
    """修課: one person in one online course, until it is completed; next year perhaps again."""

    course = models.ForeignKey(Course, models.PROTECT, related_name="enrollments")
    account = models.ForeignKey(Account, models.PROTECT, related_name="enrollments")
    way = models.CharField("方式", max_length=10, choices=Way)
    enrolled_at = models.DateTimeField(default=timezone.now)
    score = models.PositiveSmallIntegerField("成績", null=True)
    """The best of the attempts."""
    completed_at = models.DateTimeField(null=True)

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


# --- 實體課程 ------------------------------------------------------------------------------------


class SessionState(models.TextChoices):
    PLANNED = "planned", "開放報名"
    FINISHED = "finished", "已結訓"
    CANCELLED = "cancelled", "已取消"


class SessionQuerySet(models.QuerySet["Session"]):
    def taking_sign_ups(self, on: date) -> Self:
        return self.filter(state=SessionState.PLANNED, opens_on__lte=on, closes_on__gte=on)


class Session(models.Model):
    """期: a class that people sign up for, with one meeting or several.

    `taken` and `turns` are counted under the row's lock: who holds a place, and the order in
    which people came.
    """

    course = models.ForeignKey(Course, models.PROTECT, related_name="sessions")
    number = models.PositiveSmallIntegerField("期別")
    place = models.CharField("地點", max_length=200)
    quota = models.PositiveIntegerField("名額")
    opens_on = models.DateField("報名起日")
    closes_on = models.DateField("報名迄日")
    needs_approval = models.BooleanField("報名需要審核", default=False)
    state = models.CharField(
        "狀態", max_length=10, choices=SessionState, default=SessionState.PLANNED
    )
    taken = models.PositiveIntegerField(default=0)
    turns = models.PositiveIntegerField(default=0)

    objects: ClassVar["models.Manager[Session] | SessionQuerySet"] = SessionQuerySet.as_manager()

    class Meta:
        ordering = ["course", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["course", "number"], name="a_session_has_one_number_in_its_course"
            ),
            models.CheckConstraint(
                condition=Q(taken__lte=F("quota")), name="a_session_is_never_overbooked"
            ),
            models.CheckConstraint(
                condition=Q(closes_on__gte=F("opens_on")), name="sign_up_ends_after_it_begins"
            ),
            models.CheckConstraint(
                condition=Q(state__in=SessionState.values), name="session_state_is_a_known_state"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.course.title} 第 {self.number} 期"


class Meeting(models.Model):
    """上課時段 of a session; attendance is marked for each."""

    session = models.ForeignKey(Session, models.CASCADE, related_name="meetings")
    starts_at = models.DateTimeField("開始")
    ends_at = models.DateTimeField("結束")
    hours = models.PositiveIntegerField("時數")
    """In thousandths; less than the time between, when there is a break."""
    reminded_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["session", "starts_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="a_meeting_ends_after_it_starts"
            )
        ]

    def __str__(self) -> str:
        return f"meeting:{self.pk}"


class Standing(models.TextChoices):
    APPLIED = "applied", "待審核"
    ENROLLED = "enrolled", "錄取"
    WAITING = "waiting", "候補"
    REFUSED = "refused", "未錄取"
    CANCELLED = "cancelled", "已取消"


class SignUp(models.Model):
    """報名 of one person for one session; `turn` is the order in which people came."""

    session = models.ForeignKey(Session, models.PROTECT, related_name="sign_ups")
    account = models.ForeignKey(Account, models.PROTECT, related_name="sign_ups")
    standing = models.CharField("狀態", max_length=10, choices=Standing)
    turn = models.PositiveIntegerField("順位")
    way = models.CharField("方式", max_length=10, choices=Way)
    signed_up_at = models.DateTimeField(default=timezone.now)
    score = models.DecimalField("成績", max_digits=5, decimal_places=2, null=True)
    hours = models.PositiveIntegerField("取得時數", null=True)
    """In thousandths; null until the session is finished."""
    completed_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager["SignUp"]] = OfPeople.as_manager()

    class Meta:
        ordering = ["session", "turn"]
        constraints = [
            models.UniqueConstraint(
                fields=["session", "account"], name="a_person_signs_up_for_a_session_once"
            ),
            models.UniqueConstraint(fields=["session", "turn"], name="no_two_people_share_a_turn"),
            models.CheckConstraint(
                condition=Q(standing__in=Standing.values), name="standing_is_a_known_one"
            ),
            models.CheckConstraint(
                condition=Q(score=None) | Q(score__range=(0, 100)), name="a_score_is_0_to_100"
            ),
        ]
        indexes = [models.Index(fields=["account", "-id"], name="sign_ups_of_a_person")]

    def __str__(self) -> str:
        return f"{self.account} {self.session}"

    @property
    def shown_score(self) -> str:
        """92.5, 95; empty without one."""
        return "" if self.score is None else f"{self.score.normalize():f}"


class Attendance(models.Model):
    """出席 of one person at one meeting, and how it became known."""

    class Way(models.TextChoices):
        CODE = "code", "掃描 QR Code"
        LIST = "list", "點名"

    meeting = models.ForeignKey(Meeting, models.CASCADE, related_name="attendances")
    sign_up = models.ForeignKey(SignUp, models.CASCADE, related_name="attendances")
    way = models.CharField("方式", max_length=10, choices=Way)
    at = models.DateTimeField(default=timezone.now)
    by = models.CharField(max_length=150)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["meeting", "sign_up"], name="a_person_is_present_once_at_a_meeting"
            )
        ]

    def __str__(self) -> str:
        return f"{self.meeting_id}/{self.sign_up_id}"
