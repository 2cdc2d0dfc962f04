"""Who had control over whose account, for the separation of duties (ADR 24)."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from ismp.accounts.models.accounts import Account


class AccountControl(models.Model):
    """Somebody else decided with what, or as what, an account is used: its password, its e-mail
    (to which codes go), its role.

    For 30 days the account does not decide what concerns that person (`accounts.separation`).
    """

    class Kind(models.TextChoices):
        CREATED = "created", "新增帳號"
        EMAIL = "email", "變更電子郵件"
        ROLE = "role", "指派角色"
        RESET = "reset", "重設密碼"
        RETURNED = "returned", "復用帳號"
        NUMBER = "number", "變更身分證字號"
        """No control by itself: it keeps whose number this was until then."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="controls")
    by = models.ForeignKey(Account, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind)
    at = models.DateTimeField(default=timezone.now)
    former_hash = models.BinaryField(max_length=32, null=True)
    """The `id_hash` that the account had before (NUMBER)."""

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["account", "at"], name="controls_of_an_account")]
        constraints = [
            models.CheckConstraint(
                condition=~Q(account=F("by")), name="a_control_is_somebody_elses"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["created", "email", "role", "reset", "returned", "number"]),
                name="a_control_is_of_a_known_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}:{self.kind}"
