"""What the portal itself keeps: the texts of its pages.

Knows no rule of training; who may write and read stands in `ismp.accounts.roles`.
"""

from pathlib import Path

from django.db import models
from django.db.models import Q
from django.utils import timezone

_SHIPPED = Path(__file__).parent / "texts"


class Page(models.TextChoices):
    """The texts that a platform administrator may write anew."""

    FAQ = "faq", "常見問題"
    ABOUT = "about", "網站介紹"
    KEYWORDS = "keywords", "熱門關鍵字"


class PageVersion(models.Model):
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

    @classmethod
    def shipped(cls, page: Page) -> "PageVersion":
        """The text that came with the platform, as version 0, which is not stored."""
        body = (_SHIPPED / f"{page}.md").read_text("utf-8")
        return cls(page=page, number=0, body=body, saved_by_name="平台提供")

    @classmethod
    def current(cls, page: Page) -> "PageVersion":
        return cls.objects.filter(page=page).first() or cls.shipped(page)
