"""線上課程成績下載 and 實體課程成績下載 as data (see `ismp.ui.resources.resource`)."""

from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from ismp.accounts.models import Department
from ismp.accounts.resources import OF_AGENCY
from ismp.accounts.roles import Right
from ismp.courses.models import (
    Attendance,
    Course,
    Enrollment,
    Kind,
    Session,
    SessionState,
    SignUp,
    Standing,
    UploadedHours,
)
from ismp.courses.resources import TONES, with_own_department
from ismp.hours.models import in_hours
from ismp.hours.portal_import.layout import CATEGORIES
from ismp.ui.resources.columns import Column
from ismp.ui.resources.resource import Filter, MenuPlace, Resource
from ismp.ui.text import roc_dates

_MOST_CHOICES = 200


def _taken(field: str, kind: Kind) -> Filter:
    """A drop-down of the courses that a person's people may have taken."""

    def choices(user: Any) -> list[tuple[str, str]]:
        known = _within_reach(user).filter(kind=kind).values_list("pk", "title")
        return [(str(pk), title) for pk, title in known[:_MOST_CHOICES]]

    return Filter(field, "課程", choices)


def _within_reach(user: Any) -> QuerySet[Course]:
    """The courses that people of an agency may have taken; who sees all agencies sees all."""
    own = Q(agency=None) | Q(for_all=True) | Q(agency=user.agency_id)
    return Course.objects.all() if user.may(Right.ALL_AGENCIES) else Course.objects.filter(own)


def _held_sessions(user: Any) -> list[tuple[str, str]]:
    held = Session.objects.filter(course__in=_within_reach(user)).select_related("course")
    return [(str(one.pk), str(one)) for one in held.order_by("-pk")[:_MOST_CHOICES]]


def _taken_or_organised(model: Any, course: str, user: Any) -> QuerySet[Any]:
    """Learning of an agency's people, and of others in its courses (`course`: the way to it),
    with `shown_department`, `uploaded_in` and, for others, only what an organiser needs."""
    organised = model.objects.filter(**{f"{course}__in": Course.objects.visible_to(user)})
    rows: QuerySet[Any] = model.objects.visible_to(user) | organised
    rows = with_own_department(_with_upload(rows, user), user)
    return rows


def _departments(user: Any) -> list[tuple[str, str]]:
    """Of one agency; who sees all agencies searches by name instead."""
    if user.may(Right.ALL_AGENCIES):
        return []
    departments = Department.objects.visible_to(user).open()
    return [(str(one.pk), one.path) for one in departments]


def _in_category(one: Any, course: Any) -> str:
    """課程類別: of what was completed as it was then."""
    return str((one if one.category else course).get_category_display())


def _by_counting(rows: Any, choice: str) -> Any:
    """Those whose hours count, or those that were earned and do not."""
    no_records = ~Q(category__in=list(map(str, CATEGORIES)))
    counting = rows.filter(no_records | Q(record__deletion=None, record__isnull=False), hours__gt=0)
    earned = rows.filter(hours__gt=0)
    return counting if choice == "yes" else earned.exclude(pk__in=counting.values("pk"))


_COUNTING = Column(
    "採計", "counting", tone=lambda one: "amber" if one.counted_hours is None else "green"
)
_COUNTING_FILTER = Filter("counting", "採計", [("yes", "採計"), ("no", "不採計")], _by_counting)


def _with_upload(rows: Any, user: Any) -> Any:
    """Adds `uploaded_in`, the number of the batch in which the hours were uploaded."""
    standing = UploadedHours.objects.visible_to(user).standing().filter(record=OuterRef("record"))
    return rows.annotate(uploaded_in=Subquery(standing.values("upload")[:1]))


def _meetings_attended() -> Any:
    present = Attendance.objects.filter(sign_up=OuterRef("pk")).order_by().values("sign_up")
    return Coalesce(Subquery(present.annotate(count=Count("pk")).values("count")), 0)


_UPLOADED = Column("入口網", lambda one: f"第 {one.uploaded_in} 批" if one.uploaded_in else "")


def _periods(user: Any) -> list[tuple[str, str]]:
    """This year and the two before, and the months of this year."""
    today = timezone.localdate()
    years = [(f"{today.year - n}", f"{roc_dates.roc_year(today) - n} 年") for n in range(3)]
    months = range(1, today.month + 1)
    return [
        *years,
        *((f"{today.year}-{n}", f"{roc_dates.roc_year(today)} 年 {n} 月") for n in months),
    ]


def _in_period(rows: Any, choice: str) -> Any:
    year, _, month = choice.partition("-")
    rows = rows.filter(completed_at__year=year)
    return rows.filter(completed_at__month=month) if month else rows


_LEARNER = (
    Column("公務帳號", "account.username"),
    Column("姓名", "account.name"),
    Column("機關", "account.agency.name"),
    Column("部門", "shown_department"),
)
_LEARNER_FILTERS = (
    Filter("account__agency", "機關", OF_AGENCY.choices),
    Filter("account__department", "部門", _departments),
    Filter("period", "完成期間", _periods, _in_period),
)
_LEARNER_SEARCH = {
    "account__username": "公務帳號",
    "account__name": "姓名",
    "shown_department": "部門",
}
_UPLOAD = (
    (Right.MANAGE_COURSES, "上傳終身學習入口網格式", "scores:upload"),
    (Right.VIEW_COURSES, "上傳批次", "portal_uploads:list"),
)

ONLINE_SCORES = Resource(
    name="online_scores",
    title="線上課程成績下載",
    thing="成績",
    rows=lambda user: _taken_or_organised(Enrollment, "course", user).select_related(
        "course", "account__agency", "record__deletion"
    ),
    columns=(
        *_LEARNER,
        Column("課程", lambda one: one.title or one.course.title, "text"),
        Column("類別", lambda one: _in_category(one, one.course)),
        Column("時數", lambda one: in_hours(one.counted_hours), "number"),
        _COUNTING,
        Column("成績", "score", "number"),
        Column("加入時間", "enrolled_at", "date"),
        Column("完成時間", "completed_at", "date"),
        Column(
            "狀態",
            lambda one: "完成" if one.completed_at else "修課中",
            tone=lambda one: "green" if one.completed_at else "amber",
        ),
    ),
    more=(Column("方式", "get_way_display"), _UPLOADED),
    search={**_LEARNER_SEARCH, "course__title": "課程名稱"},
    filters=(
        _taken("course", Kind.ONLINE),
        *_LEARNER_FILTERS,
        Filter(
            "done",
            "狀態",
            [("yes", "完成"), ("no", "修課中")],
            lambda rows, choice: rows.filter(completed_at__isnull=choice == "no"),
        ),
        _COUNTING_FILTER,
    ),
    menu=MenuPlace("學習地圖管理", covers="scores portal_uploads uploaded_hours"),
    view=Right.VIEW_COURSES,
    links=_UPLOAD,
    empty="同仁加入線上課程後會列在這裡。",
)

CLASSROOM_SCORES = Resource(
    name="classroom_scores",
    title="實體課程成績下載",
    thing="成績",
    rows=lambda user: (
        _taken_or_organised(SignUp, "session__course", user)
        .filter(standing=Standing.ENROLLED)
        .annotate(attended=_meetings_attended())
        .select_related("session__course", "account__agency", "record__deletion")
        .prefetch_related("session__meetings")
        .order_by("-pk")
    ),
    columns=(
        *_LEARNER,
        Column("課程", lambda one: one.title or one.session.course.title, "text"),
        Column("期別", "session.number", "number"),
        Column("類別", lambda one: _in_category(one, one.session.course)),
        Column("出席時段數", "attended", "number"),
        Column("取得時數", lambda one: in_hours(one.counted_hours), "number"),
        _COUNTING,
        Column("成績", "shown_score", "number"),
        Column("結訓時間", "completed_at", "date"),
        Column("狀態", "session.phase.label", tone=lambda one: TONES.get(one.session.phase, "")),
    ),
    more=(_UPLOADED,),
    search={**_LEARNER_SEARCH, "session__course__title": "課程名稱"},
    filters=(
        _taken("session__course", Kind.CLASSROOM),
        Filter("session", "期別", _held_sessions),
        *_LEARNER_FILTERS,
        Filter("session__state", "狀態", SessionState.choices),
        _COUNTING_FILTER,
    ),
    menu=MenuPlace("學習地圖管理"),
    view=Right.VIEW_COURSES,
    links=_UPLOAD,
    empty="同仁錄取實體課程後會列在這裡。",
)
