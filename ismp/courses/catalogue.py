"""Course queries of the portal and the learning map: those that close a gap, and the search."""

from datetime import date

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from ismp.accounts.models import Account
from ismp.courses.models import Course, Session
from ismp.ui.text.search_folding import fold


def open_for(category: int | str, on: date, account: Account | None = None) -> QuerySet[Course]:
    """Courses of a category that a person may begin on a day; without one, that everybody may."""
    offered = Course.objects.offered_to(account).filter(category=str(category)).beginning(on)
    return offered.not_completed_by(account, on.year) if account else offered


def search(text: str, account: Account | None = None) -> QuerySet[Course]:
    """Courses offered to a person whose title contains `text`, whatever its width and variants."""
    return Course.objects.offered_to(account).filter(folded_title__contains=fold(text))


def with_open_sessions(courses: QuerySet[Course]) -> QuerySet[Course]:
    """The same courses, each with `open_sessions`: what takes sign-ups today, soonest first."""
    today = timezone.localdate()
    sessions = Session.objects.taking_sign_ups(today).with_waiting().select_related("course")
    sessions = sessions.prefetch_related("meetings").order_by("closes_on", "number")
    return courses.prefetch_related(Prefetch("sessions", sessions, to_attr="open_sessions"))
