"""任職: who served where and as what, from a day on."""

from datetime import date
from typing import ClassVar

from django.db import models
from django.db.models import Q

from ismp.accounts.effective_dated import EffectiveDated, Entry
from ismp.accounts.identities import in_words, sets
from ismp.accounts.models.accounts import Account
from ismp.accounts.models.agencies import Agency
from ismp.accounts.models.departments import Department
from ismp.accounts.models.status import Status


class Posting(Entry):
    """任職: where and as what an account serves from a day on.

    Account carries a copy of what holds today.
    """

    KEYS = ("account",)

    UNKNOWN = date(1912, 1, 1)
    """`since` of what an agency's first roster tells: they served before we knew them."""

    account = models.ForeignKey(
        Account, models.PROTECT, related_name="postings", verbose_name="帳號"
    )
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+", verbose_name="機關")
    department = models.ForeignKey(
        Department, models.PROTECT, null=True, related_name="+", verbose_name="部門"
    )
    identities = models.CharField("資安列管身分", max_length=30)
    status = models.CharField("狀態", max_length=20, choices=Status)

    objects: ClassVar["models.Manager[Posting] | EffectiveDated"] = EffectiveDated.as_manager()

    class Meta:
        ordering = ["account", "since", "pk"]
        indexes = [models.Index(fields=["account", "-since", "-id"], name="service_of_an_account")]
        constraints = [
            models.CheckConstraint(
                condition=Q(identities__in=sets()), name="service_has_a_known_set_of_identities"
            ),
            models.CheckConstraint(
                condition=Q(status__in=Status.values), name="service_is_active_or_left"
            ),
            models.UniqueConstraint(
                fields=["account", "since"],
                condition=Q(cancelled_at=None),
                name="an_account_has_one_service_a_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}:{self.since}"

    def get_identities_display(self) -> str:
        return in_words(self.identities)
