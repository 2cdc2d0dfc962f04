"""實體課程: sessions and their meetings, who signed up, who was there."""

from datetime import date
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from ismp.accounts.models import Account
from ismp.courses.models.learners import OfPeople, Way


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

    course = models.ForeignKey("Course", models.PROTECT, related_name="sessions")
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
