"""資安情資: advisories, and each as one agency has it."""

from datetime import date
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from ismp.accounts.models import Account, Agency
from ismp.accounts.roles import Right
from ismp.security.models.incidents import Incident
from ismp.security.models.scoped import Scoped


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
            late=models.Count("addresses", filter=none & Q(addresses__due_on__lt=today)),
        ).order_by("-pk")


class Origin(models.TextChoices):
    """Which kind of file an advisory came in; what was written here has none."""

    HAND = "hand", "本平台撰寫"
    STIX = "stix", "STIX"
    CVE = "cve", "CVE"
    KEV = "kev", "KEV"


class Advisory(models.Model):
    """情資: a warning with what it is about, addressed to agencies who answer by a day.

    The columns say what holds here.  `source_says` is what the newest version of its file says, by
    the names of `FROM_SOURCE`; an import writes there, and into a column only as long as nobody
    decided it (`is_decided`).
    """

    FROM_SOURCE = (
        *("title", "severity", "tlp", "source", "issued_on", "due_on", "cves", "products"),
        *("body", "action", "details"),
    )
    """The columns that a file can fill."""
    DECIDED_BY_PUBLISHING = frozenset({"title", "severity", "tlp", "due_on"})

    title = models.CharField("標題", max_length=300)
    severity = models.CharField("嚴重程度", max_length=20, choices=Severity)
    tlp = models.CharField("TLP", max_length=20, choices=Tlp, default=Tlp.CLEAR)
    body = models.TextField("內容", blank=True)
    action = models.TextField("建議措施", blank=True)
    cves = models.JSONField("CVE", default=list)
    products = models.JSONField("受影響產品", default=list)
    """[{"vendor": …, "product": …, "versions": …}]."""
    details = models.JSONField("其他資訊", default=list)
    """[[title, text]]: what else the source says, such as 勒索軟體利用."""
    source = models.CharField("來源", max_length=100)
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.HAND)
    source_id = models.CharField("來源編號", max_length=200)
    stix_id = models.CharField(max_length=200)
    """The id of its report in STIX, whatever it came in (`intelligence.stix_id`): its identity."""
    source_modified = models.CharField(max_length=40, blank=True)
    """When the source changed it last, as `intelligence.moment` writes it; empty: not said."""
    parts_modified = models.CharField(max_length=40, blank=True)
    """The same of the newest object that it refers to."""
    source_says = models.JSONField(default=dict)
    decided = models.JSONField(default=list)
    """Names of columns that somebody here wrote over what the source says."""
    stix = models.JSONField(null=True)
    """The objects of the STIX bundle that it came in, as they came."""
    issued_on = models.DateField("發布日期")
    due_on = models.DateField("回覆期限", null=True, blank=True)
    created_by = models.CharField(max_length=150)
    published_at = models.DateTimeField(null=True)

    objects: ClassVar["models.Manager[Advisory] | AdvisoryQuerySet"] = AdvisoryQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint(fields=["stix_id"], name="an_advisory_is_kept_once")]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("advisories:page", args=[self.pk])

    def is_decided(self, column: str) -> bool:
        """Whether people decided what stands in a column, by writing it or by publishing it."""
        by_publishing = self.published_at and column in self.DECIDED_BY_PUBLISHING
        return column in self.decided or bool(by_publishing)


class Reply(models.TextChoices):
    NONE = "none", "未回覆"
    AFFECTED = "affected", "受影響，處理中"
    NOT_AFFECTED = "not_affected", "不受影響"
    DONE = "done", "已處理完成"


class Address(models.Model):
    """An advisory as one agency has it: seen, answered, with evidence."""

    advisory = models.ForeignKey(Advisory, models.PROTECT, related_name="addresses")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    due_on = models.DateField("回覆期限", null=True)
    """This agency's; agencies that were added later may have a later one."""
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
        return self.reply == Reply.NONE and self.due_on is not None and self.due_on < today
