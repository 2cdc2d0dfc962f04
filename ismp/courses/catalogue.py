"""What the portal and the learning map ask of the courses: which close a gap, which are found."""

from datetime import date

from django.db.models import QuerySet

from ismp.accounts.models import Account
from ismp.courses.models import Course
from ismp.ui.folding import fold


def open_for(category: int | str, on: date, account: Account | None = None) -> QuerySet[Course]:
    """Courses of a category that a person may begin on a day; without one, that everybody may."""
    return Course.objects.offered_to(account).filter(category=str(category))


def search(text: str, account: Account | None = None) -> QuerySet[Course]:
    """Courses offered to a person whose title contains `text`, whatever its width and variants."""
    return Course.objects.offered_to(account).filter(folded_title__contains=fold(text))


def popular(account: Account | None = None, most: int = 6) -> QuerySet[Course]:
    """What most people take, the newest first among equals."""
    offered = Course.objects.offered_to(account)
    return offered.order_by("-pk")[:most]
