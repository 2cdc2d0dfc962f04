"""Models of the portal itself: the texts of its pages, tickets (報修), and the
certificates of hours that were issued.

Knows no rule of training; who may write and read stands in `ismp.accounts.roles`.
"""

from pathlib import Path
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from ismp.accounts.models import Account, Agency
from ismp.accounts.roles import Right
from ismp.audit.event_cache import EventCache
from ismp.audit.models import Audited
from ismp.audit.verbs import Topic, rewrites
from ismp.imports.models import ImportRun

_SHIPPED = Path(__file__).parent / "texts"


class Page(models.TextChoices):
    """The texts that a platform administrator may write anew."""

    FAQ = "faq", "常見問題"
    ABOUT = "about", "網站介紹"
    KEYWORDS = "keywords", "熱門關鍵字"


class PageVersion(Audited):
    """One version of a page's text, for ever; the newest is shown.

    Before anybody has written one, the text that ships with the platform is.
    """

    page = models.CharField(max_length=20, choices=Page)
    number = models.PositiveIntegerField("版本")
    body = models.TextField("內容")
    saved_at = models.DateTimeField(default=timezone.now)
    saved_by = models.CharField(max_length=150)
    saved_by_name = models.CharField(max_length=150)

    class Meta:
        ordering = ["page", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["page", "number"], name="a_version_of_a_page_has_its_own_number"
            ),
            models.CheckConstraint(condition=Q(page__in=Page.values), name="page_is_a_known_page"),
        ]

    def __str__(self) -> str:
        return f"{self.page}:{self.number}"

    @property
    def audit_subject(self) -> str:
        return f"{self.page}:{self.number}"

    @classmethod
    def shipped(cls, page: Page) -> "PageVersion":
        """The text that came with the platform, as version 0, which is not stored."""
        body = (_SHIPPED / f"{page}.md").read_text("utf-8")
        return cls(page=page, number=0, body=body, saved_by_name="平台提供")

    @classmethod
    def current(cls, page: Page) -> "PageVersion":
        """Return the shown version; cached in memory until somebody edits a page."""
        return _current.get(
            page, lambda: cls.objects.filter(page=page).first() or cls.shipped(page)
        )


_current = EventCache[PageVersion](
    concerns=lambda event, version: rewrites(event.verb, Topic.TEXTS)
)


class TicketQuerySet(models.QuerySet["Ticket"]):
    def visible_to(self, user: Account) -> Self:
        """One's own; with the right also the agency's, or all."""
        own = Q(account=user)
        if user.may(Right.VIEW_TICKETS):
            everywhere = user.may(Right.ALL_AGENCIES)
            return self if everywhere else self.filter(own | Q(agency__in=user.agency_ids()))
        return self.filter(own)

    def in_state(self, state: str) -> Self:
        return self.filter(state=state) if state else self


class Ticket(Audited):
    """報修: what somebody cannot get done, and what the help desk answered."""

    class State(models.TextChoices):
        OPEN = "open", "待處理"
        ANSWERED = "answered", "已回覆"
        CLOSED = "closed", "已結案"

    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    """The agency of the reporter at the time of the report."""
    subject = models.CharField("什麼事", max_length=100)
    place = models.CharField("在哪裡", max_length=200, blank=True)
    body = models.TextField("說明")
    contact = models.CharField("聯絡方式", max_length=200)
    run = models.ForeignKey(ImportRun, models.PROTECT, null=True, related_name="+")
    """The import it is about."""
    state = models.CharField("狀態", max_length=10, choices=State, default=State.OPEN)
    opened_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True)

    objects: ClassVar["models.Manager[Ticket] | TicketQuerySet"] = TicketQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["account", "-id"], name="tickets_of_a_person"),
            models.Index(fields=["agency", "-id"], name="tickets_of_an_agency"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="closed", closed_at__isnull=False)
                | Q(state__in=["open", "answered"], closed_at=None),
                name="a_closed_ticket_says_since_when",
            )
        ]

    def __str__(self) -> str:
        return f"ticket:{self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("support:ticket", args=[self.pk])


class Answer(models.Model):
    """One entry that the help desk, or the reporter, added to a ticket."""

    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="answers")
    body = models.TextField("內容")
    at = models.DateTimeField(default=timezone.now)
    by = models.CharField(max_length=150)
    by_name = models.CharField(max_length=150)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"answer:{self.pk}"


class Certificate(Audited):
    """時數證明: what a paper says that somebody may show; without a national ID.

    `code` is a keyed digest of all the rest, so neither paper nor row can be altered unseen.
    """

    code = models.CharField("驗證碼", max_length=24, unique=True)
    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    name = models.CharField("姓名", max_length=100)
    agency_name = models.CharField("機關", max_length=100)
    start = models.DateField("起日")
    end = models.DateField("迄日")
    sums = models.JSONField()
    """Hours in thousandths by category: {"522": 3000}."""
    count = models.PositiveIntegerField("筆數")
    records_digest = models.CharField(max_length=64)
    issued_on = models.DateField("核發日期")

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(end__gte=F("start")), name="a_certificate_covers_a_period"
            )
        ]

    def __str__(self) -> str:
        return f"certificate:{self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("portal:verify", args=[self.code])
