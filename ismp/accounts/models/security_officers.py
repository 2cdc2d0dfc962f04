"""資安長 of an agency, from a day on."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from ismp.accounts.effective_dated import EffectiveDated, Entry
from ismp.accounts.models.accounts import Account
from ismp.accounts.models.agencies import Agency
from ismp.accounts.models.status import Status


class SecurityOfficerQuerySet(EffectiveDated):
    def agencies_of(self, account: Account) -> models.QuerySet[Any]:
        """The agency (as a subquery) whose 資安長, or deputy, somebody is while serving there,
        and those that were merged into it."""
        named = self.on(timezone.localdate()).filter(agency=account.agency_id)
        held = named.filter(Q(account=account) | Q(deputy=account)).values("agency")
        found = Agency.objects.filter(Q(pk__in=held) | Q(merged_into__in=held))
        return found.order_by().values("pk")


class SecurityOfficer(Entry):
    """資通安全長 of an agency from a day on, with a deputy: who is called to a major incident
    (levels 3 and 4) and decides on exceptions for restricted devices.

    May be anybody who serves there, whatever their role.
    """

    KEYS = ("agency",)

    since = models.DateField("生效日", default=timezone.localdate)
    agency = models.ForeignKey(
        Agency, models.PROTECT, related_name="security_officers", verbose_name="機關"
    )
    account = models.ForeignKey(Account, models.PROTECT, related_name="+", verbose_name="資安長")
    deputy = models.ForeignKey(
        Account, models.PROTECT, null=True, related_name="+", verbose_name="副資安長（代理人）"
    )

    objects: ClassVar["models.Manager[SecurityOfficer] | SecurityOfficerQuerySet"] = (
        SecurityOfficerQuerySet.as_manager()
    )

    class Meta:
        ordering = ["agency", "since", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["agency", "since"],
                condition=Q(cancelled_at=None),
                name="an_agency_has_one_security_officer_a_day",
            ),
            models.CheckConstraint(
                condition=Q(deputy=None) | ~Q(deputy=F("account")),
                name="nobody_is_her_own_deputy",
            ),
        ]

    def __str__(self) -> str:
        return self.account.name

    @property
    def in_words(self) -> str:
        """王小明（代理人：李大華）."""
        deputy = f"（代理人：{self.deputy.name}）" if self.deputy else ""
        return f"{self.account.name}{deputy}"

    def on_duty(self, but: Account | None = None) -> list[Account]:
        """Recipients: the officer, during an absence the deputy; nobody who has left."""
        today, serving = timezone.localdate(), Q(agency=self.agency_id, status=Status.ACTIVE)
        named = [pk for pk in (self.account_id, self.deputy_id) if pk and (not but or pk != but.pk)]
        asked = Account.objects.filter(serving, pk__in=named)
        here = {one.pk: one for one in asked}
        away = set(asked.on_leave(today).values_list("pk", flat=True))
        present = [here[pk] for pk in named if pk in here]
        return [one for one in present if one.pk not in away][:1] or present[:1]
