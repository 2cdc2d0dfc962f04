"""管制設備: the inventory, the list of restricted products, what was decided, 年度盤點."""

from datetime import date
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from ismp.accounts.models import Account, Agency, Status
from ismp.audit.models import Audited
from ismp.security.models.scoped import Scoped
from ismp.ui.text.search_folding import key


class Network(models.TextChoices):
    OFFICIAL = "official", "公務網路"
    ISOLATED = "isolated", "獨立網段"
    OFFLINE = "offline", "未連網"


class DeviceKind(models.TextChoices):
    HARDWARE = "hardware", "硬體"
    SOFTWARE = "software", "軟體"
    SERVICE = "service", "服務"


class DeviceQuerySet(Scoped["Device"]):
    def kept_by(self, account: Account) -> Self:
        """Devices of the person's agency whose 保管人 is this 公務帳號 or name."""
        return self.filter(agency=account.agency_id, custodian__in=[account.username, account.name])

    def in_use(self) -> Self:
        return self.filter(retired_on=None)

    def restricted(self) -> Self:
        return self.exclude(restriction=None)

    def undecided(self, today: date) -> Self:
        """Restricted and in use, without a decision that still holds."""
        holding = Decision.objects.holding(today).filter(device=models.OuterRef("pk"))
        return self.in_use().restricted().exclude(models.Exists(holding))

    def decided_of_restricted(self, today: date) -> dict[str, int]:
        """How many are decided upon (`done`) of all restricted ones in use (`total`)."""
        total = self.in_use().restricted().count()
        undecided = self.undecided(today).count() if total else 0
        return {"done": total - undecided, "total": total}

    def overdue(self, today: date) -> Self:
        """In use after the day by which they were to be retired.

        That is the day of the decision that stands, whatever the inventory says; without a decision
        the planned day of the inventory.  What may be kept is not overdue until its exception ends.
        """
        standing = Decision.objects.standing()
        late = standing.filter(kind=Decision.Kind.RETIRE, retire_by__lt=today)
        ruled = standing.filter(Q(kind=Decision.Kind.RETIRE) | Q(expires_on__gte=today))
        planned = Q(retire_by__lt=today) & ~Q(pk__in=ruled.order_by().values("device"))
        return self.in_use().filter(Q(pk__in=late.order_by().values("device")) | planned)


class ProductQuerySet(models.QuerySet["RestrictedProduct"]):
    def with_devices(self, user: Account) -> Self:
        """With `held`: how many devices in use that this person sees fall under each."""
        in_use = Device.objects.visible_to(user).in_use().filter(restriction=models.OuterRef("pk"))
        count = in_use.order_by().values("restriction").annotate(n=models.Count("pk")).values("n")
        return self.annotate(held=Coalesce(models.Subquery(count), 0))


class RestrictedProduct(Audited):
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
                fields=["brand", "model", "letter"],
                name="a_letter_restricts_a_product_once",
                violation_error_message="這個來源函號已經限制了這項產品。",
            )
        ]

    def __str__(self) -> str:
        return f"{self.brand} {self.model}".strip()


def asset_key(asset_no: str) -> str:
    """Return what a 財產編號 is compared by: width, case and invisible characters do not matter."""
    return key(asset_no).casefold()


class AssetKeyField(models.CharField[str, str]):
    """The key of the row's `asset_no`, worked out whenever it is stored."""

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        device: Device = model_instance  # type: ignore[assignment]
        device.asset_key = asset_key(device.asset_no)
        return device.asset_key

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


class Device(Audited):
    """A device (or software, or service) in the inventory of an agency."""

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    asset_no = models.CharField("財產編號", max_length=50)
    asset_key = AssetKeyField(max_length=1_000, editable=False)
    """By it the number is one in its agency; NFKC makes of one character up to 18."""
    kind = models.CharField("種類", max_length=20, choices=DeviceKind)
    category = models.CharField("品項", max_length=100, blank=True)
    brand = models.CharField("廠牌", max_length=100)
    model = models.CharField("型號", max_length=100, blank=True)
    serial = models.CharField("序號", max_length=100, blank=True)
    quantity = models.PositiveIntegerField("數量", default=1)
    place = models.CharField("放置地點", max_length=100, blank=True)
    department = models.CharField("保管單位", max_length=100, blank=True)
    custodian = models.CharField("保管人", max_length=100, blank=True)
    network = models.CharField("連網情形", max_length=20, choices=Network)
    bought_on = models.DateField("購置日期", null=True, blank=True)
    retire_by = models.DateField("預計汰換日期", null=True, blank=True)
    """The planned day of the inventory; once 限期汰換 is decided, the day of that decision."""
    retire_by_in_file = models.DateField("檔案所寫的預計汰換日期", null=True, editable=False)
    """What the last inventory file said where it differs from the day that was decided."""
    retired_on = models.DateField("汰換日期", null=True, blank=True)
    restriction = models.ForeignKey(
        RestrictedProduct,
        models.PROTECT,
        null=True,
        related_name="devices",
        editable=False,
        verbose_name="限制清單",
    )
    """The line of the list that it falls under; kept by `devices.actions.matching`."""

    objects: ClassVar["models.Manager[Device] | DeviceQuerySet"] = DeviceQuerySet.as_manager()

    class Meta:
        ordering = ["agency", "asset_no"]
        constraints = [
            models.UniqueConstraint(
                fields=["agency", "asset_key"],
                name="an_asset_number_is_used_once_in_an_agency",
                violation_error_message="本機關已經有這個財產編號的設備，請到那一筆編輯。",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=DeviceKind.values), name="device_kind_is_a_known_kind"
            ),
            models.CheckConstraint(
                condition=Q(network__in=Network.values), name="network_is_a_known_network"
            ),
        ]
        indexes = [
            models.Index(fields=["agency", "asset_no"], name="devices_in_order"),
            models.Index(
                fields=["agency"], name="restricted_devices", condition=~Q(restriction=None)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.brand} {self.model}（{self.asset_no}）"

    def clean(self) -> None:
        """So that a form can say that the number is used."""
        self.asset_key = asset_key(self.asset_no)


class DecisionQuerySet(models.QuerySet["Decision"]):
    def standing(self) -> Self:
        """Of each device the newest decision that was approved: it supersedes those before it."""
        approved = self.filter(state=Decision.State.APPROVED)
        later = approved.filter(device=models.OuterRef("device"), pk__gt=models.OuterRef("pk"))
        return approved.exclude(models.Exists(later.order_by()))

    def holding(self, today: date) -> Self:
        """Approved and not expired."""
        return self.filter(
            Q(expires_on=None) | Q(expires_on__gte=today), state=Decision.State.APPROVED
        )


class Decision(Audited):
    """Decision on a restricted device: retired by a day, or kept with reason and measure.

    Keeping needs approval (115 年施行之法: 業務需要、無其他替代方案、資安長核可) and expires.  A
    later decision supersedes an earlier one; none is changed or deleted.
    """

    class Kind(models.TextChoices):
        RETIRE = "retire", "限期汰換"
        KEEP = "keep", "例外留用"

    class State(models.TextChoices):
        PENDING = "pending", "待核可"
        APPROVED = "approved", "已核可"
        REJECTED = "rejected", "不同意"
        WITHDRAWN = "withdrawn", "已撤回"

    device = models.ForeignKey(Device, models.PROTECT, related_name="decisions")
    kind = models.CharField("處置", max_length=20, choices=Kind)
    retire_by = models.DateField("汰換期限", null=True, blank=True)
    reason = models.CharField("留用理由", max_length=500, blank=True)
    measure = models.CharField("補償措施", max_length=500, blank=True)
    expires_on = models.DateField("有效期限", null=True, blank=True)
    state = models.CharField("狀態", max_length=20, choices=State, default=State.PENDING)
    made_at = models.DateTimeField(default=timezone.now)
    made_by = models.ForeignKey(Account, models.PROTECT, related_name="+")
    on_behalf = models.CharField("代辦原因", max_length=200, blank=True)
    """Why somebody of another agency made it in this one's place; empty when nobody did."""
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(Account, models.PROTECT, null=True, related_name="+")
    comment = models.CharField("意見", max_length=500, blank=True)

    objects: ClassVar["models.Manager[Decision] | DecisionQuerySet"] = DecisionQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["device"],
                condition=Q(state="pending"),
                name="one_decision_of_a_device_waits",
                violation_error_message="這項設備已經有一個例外留用等候核可。",
            ),
            models.CheckConstraint(
                condition=Q(kind="keep") | Q(retire_by__isnull=False),
                name="what_is_to_be_retired_has_a_day",
                violation_error_message="限期汰換要有汰換期限。",
            ),
            models.CheckConstraint(
                condition=Q(kind="retire")
                | (~Q(reason="") & ~Q(measure="") & Q(expires_on__isnull=False)),
                name="what_is_kept_has_reason_measure_and_expiry",
                violation_error_message="例外留用要填寫理由、補償措施與有效期限。",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.device}：{self.get_kind_display()}"

    @property
    def audit_subject(self) -> str:
        return f"device:{self.device_id}"

    @property
    def audit_agency(self) -> str:
        return self.device.audit_agency

    @property
    def audit_detail(self) -> dict[str, str]:
        return {"kind": self.get_kind_display(), "state": self.get_state_display()}


def signing_agencies() -> models.QuerySet[Agency]:
    """Agencies that sign an inventory each year: those in which somebody serves."""
    active = Account.objects.filter(status=Status.ACTIVE)
    return Agency.objects.filter(pk__in=active.order_by().values("agency"))


def _count(rows: models.QuerySet[Any]) -> Coalesce:
    """How many rows, as a subquery."""
    counts = rows.values(one=models.Value(1)).annotate(n=models.Count("pk")).values("n")
    return Coalesce(models.Subquery(counts), 0)


class CampaignQuerySet(models.QuerySet["Campaign"]):
    def with_sign_offs(self, user: Account) -> Self:
        """With `signed` and `missing` (how many agencies have signed, and have not) and `is_signed`
        (whether this person's has signed)."""
        valid = SignOff.objects.valid().order_by().filter(campaign=models.OuterRef("pk"))
        staff = Account.objects.filter(status=Status.ACTIVE, agency=models.OuterRef("agency"))
        signing = valid.filter(models.Exists(staff.order_by()))
        own_sign_offs = valid.filter(agency=user.agency_id)
        signed, expected = _count(valid), _count(signing_agencies().order_by())
        found = self.annotate(signed=signed, missing=expected - _count(signing))
        return found.annotate(is_signed=models.Exists(own_sign_offs)).order_by("-year")


class Campaign(Audited):
    """年度盤點: every agency checks its inventory and signs it off by a day.

    Once an agency has signed, the year is fixed and the day can only be extended.
    """

    year = models.PositiveSmallIntegerField(
        "年度", unique=True, error_messages={"unique": "這個年度的盤點已經開始了。"}
    )
    """ROC."""
    due_on = models.DateField("期限")
    extensions = models.JSONField(default=list, editable=False)
    """How it was extended, in order: [{"from": day, "to": day, "reason": …, "by": name}]."""
    opened_at = models.DateTimeField(default=timezone.now)
    opened_by = models.CharField(max_length=150)

    objects: ClassVar["models.Manager[Campaign] | CampaignQuerySet"] = CampaignQuerySet.as_manager()

    class Meta:
        ordering = ["-year"]

    def __str__(self) -> str:
        return f"{self.year} 年度"


class SignOffQuerySet(Scoped["SignOff"]):
    def valid(self) -> Self:
        """Not withdrawn."""
        return self.filter(withdrawn_at=None)


class SignOff(Audited):
    """An agency's word that its inventory of a year is complete, with what stood in it then.

    Never changed; withdrawn with a reason, after which the agency signs anew.
    """

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="sign_offs")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    signed_at = models.DateTimeField(default=timezone.now)
    signed_by = models.CharField(max_length=150)
    signed_by_name = models.CharField(max_length=150)
    figures = models.JSONField()
    """{"in_use": n, "restricted": n, "undecided": n, "overdue": n}."""
    digest = models.CharField(max_length=64)
    """SHA-256 of the list as it stood (its CSV, unpacked), in hex: the form names it."""
    listing = models.BinaryField(default=bytes)
    """The list as it was signed: a CSV, compressed by zlib.  Names no people."""
    withdrawn_at = models.DateTimeField("撤回時間", null=True)
    withdrawn_by = models.CharField(max_length=150, blank=True)
    withdrawn_by_name = models.CharField(max_length=150, blank=True)
    withdrawn_for = models.CharField("撤回理由", max_length=500, blank=True)

    objects: ClassVar["models.Manager[SignOff] | SignOffQuerySet"] = SignOffQuerySet.as_manager()

    class Meta:
        ordering = ["-signed_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "agency"],
                condition=Q(withdrawn_at=None),
                name="an_agency_signs_a_campaign_once",
                violation_error_message="本機關這個年度已經簽署過了。",
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_at=None) | ~Q(withdrawn_for=""),
                name="who_withdraws_a_signature_says_why",
                violation_error_message="請填寫撤回簽署的理由。",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id}:{self.agency_id}"
