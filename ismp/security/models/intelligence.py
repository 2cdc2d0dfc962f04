"""資安情資: advisories, and each as one agency has it."""

from datetime import date
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from ismp.accounts.models import Account, Agency
from ismp.accounts.roles import Right
from ismp.audit.models import Audited
from ismp.security.models.incidents import Incident
from ismp.security.models.scoped import Scoped
from ismp.storage.encrypted_files import FilePiece


class Severity(models.TextChoices):
    UNRATED = "unrated", "未評"
    LOW = "low", "低"
    MEDIUM = "medium", "中"
    HIGH = "high", "高"
    CRITICAL = "critical", "嚴重"


class Tlp(models.TextChoices):
    """Traffic Light Protocol 2.0 (FIRST).  UNKNOWN: a draft's marking that nobody can read."""

    UNKNOWN = "unknown", "TLP 未定"
    CLEAR = "clear", "TLP:CLEAR"
    GREEN = "green", "TLP:GREEN"
    AMBER = "amber", "TLP:AMBER"
    AMBER_STRICT = "amber+strict", "TLP:AMBER+STRICT"
    RED = "red", "TLP:RED"


class AdvisoryQuerySet(models.QuerySet["Advisory"]):
    def in_force(self) -> Self:
        """Published, neither withdrawn nor closed, nor taken back by its source."""
        return self.exclude(published_at=None).filter(ended="")

    def visible_to(self, user: Account) -> Self:
        """An agency sees what is addressed to it; drafts are the platform's."""
        if not user.may(Right.VIEW_SECURITY):
            return self.none()
        if user.may(Right.ALL_AGENCIES):
            return self
        addressed = Address.objects.live().filter(agency__in=user.agency_ids()).values("advisory")
        return self.filter(pk__in=addressed).exclude(published_at=None)

    def with_answers(self) -> Self:
        """With `addressed`, `answered` and `late`: agencies that have it, replied, should have."""
        none, today = Q(addresses__reply=Reply.NONE), timezone.localdate()
        live = ~Q(addresses=None) & Q(addresses__removed_at=None)
        late = live & none & Q(addresses__due_on__lt=today, ended="")
        return self.annotate(
            addressed=models.Count("addresses", filter=live),
            answered=models.Count("addresses", filter=live & ~none),
            late=models.Count("addresses", filter=late),
        ).order_by("-pk")


class Origin(models.TextChoices):
    """Which kind of file an advisory came in; what was written here has none."""

    HAND = "hand", "本平台撰寫"
    STIX = "stix", "STIX"
    CVE = "cve", "CVE"
    KEV = "kev", "KEV"


class Ended(models.TextChoices):
    """Why nobody has to answer an advisory any more."""

    REVOKED = "revoked", "來源已撤銷"
    REJECTED = "rejected", "來源已撤銷（REJECTED）"
    SUPERSEDED = "superseded", "來源已改用另一則"
    WITHDRAWN = "withdrawn", "平台已撤回"
    CLOSED = "closed", "已結案"


BY_SOURCE = frozenset({Ended.REVOKED, Ended.REJECTED, Ended.SUPERSEDED})


class Advisory(Audited):
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
    cve_words = models.TextField("CVE", blank=True)
    """The same as text, to be searched: JSON is not searched alike by all databases."""
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
    ended = models.CharField("結束", max_length=20, choices=Ended, blank=True)
    ended_at = models.DateTimeField("結束時間", null=True)
    ended_by = models.CharField(max_length=150, blank=True)
    ended_because = models.TextField("結束理由", blank=True)

    objects: ClassVar["models.Manager[Advisory] | AdvisoryQuerySet"] = AdvisoryQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["stix_id"],
                name="an_advisory_is_kept_once",
                violation_error_message="這則情資已經在清單上，請編輯原來的那一筆。",
            ),
            models.CheckConstraint(
                condition=Q(ended="") | Q(ended_at__isnull=False), name="an_end_has_its_moment"
            ),
            models.CheckConstraint(
                condition=Q(published_at=None) | ~Q(tlp="unknown"),
                name="what_is_published_has_a_tlp",
                violation_error_message="發布的情資要有 TLP，請先選擇。",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.cve_words = " ".join(self.cves)
        super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        return reverse("advisories:page", args=[self.pk])

    @property
    def name_in_notices(self) -> str:
        """The title, or the number alone where TLP keeps it among those who got it: the notices
        of a day go out by mail, in clear."""
        if self.tlp in {Tlp.RED, Tlp.AMBER_STRICT}:
            return f"{Tlp(self.tlp).label} 情資（編號 {self.pk}，標題請登入查看）"
        return self.title

    def asks_for_tlp(self) -> bool:
        """Whether somebody must choose TLP first: its source's marking cannot be read."""
        is_unread = Tlp.UNKNOWN in {self.tlp, self.source_says.get("tlp")}
        return self.tlp == Tlp.UNKNOWN or (is_unread and not self.is_decided("tlp"))

    def is_decided(self, column: str) -> bool:
        """Whether people decided what stands in a column, by writing it or by publishing it."""
        by_publishing = self.published_at and column in self.DECIDED_BY_PUBLISHING
        return column in self.decided or bool(by_publishing)


class IndicatorQuerySet(models.QuerySet["Indicator"]):
    def visible_to(self, user: Account) -> Self:
        """Of the advisories that somebody sees."""
        return self.filter(advisory__in=Advisory.objects.visible_to(user).values("pk"))


class Indicator(Audited):
    """入侵指標 (IOC) of an advisory: what to look for in logs and on machines.

    They are the source's, so each import writes them anew.
    """

    advisory = models.ForeignKey(Advisory, models.CASCADE, related_name="indicators")
    kind = models.CharField("型別", max_length=60)
    value = models.TextField("值")
    first_seen = models.DateTimeField("首次出現", null=True)
    detects = models.BooleanField("用於偵測", default=False)
    """Whether its source means it for detection, not only for context."""

    objects: ClassVar["models.Manager[Indicator] | IndicatorQuerySet"] = (
        IndicatorQuerySet.as_manager()
    )

    class Meta:
        ordering = ["advisory", "pk"]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"

    @property
    def audit_subject(self) -> str:
        return f"advisory:{self.advisory_id}"


class Reply(models.TextChoices):
    NONE = "none", "未回覆"
    AFFECTED = "affected", "受影響，處理中"
    NOT_AFFECTED = "not_affected", "不受影響"
    DONE = "done", "已處理完成"


class AddressQuerySet(Scoped["Address"]):
    def visible_to(self, user: Account) -> Self:
        """An agency does not see what is no longer addressed to it."""
        found = super().visible_to(user)
        return found if user.may(Right.ALL_AGENCIES) else found.live()

    def live(self) -> Self:
        """Addressed still."""
        return self.filter(removed_at=None)

    def of_published(self) -> Self:
        """Addressed still, whether it has to be answered or not."""
        return self.live().exclude(advisory__published_at=None)

    def waiting(self) -> Self:
        """Not answered, although it has to be."""
        return self.of_published().filter(reply=Reply.NONE, advisory__ended="")


class Address(Audited):
    """An advisory as one agency has it: seen, answered, with evidence."""

    advisory = models.ForeignKey(Advisory, models.PROTECT, related_name="addresses")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    due_on = models.DateField("回覆期限", null=True)
    """This agency's; agencies that were added later may have a later one."""
    addressed_by = models.CharField(max_length=150, blank=True)
    """Who published it to the agency, and so does not answer for it."""
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    reply = models.CharField("回覆", max_length=20, choices=Reply, default=Reply.NONE)
    evidence = models.TextField("處理情形與佐證", blank=True)
    replied_at = models.DateTimeField(null=True)
    replied_by = models.CharField(max_length=150, blank=True)
    replied_on_behalf = models.CharField("代辦原因", max_length=200, blank=True)
    """Why somebody of another agency answered in this one's place; empty when nobody did."""
    incident = models.ForeignKey(Incident, models.PROTECT, null=True, related_name="advisories")
    """Where it turned out to be more than a warning."""

    removed_at = models.DateTimeField(null=True)
    removed_by = models.CharField(max_length=150, blank=True)
    removed_because = models.CharField(max_length=500, blank=True)

    objects: ClassVar["models.Manager[Address] | AddressQuerySet"] = AddressQuerySet.as_manager()

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

    @property
    def audit_subject(self) -> str:
        return f"advisory:{self.advisory_id}"

    def is_late(self, today: date) -> bool:
        """Whether the agency owes an answer since yesterday or longer."""
        if self.reply != Reply.NONE or self.removed_at or self.advisory.ended:
            return False
        return self.due_on is not None and self.due_on < today


class Answer(models.Model):
    """One answer of an agency as it was given; the newest is what its Address shows."""

    address = models.ForeignKey(Address, models.PROTECT, related_name="answers")
    reply = models.CharField("回覆", max_length=20, choices=Reply)
    evidence = models.TextField("處理情形與佐證")
    at = models.DateTimeField(default=timezone.now)
    by = models.CharField(max_length=150)
    by_name = models.CharField(max_length=150)
    on_behalf = models.CharField("代辦原因", max_length=200, blank=True)
    """Why somebody of another agency gave it."""

    class Meta:
        ordering = ["address", "-pk"]

    def __str__(self) -> str:
        return f"{self.address_id}: {self.get_reply_display()}"


class EvidenceQuerySet(models.QuerySet["EvidenceFile"]):
    def visible_to(self, user: Account) -> Self:
        """Of the answers that somebody sees."""
        return self.filter(address__in=Address.objects.visible_to(user).values("pk"))


class EvidenceFile(Audited):
    """A file that an agency put to its answer, encrypted piece by piece."""

    address = models.ForeignKey(Address, models.PROTECT, related_name="files")
    name = models.CharField("檔名", max_length=200)
    media_type = models.CharField(max_length=100)
    size = models.PositiveIntegerField("大小")
    at = models.DateTimeField(default=timezone.now)
    by = models.CharField(max_length=150)
    by_name = models.CharField(max_length=150)

    objects: ClassVar["models.Manager[EvidenceFile] | EvidenceQuerySet"] = (
        EvidenceQuerySet.as_manager()
    )

    class Meta:
        ordering = ["address", "pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def audit_subject(self) -> str:
        return self.address.audit_subject

    @property
    def audit_agency(self) -> str:
        return self.address.audit_agency


class EvidencePiece(FilePiece):
    """A encrypted piece of an EvidenceFile (`ismp.security.advisories.actions.evidence`)."""

    purpose = "evidence"
    owner = models.ForeignKey(EvidenceFile, models.CASCADE, related_name="pieces")


class IntelligenceFile(Audited):
    """A large file of intelligence that comes in (`advisories.actions.uploaded_files`).

    `result` holds the counts and remarks of `importing.Taken`; `reason` says why nothing
    came in.
    """

    audit_name = "file"

    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    name = models.CharField("檔名", max_length=200)
    size = models.PositiveIntegerField("大小")
    received_at = models.DateTimeField(default=timezone.now)
    begun_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    result = models.JSONField(default=dict)
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name


class IntelligencePiece(FilePiece):
    """A encrypted piece of an IntelligenceFile."""

    purpose = "intelligence"
    owner = models.ForeignKey(IntelligenceFile, models.CASCADE, related_name="pieces")


class AgencyGroup(Audited):
    """Agencies that are often addressed together, such as 各區公所."""

    name = models.CharField(
        "群組",
        max_length=100,
        unique=True,
        error_messages={"unique": "已有同名的群組，請改用別的名稱。"},
    )
    agencies = models.ManyToManyField(Agency, related_name="+", verbose_name="機關")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Vendor(Audited):
    """A vendor under the names by which people and files know it: 微軟 is Microsoft."""

    name = models.CharField(
        "廠牌",
        max_length=100,
        unique=True,
        error_messages={"unique": "已有這個廠牌，請編輯原來的那一筆。"},
    )
    aliases = models.TextField("別名", blank=True)
    """Separated by 、."""

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def names(self) -> list[str]:
        return [self.name, *filter(None, self.aliases.split("、"))]
