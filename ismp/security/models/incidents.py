"""資通安全通報: incidents, their timelines, the clocks of the law, whom a major one is told."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from ismp.accounts.models import Account, Agency, SecurityOfficer
from ismp.accounts.roles import Right
from ismp.audit.models import Audited
from ismp.security.incidents import levels
from ismp.security.incidents.levels import (
    Answer,
    Aspect,
    Clock,
    Harm,
    Level,
    Limit,
    Moment,
    Step,
    Subject,
)
from ismp.security.models.scoped import Scoped


class IncidentState(models.TextChoices):
    """Where an incident stands; each step of the regulation moves it on."""

    DRAFT = "draft", "草稿"
    REPORTED = "reported", "已通報，待審核"
    RETURNED = "returned", "退回補正"
    HANDLING = "handling", "處理中"
    RECOVERED = "recovered", "已復原，待結報"
    FINAL = "final", "已結報，待審查"
    CLOSED = "closed", "結案"
    WITHDRAWN = "withdrawn", "已撤回"


OVER = (IncidentState.CLOSED, IncidentState.WITHDRAWN)
"""States in which nothing more is to be done."""


class Cause(models.TextChoices):
    """Findings of the investigation (結報)."""

    PHISHING = "phishing", "社交工程"
    HUMAN = "human", "人員疏失"
    PASSWORD = "password", "弱密碼或密碼外洩"
    CONFIGURATION = "configuration", "設定錯誤"
    VULNERABILITY = "vulnerability", "系統弱點"
    SUPPLIER = "supplier", "委外廠商"
    FAILURE = "failure", "設備故障"
    OTHER = "other", "其他"


OF_PEOPLE = (Cause.PHISHING, Cause.HUMAN, Cause.PASSWORD)
"""Causes that training works on."""


class IncidentQuerySet(Scoped["Incident"]):
    def visible_to(self, user: Account) -> Self:
        """A person sees their own reports, and the 資安長 those they were called to, whatever
        their role."""
        if user.may(Right.VIEW_SECURITY):
            return super().visible_to(user)
        called = Q(agency__in=SecurityOfficer.objects.agencies_of(user), escalated_at__isnull=False)
        return self.filter(Q(reporter=user) | called)

    def in_administration(self, user: Account) -> Self:
        """In 管理環境 a draft is its agency's: the platform hears of what is reported."""
        unheard = Q(state=IncidentState.DRAFT)
        unheard |= Q(state=IncidentState.WITHDRAWN, first_reported_at=None)
        return self.exclude(unheard & ~Q(agency__in=user.agency_ids()))

    def open(self) -> Self:
        return self.exclude(state__in=OVER)

    def real(self) -> Self:
        """Without drills."""
        return self.filter(is_drill=False)

    def closed_of_reported(self) -> dict[str, int]:
        """How many are closed (`done`) of all that were reported and not withdrawn (`total`)."""
        closed = models.Count("pk", filter=Q(state=IncidentState.CLOSED))
        uncounted = (IncidentState.DRAFT, IncidentState.WITHDRAWN)
        reported = self.exclude(state__in=uncounted).order_by()
        return reported.aggregate(done=closed, total=models.Count("pk"))

    def calling_for_training(self) -> Self:
        """Causes that the final report attributes to people."""
        return self.filter(cause__in=OF_PEOPLE)


class Incident(Audited):
    """資通安全事件 (資通安全事件通報應變及演練辦法), from the first word to the closing review.

    Another level is reported and reviewed anew, while its handling goes on: `state` is then that of
    the new report, `resumes` that of the handling, and the moments are those of the new report.
    """

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    year = models.PositiveSmallIntegerField()
    """ROC year of the day it became known, as it was written down first: its number stays."""
    serial = models.PositiveIntegerField()
    title = models.CharField("事件名稱", max_length=200)
    description = models.TextField("事件說明")
    is_drill = models.BooleanField("演練", default=False)
    answers = models.JSONField(default=dict)
    """{aspect: [subject, harm]} as in `incidents.levels`."""
    level = models.PositiveSmallIntegerField("等級", null=True)
    asked_answers = models.JSONField(default=dict)
    asked_level = models.PositiveSmallIntegerField(null=True)
    """A lower level, and its answers, that wait for the reviewer's consent."""
    state = models.CharField(
        "狀態", max_length=20, choices=IncidentState, default=IncidentState.DRAFT
    )
    resumes = models.CharField(max_length=20, blank=True)
    """How far its handling is while another level is under review; empty otherwise."""
    cause = models.CharField("事件原因", max_length=20, choices=Cause, blank=True)
    """Empty until the final report, or when nobody could find out."""
    reporter = models.ForeignKey(Account, models.PROTECT, related_name="+")
    known_at = models.DateTimeField("知悉時間")
    level_changed_at = models.DateTimeField(null=True)
    """When the level became another one: the clock of its own report runs from then on."""
    earlier_reports = models.JSONField(default=list)
    """Reports of former levels: [{"level", "since", "reported_at", "reviewed_at", "forwarded_at"}],
    moments in ISO form."""
    first_reported_at = models.DateTimeField("第一次通報時間", null=True)
    reported_at = models.DateTimeField("通報時間", null=True)
    reviewed_at = models.DateTimeField("審核時間", null=True)
    forwarded_at = models.DateTimeField("送達主管機關時間", null=True)
    recovered_at = models.DateTimeField("損害控制或復原時間", null=True)
    final_at = models.DateTimeField("結報時間", null=True)
    extended_to = models.DateTimeField("同意展延至", null=True)
    closed_at = models.DateTimeField("結案時間", null=True)
    escalated_at = models.DateTimeField("通知資安長時間", null=True)

    objects: ClassVar["models.Manager[Incident] | IncidentQuerySet"] = IncidentQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["agency", "-id"], name="incidents_of_an_agency")]
        constraints = [
            models.UniqueConstraint(
                fields=["agency", "year", "serial"],
                name="an_incident_has_one_number",
                violation_error_message="這個編號剛被別的事件使用，請再送出一次。",
            ),
            models.CheckConstraint(
                condition=Q(level=None) | Q(level__range=(1, 4)), name="a_level_is_one_to_four"
            ),
            models.CheckConstraint(
                condition=Q(state__in=[IncidentState.DRAFT, IncidentState.WITHDRAWN])
                | Q(level__isnull=False),
                name="what_is_reported_has_a_level",
                violation_error_message="已通報的事件至少有一個面向受影響，請更正影響評估。",
            ),
            models.CheckConstraint(
                condition=Q(state__in=IncidentState.values), name="incident_state_is_a_known_state"
            ),
            models.CheckConstraint(
                condition=Q(cause="") | Q(cause__in=Cause.values), name="cause_is_a_known_cause"
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def audit_detail(self) -> dict[str, bool]:
        return {"drill": self.is_drill}

    def get_absolute_url(self) -> str:
        return reverse("security:incident", args=[self.pk])

    @property
    def number(self) -> str:
        """382000000A-115-0003."""
        return f"{self.agency.code}-{self.year}-{self.serial:04}"

    @property
    def stage(self) -> str:
        """How far its handling is, whatever report is under review."""
        return self.resumes or self.state

    @property
    def was_reviewed(self) -> bool:
        """Whether some report of it was accepted."""
        return bool(self.reviewed_at or any(one["reviewed_at"] for one in self.earlier_reports))

    @property
    def calls_for_training(self) -> bool:
        return self.cause in OF_PEOPLE

    @property
    def given(self) -> dict[Aspect, Answer]:
        """The answers to the level questions."""
        return {
            Aspect(aspect): Answer(Subject(subject), Harm(harm))
            for aspect, (subject, harm) in self.answers.items()
        }

    @property
    def moments(self) -> dict[Moment, datetime | None]:
        return {
            Moment.KNOWN: timezone.localtime(self.known_at),
            Moment.REPORTED: self.reported_at,
            Moment.REVIEWED: self.reviewed_at,
            Moment.RECOVERED: self.recovered_at,
        }

    @property
    def done(self) -> dict[Step, datetime | None]:
        """When each step was taken."""
        return {
            Step.REPORT: self.reported_at,
            Step.REVIEW: self.reviewed_at,
            Step.FORWARD: self.forwarded_at,
            Step.CONTROL: self.recovered_at,
            Step.FINAL_REPORT: self.final_at,
        }

    def running(self, clocks: Iterable[Clock]) -> list[Limit]:
        """The limits of the steps that are still to be done."""
        return [limit for limit in self.limits(clocks) if self.done[limit.step] is None]

    def limits(self, clocks: Iterable[Clock]) -> list[Limit]:
        """Until when each step is due, by these clocks and the extension consented to."""
        if self.level is None:
            return []
        clocks = list(clocks)
        found = levels.limits(Level(self.level), self.moments, clocks)
        return [self._limit(limit, clocks) for limit in found]

    def _limit(self, limit: Limit, clocks: list[Clock]) -> Limit:
        """By what happened to this incident: another level, an extension."""
        if limit.step is Step.REPORT and self.level_changed_at:
            moments = {**self.moments, Moment.KNOWN: timezone.localtime(self.level_changed_at)}
            anew = levels.limits(Level(self.level or Level.ONE), moments, clocks)
            return next((one for one in anew if one.step is Step.REPORT), limit)
        if limit.step is Step.FINAL_REPORT and limit.at and self.extended_to:
            return replace(limit, at=max(limit.at, self.extended_to))
        return limit


class IncidentEntry(models.Model):
    """One line of an incident's timeline.  Append-only."""

    class Kind(models.TextChoices):
        CREATED = "created", "建立"
        EDITED = "edited", "更正內容"
        REPORTED = "reported", "通報"
        LEVEL = "level", "等級變更"
        RETURNED = "returned", "退回補正"
        ACCEPTED = "accepted", "審核通過"
        FORWARDED = "forwarded", "送主管機關"
        ESCALATED = "escalated", "通知資安長"
        NOTE = "note", "處置紀錄"
        RECOVERED = "recovered", "損害控制或復原"
        EXTENDED = "extended", "同意展延"
        FINAL = "final", "結報"
        TRAINING = "training", "指派教育訓練"
        CLOSED = "closed", "結案"
        WITHDRAWN = "withdrawn", "撤回"
        REINSTATED = "reinstated", "不同意撤回"

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="timeline")
    at = models.DateTimeField(default=timezone.now)
    by = models.CharField(max_length=150)
    by_name = models.CharField(max_length=150, blank=True)
    kind = models.CharField(max_length=20, choices=Kind)
    text = models.TextField("內容", blank=True)
    on_behalf = models.CharField("代辦原因", max_length=200, blank=True)
    """Why somebody of another agency did it in this one's place; empty when nobody did."""

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.incident_id}:{self.kind}"


class TimeLimit(models.Model):
    """A clock of the law as data, with its article and the days on which it holds.

    Seeded from `incidents.levels.CLOCKS`; the platform adds a line when the law changes.
    """

    step = models.CharField("步驟", max_length=20, choices=levels.STEPS)
    since = models.CharField("起算", max_length=20, choices=levels.MOMENTS)
    levels = models.JSONField("適用等級")
    hours = models.PositiveIntegerField("小時", default=0)
    months = models.PositiveIntegerField("個月", default=0)
    citation = models.CharField("依據", max_length=200)
    effective_from = models.DateField("生效日")
    effective_to = models.DateField("失效日", null=True, blank=True)

    class Meta:
        ordering = ["effective_from", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(hours__gt=0) | Q(months__gt=0), name="a_time_limit_lasts_some_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.step}:{self.effective_from}"

    @property
    def clock(self) -> Clock:
        return Clock(
            step=Step(self.step),
            since=Moment(self.since),
            levels=frozenset(Level(level) for level in self.levels),
            citation=self.citation,
            effective_from=self.effective_from,
            effective_to=self.effective_to,
            hours=self.hours,
            months=self.months,
        )
