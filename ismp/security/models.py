"""資安情資, 資通安全通報, 管制設備: what is known, what happened, what stands where.

Knows agencies and people (`ismp.accounts`), not what anybody has learned.  Nothing here is ever
deleted: an incident, an answer or a device ends by its state, because the law asks for it later.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from ismp.accounts import models as accounts
from ismp.accounts.models import Account, Agency
from ismp.accounts.roles import Right
from ismp.security import levels
from ismp.security.levels import Answer, Aspect, Clock, Harm, Level, Limit, Moment, Step, Subject


class Scoped(accounts.Scoped):
    right = Right.VIEW_SECURITY


# --- 資通安全通報 ------------------------------------------------------------------------------


class IncidentState(models.TextChoices):
    """Where an incident stands; each step of the regulation moves it on."""

    DRAFT = "draft", "草稿"
    REPORTED = "reported", "已通報，待審核"
    RETURNED = "returned", "退回補正"
    HANDLING = "handling", "處理中"
    RECOVERED = "recovered", "已復原，待結報"
    FINAL = "final", "已結報，待審查"
    CLOSED = "closed", "結案"


class Cause(models.TextChoices):
    """What the investigation found (結報)."""

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


class IncidentQuerySet(Scoped):
    def visible_to(self, user: Account) -> Self:
        """A person sees what she herself reported, whatever her role."""
        if user.may(Right.VIEW_SECURITY):
            return super().visible_to(user)
        return self.filter(reporter=user)

    def in_administration(self, user: Account) -> Self:
        """In 管理環境 a draft is its agency's: the platform hears of what is reported."""
        foreign = Q(state=IncidentState.DRAFT) & ~Q(agency=user.agency_id)
        return self.exclude(foreign)

    def open(self) -> Self:
        return self.exclude(state=IncidentState.CLOSED)

    def closed_of_reported(self) -> dict[str, int]:
        """How many are closed (`done`) of all that were reported (`total`)."""
        closed = models.Count("pk", filter=Q(state=IncidentState.CLOSED))
        reported = self.exclude(state=IncidentState.DRAFT).order_by()
        return reported.aggregate(done=closed, total=models.Count("pk"))

    def calling_for_training(self) -> Self:
        """What the final report puts down to people."""
        return self.filter(cause__in=OF_PEOPLE)


class Incident(models.Model):
    """資通安全事件 (資通安全事件通報應變及演練辦法), from the first word to the closing review."""

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    year = models.PositiveSmallIntegerField()
    """ROC year of the day it became known."""
    serial = models.PositiveIntegerField()
    title = models.CharField("事件名稱", max_length=200)
    description = models.TextField("事件說明")
    is_drill = models.BooleanField("演練", default=False)
    answers = models.JSONField(default=dict)
    """{aspect: [subject, harm]} as in `levels`."""
    level = models.PositiveSmallIntegerField("等級", null=True)
    state = models.CharField(
        "狀態", max_length=20, choices=IncidentState, default=IncidentState.DRAFT
    )
    cause = models.CharField("事件原因", max_length=20, choices=Cause, blank=True)
    """Empty until the final report, or when nobody could find out."""
    reporter = models.ForeignKey(Account, models.PROTECT, related_name="+")
    known_at = models.DateTimeField("知悉時間")
    level_changed_at = models.DateTimeField(null=True)
    """When the level became another one: it must be reported again from then on."""
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
                fields=["agency", "year", "serial"], name="an_incident_has_one_number"
            ),
            models.CheckConstraint(
                condition=Q(level=None) | Q(level__range=(1, 4)), name="a_level_is_one_to_four"
            ),
            models.CheckConstraint(
                condition=Q(state=IncidentState.DRAFT) | Q(level__isnull=False),
                name="what_is_reported_has_a_level",
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

    def get_absolute_url(self) -> str:
        return reverse("security:incident", args=[self.pk])

    @property
    def number(self) -> str:
        """382000000A-115-0003."""
        return f"{self.agency.code}-{self.year}-{self.serial:04}"

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
        found = levels.limits(Level(self.level), self.moments, clocks)
        return [
            replace(limit, at=max(limit.at, self.extended_to))
            if limit.step is Step.FINAL_REPORT and limit.at and self.extended_to
            else limit
            for limit in found
        ]


class IncidentEntry(models.Model):
    """One line of an incident's timeline.  Append-only."""

    class Kind(models.TextChoices):
        CREATED = "created", "建立"
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

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="timeline")
    at = models.DateTimeField(default=timezone.now)
    by = models.CharField(max_length=150)
    by_name = models.CharField(max_length=150, blank=True)
    kind = models.CharField(max_length=20, choices=Kind)
    text = models.TextField("內容", blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.incident_id}:{self.kind}"


class TimeLimit(models.Model):
    """A clock of the law as data, with its article and the days on which it holds.

    Seeded from `levels.CLOCKS`; the platform adds a line when the law changes.
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


class SecurityOfficer(models.Model):
    """資通安全長 of an agency: who is told of a major incident (levels 3 and 4)."""

    agency = models.OneToOneField(Agency, models.PROTECT, related_name="security_officer")
    account = models.ForeignKey(Account, models.PROTECT, related_name="+", verbose_name="資安長")

    def __str__(self) -> str:
        return self.account.name


class Reminder(models.Model):
    """That somebody was reminded of a deadline; its row is the claim, so that each is told once.

    A deadline that was moved is another one, and is told anew.
    """

    class Occasion(models.TextChoices):
        SOON = "soon", "即將到期"
        TODAY = "today", "今天到期"
        HALFWAY = "halfway", "期限過半"
        OVERDUE = "overdue", "已逾期"

    subject = models.CharField(max_length=100)
    """What is due, in the words of the audit trail, with the agency or the step where it has
    several."""
    occasion = models.CharField(max_length=10, choices=Occasion)
    due_at = models.DateTimeField()
    told_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "occasion", "due_at"], name="a_deadline_is_told_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject}:{self.occasion}"


# --- 管制設備 ----------------------------------------------------------------------------------


class Network(models.TextChoices):
    OFFICIAL = "official", "公務網路"
    ISOLATED = "isolated", "獨立網段"
    OFFLINE = "offline", "未連網"


class DeviceKind(models.TextChoices):
    HARDWARE = "hardware", "硬體"
    SOFTWARE = "software", "軟體"
    SERVICE = "service", "服務"


class DeviceQuerySet(Scoped):
    def kept_by(self, account: Account) -> Self:
        """What the inventory of her agency says is in her keeping, by 公務帳號 or by name."""
        return self.filter(agency=account.agency_id, keeper__in=[account.username, account.name])

    def in_use(self) -> Self:
        return self.filter(retired_on=None)

    def restricted(self) -> Self:
        return self.exclude(restriction=None)

    def undecided(self, today: date) -> Self:
        """Restricted and in use, without a decision that still holds."""
        holding = Decision.objects.filter(
            Q(expires_on=None) | Q(expires_on__gte=today),
            state=Decision.State.APPROVED,
            device=models.OuterRef("pk"),
        )
        return self.in_use().restricted().exclude(models.Exists(holding))

    def decided_of_restricted(self, today: date) -> dict[str, int]:
        """How many are decided upon (`done`) of all restricted ones in use (`total`)."""
        total = self.in_use().restricted().count()
        undecided = self.undecided(today).count() if total else 0
        return {"done": total - undecided, "total": total}

    def overdue(self, today: date) -> Self:
        return self.in_use().filter(retire_by__lt=today)


class ProductQuerySet(models.QuerySet["RestrictedProduct"]):
    def with_devices(self, user: Account) -> Self:
        """With `held`: how many devices in use that this person sees fall under each."""
        mine = Device.objects.visible_to(user).in_use().filter(restriction=models.OuterRef("pk"))
        count = mine.order_by().values("restriction").annotate(n=models.Count("pk")).values("n")
        return self.annotate(held=Coalesce(models.Subquery(count), 0))


class RestrictedProduct(models.Model):
    """危害國家資通安全產品: brands and models that a letter of the authority restricts.

    Patterns as people write them: `*` stands for any text; folded for width and case.
    """

    brand = models.CharField("廠牌", max_length=100)
    model = models.CharField("型號", max_length=100, blank=True)
    """Empty: every product of the brand."""
    letter = models.CharField("來源函號", max_length=200)
    issued_on = models.DateField("發文日期")
    ended_on = models.DateField("解除日期", null=True, blank=True)

    objects: ClassVar["models.Manager[RestrictedProduct] | ProductQuerySet"] = (
        ProductQuerySet.as_manager()
    )

    class Meta:
        ordering = ["brand", "model"]
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "model", "letter"], name="a_letter_restricts_a_product_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.brand} {self.model}".strip()


class Device(models.Model):
    """A device (or software, or service) in the inventory of an agency."""

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    asset_no = models.CharField("財產編號", max_length=50)
    kind = models.CharField("種類", max_length=20, choices=DeviceKind)
    category = models.CharField("品項", max_length=100, blank=True)
    brand = models.CharField("廠牌", max_length=100)
    model = models.CharField("型號", max_length=100, blank=True)
    serial = models.CharField("序號", max_length=100, blank=True)
    quantity = models.PositiveIntegerField("數量", default=1)
    place = models.CharField("放置地點", max_length=100, blank=True)
    department = models.CharField("保管單位", max_length=100, blank=True)
    keeper = models.CharField("保管人", max_length=100, blank=True)
    network = models.CharField("連網情形", max_length=20, choices=Network)
    bought_on = models.DateField("購置日期", null=True, blank=True)
    retire_by = models.DateField("預計汰換日期", null=True, blank=True)
    retired_on = models.DateField("汰換日期", null=True, blank=True)
    restriction = models.ForeignKey(
        RestrictedProduct, models.PROTECT, null=True, related_name="devices", editable=False
    )
    """The line of the list that it falls under; kept by `devices.match`."""

    objects: ClassVar["models.Manager[Device] | DeviceQuerySet"] = DeviceQuerySet.as_manager()

    class Meta:
        ordering = ["agency", "asset_no"]
        constraints = [
            models.UniqueConstraint(
                fields=["agency", "asset_no"], name="an_asset_number_is_used_once_in_an_agency"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=DeviceKind.values), name="device_kind_is_a_known_kind"
            ),
            models.CheckConstraint(
                condition=Q(network__in=Network.values), name="network_is_a_known_network"
            ),
        ]
        indexes = [
            models.Index(
                fields=["agency"], name="restricted_devices", condition=~Q(restriction=None)
            )
        ]

    def __str__(self) -> str:
        return f"{self.brand} {self.model}（{self.asset_no}）"


class Decision(models.Model):
    """What becomes of a restricted device: retired by a day, or kept with reason and measure.

    Keeping needs approval (115 年施行之法: 業務需要、無其他替代方案、資安長核可) and expires.
    """

    class Kind(models.TextChoices):
        RETIRE = "retire", "限期汰換"
        KEEP = "keep", "例外留用"

    class State(models.TextChoices):
        PENDING = "pending", "待核可"
        APPROVED = "approved", "已核可"
        REJECTED = "rejected", "不同意"

    device = models.ForeignKey(Device, models.PROTECT, related_name="decisions")
    kind = models.CharField("處置", max_length=20, choices=Kind)
    retire_by = models.DateField("汰換期限", null=True, blank=True)
    reason = models.CharField("留用理由", max_length=500, blank=True)
    measure = models.CharField("補償措施", max_length=500, blank=True)
    expires_on = models.DateField("有效期限", null=True, blank=True)
    state = models.CharField("狀態", max_length=20, choices=State, default=State.PENDING)
    made_at = models.DateTimeField(default=timezone.now)
    made_by = models.ForeignKey(Account, models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(Account, models.PROTECT, null=True, related_name="+")
    comment = models.CharField("意見", max_length=500, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="keep") | Q(retire_by__isnull=False),
                name="what_is_to_be_retired_has_a_day",
            ),
            models.CheckConstraint(
                condition=Q(kind="retire")
                | (~Q(reason="") & ~Q(measure="") & Q(expires_on__isnull=False)),
                name="what_is_kept_has_reason_measure_and_expiry",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.device}：{self.get_kind_display()}"


class CampaignQuerySet(models.QuerySet["Campaign"]):
    def with_sign_offs(self, user: Account) -> Self:
        """With `signed` (how many agencies) and `mine` (whether this person's has)."""
        mine = SignOff.objects.filter(campaign=models.OuterRef("pk"), agency=user.agency_id)
        signed = models.Count("sign_offs")
        return self.annotate(signed=signed, mine=models.Exists(mine)).order_by("-year")


class Campaign(models.Model):
    """年度盤點: every agency checks its inventory and signs it off by a day."""

    year = models.PositiveSmallIntegerField("年度", unique=True)
    """ROC."""
    due_on = models.DateField("期限")
    opened_at = models.DateTimeField(default=timezone.now)
    opened_by = models.CharField(max_length=150)

    objects: ClassVar["models.Manager[Campaign] | CampaignQuerySet"] = CampaignQuerySet.as_manager()

    class Meta:
        ordering = ["-year"]

    def __str__(self) -> str:
        return f"{self.year} 年度"


class SignOff(models.Model):
    """An agency's word that its inventory of a year is complete, with what stood in it then."""

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="sign_offs")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    signed_at = models.DateTimeField(default=timezone.now)
    signed_by = models.CharField(max_length=150)
    signed_by_name = models.CharField(max_length=150)
    figures = models.JSONField()
    """{"in_use": n, "restricted": n, "undecided": n, "kept": n}."""
    digest = models.CharField(max_length=64)
    """SHA-256 of the list as it stood, in hex: the form names it."""

    objects: ClassVar["models.Manager[SignOff] | Scoped"] = Scoped.as_manager()

    class Meta:
        ordering = ["-signed_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "agency"], name="an_agency_signs_a_campaign_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id}:{self.agency_id}"


# --- 資安情資 ----------------------------------------------------------------------------------


class Severity(models.TextChoices):
    LOW = "low", "低"
    MEDIUM = "medium", "中"
    HIGH = "high", "高"
    CRITICAL = "critical", "嚴重"


class Tlp(models.TextChoices):
    """Traffic Light Protocol 2.0 (FIRST)."""

    CLEAR = "clear", "TLP:CLEAR"
    GREEN = "green", "TLP:GREEN"
    AMBER = "amber", "TLP:AMBER"
    AMBER_STRICT = "amber+strict", "TLP:AMBER+STRICT"
    RED = "red", "TLP:RED"


class AdvisoryQuerySet(models.QuerySet["Advisory"]):
    def visible_to(self, user: Account) -> Self:
        """An agency sees what is addressed to it; drafts are the platform's."""
        if not user.may(Right.VIEW_SECURITY):
            return self.none()
        if user.may(Right.ALL_AGENCIES):
            return self
        mine = Address.objects.filter(agency=user.agency_id).values("advisory")
        return self.filter(pk__in=mine).exclude(published_at=None)

    def with_answers(self) -> Self:
        """With `addressed`, `answered` and `late`: agencies that have it, replied, should have."""
        none, today = Q(addresses__reply=Reply.NONE), timezone.localdate()
        return self.annotate(
            addressed=models.Count("addresses"),
            answered=models.Count("addresses", filter=~none & ~Q(addresses=None)),
            late=models.Count("addresses", filter=none & Q(due_on__lt=today)),
        ).order_by("-pk")


class Advisory(models.Model):
    """情資: a warning with what it is about, addressed to agencies who answer by a day."""

    title = models.CharField("標題", max_length=300)
    severity = models.CharField("嚴重程度", max_length=20, choices=Severity)
    tlp = models.CharField("TLP", max_length=20, choices=Tlp, default=Tlp.CLEAR)
    body = models.TextField("內容", blank=True)
    action = models.TextField("建議措施", blank=True)
    cves = models.JSONField("CVE", default=list)
    products = models.JSONField("受影響產品", default=list)
    """[{"vendor": …, "product": …, "versions": …}]."""
    source = models.CharField("來源", max_length=100)
    source_id = models.CharField("來源編號", max_length=200)
    source_modified = models.CharField(max_length=40, blank=True)
    stix = models.JSONField(null=True)
    """The objects of the STIX bundle that it came in, as they came."""
    issued_on = models.DateField("發布日期")
    due_on = models.DateField("回覆期限", null=True, blank=True)
    created_by = models.CharField(max_length=150)
    published_at = models.DateTimeField(null=True)

    objects: ClassVar["models.Manager[Advisory] | AdvisoryQuerySet"] = AdvisoryQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "source_id"], name="an_advisory_of_a_source_is_kept_once"
            )
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("advisories:page", args=[self.pk])


class Reply(models.TextChoices):
    NONE = "none", "未回覆"
    AFFECTED = "affected", "受影響，處理中"
    NOT_AFFECTED = "not_affected", "不受影響"
    DONE = "done", "已處理完成"


class Address(models.Model):
    """An advisory as one agency has it: seen, answered, with evidence."""

    advisory = models.ForeignKey(Advisory, models.PROTECT, related_name="addresses")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    reply = models.CharField("回覆", max_length=20, choices=Reply, default=Reply.NONE)
    evidence = models.TextField("處理情形與佐證", blank=True)
    replied_at = models.DateTimeField(null=True)
    replied_by = models.CharField(max_length=150, blank=True)
    incident = models.ForeignKey(Incident, models.PROTECT, null=True, related_name="advisories")
    """Where it turned out to be more than a warning."""

    objects: ClassVar["models.Manager[Address] | Scoped"] = Scoped.as_manager()

    class Meta:
        ordering = ["advisory", "agency"]
        constraints = [
            models.UniqueConstraint(
                fields=["advisory", "agency"], name="an_advisory_is_addressed_once_to_an_agency"
            ),
            models.CheckConstraint(
                condition=Q(reply="none") | Q(replied_at__isnull=False),
                name="a_reply_has_its_moment",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.advisory}（{self.agency}）"

    def is_late(self, today: date) -> bool:
        due = self.advisory.due_on
        return self.reply == Reply.NONE and due is not None and due < today
