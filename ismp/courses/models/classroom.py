"""實體課程: sessions and their meetings, who signed up, who was there."""

from datetime import date, datetime, time
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Exists, F, Max, Min, OuterRef, Q, Subquery
from django.utils import timezone
from django.utils.functional import cached_property

from ismp.accounts.models import Account
from ismp.audit.models import Audited
from ismp.courses.models.learners import Completion, OfPeople, Way


class SessionState(models.TextChoices):
    """State that somebody decided; `Phase` is what a page shows of it at a moment."""

    PLANNED = "planned", "未結訓"
    FINISHED = "finished", "已結訓"
    CANCELLED = "cancelled", "已取消"


class Phase(models.TextChoices):
    """Where a session is at a moment."""

    NOT_YET = "not_yet", "尚未開放"
    OPEN = "open", "開放報名"
    FULL = "full", "額滿候補"
    CLOSED = "closed", "已截止"
    RUNNING = "running", "上課中"
    OVER = "over", "已結束"
    FINISHED = "finished", "已結訓"
    CANCELLED = "cancelled", "已取消"


HOLDING = ("applied", "enrolled", "waiting")
"""Standings (of `Standing`) of those who have a place or hope for one."""


class SessionQuerySet(models.QuerySet["Session"]):
    def taking_sign_ups(self, on: date) -> Self:
        """Sessions that somebody may sign up for on a day: today, only until they begin."""
        today = timezone.localdate()
        moment = timezone.make_aware(datetime.combine(on, time.min))
        begun = Meeting.objects.filter(
            session=OuterRef("pk"), starts_at__lte=timezone.now() if on == today else moment
        )
        window = self.filter(state=SessionState.PLANNED, opens_on__lte=on, closes_on__gte=on)
        return window.exclude(Exists(begun))

    def in_phase(self, phase: str) -> Self:
        """Sessions that `Session.phase` would call so now."""
        now, today = timezone.now(), timezone.localdate()
        if phase in SessionState.values:
            return self.filter(state=phase)
        planned = self.filter(state=SessionState.PLANNED).alias(
            first=Subquery(_of_meetings(Min("starts_at"))),
            last=Subquery(_of_meetings(Max("ends_at"))),
        )
        if phase == Phase.OVER:
            return planned.filter(last__lte=now)
        if phase == Phase.RUNNING:
            return planned.filter(first__lte=now, last__gt=now)
        early = Q(course__state="draft") | Q(opens_on__gt=today)
        coming = planned.filter(Q(first=None) | Q(first__gt=now))
        if phase == Phase.NOT_YET:
            return coming.filter(early)
        late = Q(course__state="closed") | Q(closes_on__lt=today)
        if phase == Phase.CLOSED:
            return coming.filter(late).exclude(early)
        full = Q(taken__gte=F("quota")) | Q(has_waiting=True)
        taking = coming.with_waiting().exclude(early).exclude(late)
        return taking.filter(full) if phase == Phase.FULL else taking.exclude(full)

    def with_waiting(self) -> Self:
        waiting = SignUp.objects.filter(session=OuterRef("pk"), standing=Standing.WAITING)
        return self.annotate(has_waiting=Exists(waiting))


def _of_meetings(aggregate: Max | Min) -> models.QuerySet[Any, Any]:
    meetings = Meeting.objects.filter(session=OuterRef("pk")).order_by().values("session")
    return meetings.annotate(moment=aggregate).values("moment")


class Session(Audited):
    """期: a class that people sign up for, with one meeting or several.

    `taken` and `turns` are counted under the row's lock: who holds a place, and the order in
    which people came.
    """

    course = models.ForeignKey(
        "Course", models.PROTECT, related_name="sessions", verbose_name="課程"
    )
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
                fields=["course", "number"],
                name="a_session_has_one_number_in_its_course",
                violation_error_message="這門課程已經有這個期別，請重新整理後再存一次。",
            ),
            models.CheckConstraint(
                condition=Q(taken__lte=F("quota")),
                name="a_session_is_never_overbooked",
                violation_error_message="名額不能少於已錄取的人數，請更正。",
            ),
            models.CheckConstraint(
                condition=Q(closes_on__gte=F("opens_on")),
                name="sign_up_ends_after_it_begins",
                violation_error_message="報名迄日早於報名起日，請更正。",
            ),
            models.CheckConstraint(
                condition=Q(state__in=SessionState.values), name="session_state_is_a_known_state"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.course.title} 第 {self.number} 期"

    @property
    def audit_subject(self) -> str:
        return f"course:{self.course_id}/{self.number}"

    @property
    def audit_agency(self) -> str:
        return self.course.audit_agency

    @property
    def audit_detail(self) -> dict[str, int]:
        return {"session": self.number}

    @property
    def begins_at(self) -> datetime | None:
        """When the first meeting begins; None while none is planned."""
        return min((one.starts_at for one in self.meetings.all()), default=None)

    @property
    def ends_at(self) -> datetime | None:
        return max((one.ends_at for one in self.meetings.all()), default=None)

    @property
    def has_begun(self) -> bool:
        return self.begins_at is not None and self.begins_at <= timezone.now()

    @property
    def may_be_left(self) -> bool:
        """Whether who signed up may still withdraw."""
        return self.state == SessionState.PLANNED and not self.has_begun

    @property
    def phase(self) -> Phase:
        """Where the session is now; `SessionQuerySet.in_phase` says the same in SQL."""
        if self.state != SessionState.PLANNED:
            return Phase(self.state)
        if self.ends_at and self.ends_at <= timezone.now():
            return Phase.OVER
        if self.has_begun:
            return Phase.RUNNING
        today = timezone.localdate()
        if self.course.state == "draft" or today < self.opens_on:
            return Phase.NOT_YET
        if self.course.state == "closed" or today > self.closes_on:
            return Phase.CLOSED
        is_full = self.taken >= self.quota or self.has_waiting
        return Phase.FULL if is_full else Phase.OPEN

    @cached_property
    def has_waiting(self) -> bool:
        """Whether people wait for a place; a list asks by `with_waiting` for all of its rows."""
        return self.sign_ups.filter(standing=Standing.WAITING).exists()


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


class SignUp(Completion):
    """報名 of one person for one session; `turn` is the order in which people came."""

    session = models.ForeignKey(Session, models.PROTECT, related_name="sign_ups")
    account = models.ForeignKey(Account, models.PROTECT, related_name="sign_ups")
    standing = models.CharField("狀態", max_length=10, choices=Standing)
    turn = models.PositiveIntegerField("順位")
    way = models.CharField("方式", max_length=10, choices=Way)
    signed_up_at = models.DateTimeField(default=timezone.now)
    score = models.DecimalField("成績", max_digits=5, decimal_places=2, null=True)

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
