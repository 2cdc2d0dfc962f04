"""管制設備: the inventory, the list of restricted products, what was decided, 年度盤點."""

from datetime import date
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from ismp.accounts.models import Account, Agency
from ismp.security.models.scoped import Scoped


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
