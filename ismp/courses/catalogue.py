"""What the portal and the learning map ask of the courses: which close a gap, which are found."""

from datetime import date

from django.db.models import QuerySet

from ismp.accounts.models import Account
from ismp.courses.models import Course
from ismp.ui.folding import fold


def open_for(category: int | str, on: date, account: Account | None = None) -> QuerySet[Course]:
    """Courses of a category that a person may begin on a day; without one, that everybody may."""
    offered = Course.objects.offered_to(account).filter(category=str(category)).beginning(on)
    return offered.not_completed_by(account, on.year) if account else offered


def search(text: str, account: Account | None = None) -> QuerySet[Course]:
    """Courses offered to a person whose title contains `text`, whatever its width and variants."""
    return Course.objects.offered_to(account).filter(folded_title__contains=fold(text))
