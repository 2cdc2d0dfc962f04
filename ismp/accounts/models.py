"""機關, 部門, 帳號: who the people are and where they serve.

Knows nothing of training.  A national ID is kept only as a matching key (個資法 art 5): sealed,
found by keyed hash, shown masked.
"""

from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.roles import RIGHTS, ROLE_NAMES, Right, Role

_SEAL_CONTEXT = b"accounts.Account.national_id"
ONLINE_FOR = timedelta(minutes=5)


class Agency(models.Model):
    """機關, by its ten-character code such as 382000000A."""

    code = models.CharField("機關代碼", max_length=20, unique=True)
    name = models.CharField("機關名稱", max_length=100)

    class Meta:
        ordering = ["code"]

    def __str__(self) -> str:
        return self.name


class Department(models.Model):
    """部門 of one agency."""

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="departments")
    name = models.CharField("部門", max_length=100)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["agency", "name"], name="a_department_has_one_name_in_its_agency"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Identity(models.TextChoices):
    """資安列管身分 (資通安全責任等級分級辦法): it decides which hours a person owes."""

    SECURITY = "security", "資安專職人員"
    IT = "it", "資訊人員"
    GENERAL = "general", "一般使用者及主管"


class Status(models.TextChoices):
    ACTIVE = "active", "在職"
    LEFT = "left", "離職"


class AccountManager(BaseUserManager["Account"]):
    def get_by_natural_key(self, username: str | None) -> "Account":
        """Find by 公務帳號, whatever the case it was typed in."""
        return self.annotate(folded=Lower("username")).get(folded=(username or "").lower())

    def online(self) -> dict[str, int]:
        """How many people were active in the last minutes, by agency code."""
        active = self.filter(last_seen_at__gte=timezone.now() - ONLINE_FOR)
        counts = active.values_list("agency__code").annotate(n=models.Count("pk"))
        return dict(counts.order_by())


class Account(AbstractBaseUser):
    """帳號 of one civil servant; never deleted, because records and events speak of it."""

    username = models.CharField("公務帳號", max_length=50)
    name = models.CharField("姓名", max_length=100)
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="accounts")
    department = models.ForeignKey(
        Department, models.PROTECT, null=True, blank=True, related_name="accounts"
    )
    email = models.EmailField("電子郵件", blank=True)
    identity = models.CharField(
        "資安列管身分", max_length=20, choices=Identity, default=Identity.GENERAL
    )
    status = models.CharField("狀態", max_length=20, choices=Status, default=Status.ACTIVE)
    role = models.CharField(
        "角色",
        max_length=20,
        choices=[(role.value, name) for role, name in ROLE_NAMES.items()],
        default=Role.STAFF.value,
    )
    sealed_id = models.BinaryField("身分證字號（加密）", null=True, editable=False)
    id_hash = models.BinaryField(max_length=32, null=True, editable=False)
    key_version = models.PositiveSmallIntegerField(null=True, editable=False)
    last_seen_at = models.DateTimeField(null=True, editable=False, db_index=True)

    objects: ClassVar[AccountManager] = AccountManager()

    USERNAME_FIELD = "username"

    class Meta:
        ordering = ["username"]
        constraints = [
            models.UniqueConstraint(Lower("username"), name="a_username_belongs_to_one_account"),
            models.UniqueConstraint(
                fields=["agency", "id_hash"],
                condition=Q(status="active"),
                name="an_id_has_one_active_account_in_an_agency",
            ),
            models.CheckConstraint(
                condition=Q(status__in=Status.values), name="status_is_active_or_left"
            ),
            models.CheckConstraint(
                condition=Q(role__in=[role.value for role in Role]), name="role_is_a_known_role"
            ),
        ]

    def __str__(self) -> str:
        return self.username

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """Only those in office may sign in."""
        return self.status == Status.ACTIVE

    @property
    def national_id(self) -> str:
        """The number in clear, for one purpose at a time; empty when none is on file."""
        if self.sealed_id is None or self.key_version is None:
            return ""
        sealed = bytes(self.sealed_id)
        return settings.KEYS.unseal(sealed, _SEAL_CONTEXT, self.key_version).decode()

    @national_id.setter
    def national_id(self, number: str) -> None:
        folded = national_id.fold(number)
        if folded:
            sealed = settings.KEYS.seal(folded.encode(), _SEAL_CONTEXT)
            self.sealed_id, self.key_version = sealed
            self.id_hash = settings.KEYS.blind_index(folded)
        else:
            self.sealed_id = self.id_hash = self.key_version = None

    def may(self, right: Right) -> bool:
        return self.is_active and right in RIGHTS[Role(self.role)]
