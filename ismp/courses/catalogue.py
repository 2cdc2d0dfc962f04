"""What the portal and the learning map ask of the courses: which close a gap, which are found."""

from datetime import date
from typing import Any

from django.db.models import Count, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from ismp.accounts.models import Account
from ismp.courses.models import Course, Enrollment, SignUp
from ismp.ui.folding import fold


def open_for(category: int | str, on: date, account: Account | None = None) -> QuerySet[Course]:
    """Courses of a category that a person may begin on a day; without one, that everybody may."""
    offered = Course.objects.offered_to(account).filter(category=str(category))
    return offered.beginning(on)


def search(text: str, account: Account | None = None) -> QuerySet[Course]:
    """Courses offered to a person whose title contains `text`, whatever its width and variants."""
    return Course.objects.offered_to(account).filter(folded_title__contains=fold(text))


def popular(account: Account | None = None, most: int = 6) -> QuerySet[Course]:
    """What most people take, the newest first among equals."""
    learners = _count(Enrollment, "course") + _count(SignUp, "session__course")
    return Course.objects.offered_to(account).order_by(learners.desc(), "-pk")[:most]


def _count(model: type[Model], course: str) -> Any:
    """How many rows of a model belong to the course of the outer query."""
    mine = model._default_manager.filter(**{course: OuterRef("pk")}).order_by().values(course)
    return Coalesce(Subquery(mine.annotate(n=Count("pk")).values("n")), 0)
