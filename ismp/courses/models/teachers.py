"""教師 and the certificates that they hold."""

from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from ismp.accounts.models import Account, Agency, Scoped
from ismp.accounts.roles import Right
from ismp.audit.models import Audited


class TeacherQuerySet(Scoped["Teacher"]):
    right = Right.VIEW_COURSES

    def shown(self) -> Self:
        """Adds `shown_name` and `expires_on`, the day the first certificate ends."""
        return self.annotate(
            shown_name=Coalesce("account__name", "name"),
            expires_on=models.Min("certificates__expires_on"),
        )


class Teacher(Audited):
    """Somebody who teaches for an agency: internal (an account) or from outside (a name)."""

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+", verbose_name="機關")
    account = models.ForeignKey(
        Account, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="公務帳號"
    )
    name = models.CharField("姓名", max_length=100, blank=True)
    organization = models.CharField("服務單位", max_length=100, blank=True)
    email = models.EmailField("電子郵件", blank=True)
    phone = models.CharField("電話", max_length=50, blank=True)
    expertise = models.CharField("專長", max_length=300, blank=True)
    profile = models.TextField("簡歷", max_length=4_000, blank=True)
    is_engaged = models.BooleanField("聘用中", default=True)

    objects: ClassVar["models.Manager[Teacher] | TeacherQuerySet"] = TeacherQuerySet.as_manager()

    class Meta:
        ordering = ["agency", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(account=None, name__gt="") | Q(account__isnull=False, name=""),
                name="a_teacher_is_an_account_or_has_a_name",
                violation_error_message="內部教師請填公務帳號，外聘教師請填姓名，只能填其中一項。",
            ),
            models.UniqueConstraint(
                fields=["agency", "account"],
                name="an_account_teaches_once_for_an_agency",
                violation_error_message="這個帳號已經是本機關的教師，請到他的資料編輯。",
            ),
        ]

    def __str__(self) -> str:
        return self.account.name if self.account else self.name


class TeacherCertificate(models.Model):
    """A certificate that a teacher holds, with the day it ends, if it ends."""

    teacher = models.ForeignKey(Teacher, models.CASCADE, related_name="certificates")
    name = models.CharField("證照名稱", max_length=100)
    number = models.CharField("證照號碼", max_length=50, blank=True)
    issued_on = models.DateField("發照日", null=True, blank=True)
    expires_on = models.DateField("到期日", null=True, blank=True)

    class Meta:
        ordering = ["expires_on", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(issued_on=None)
                | Q(expires_on=None)
                | Q(expires_on__gte=F("issued_on")),
                name="a_certificate_ends_after_it_was_issued",
                violation_error_message="到期日早於發照日，請更正。",
            )
        ]

    def __str__(self) -> str:
        return self.name
