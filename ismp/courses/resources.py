"""線上課程, 實體課程, 期別 and 報名審核 as data (see `ismp.ui.resources.resource`)."""

from collections.abc import Callable
from typing import Any

from django.db.models import Case, Count, F, Q, QuerySet, Value, When
from django.utils import timezone

from ismp.accounts.models import Account
from ismp.accounts.resources import OF_AGENCY
from ismp.accounts.roles import Right
from ismp.courses import actions
from ismp.courses.classroom.actions import classes
from ismp.courses.forms import (
    AssignForm,
    ClassroomCourseForm,
    OnlineCourseForm,
    SessionForm,
    SignUpForm,
)
from ismp.courses.models import (
    Category,
    Course,
    CourseState,
    Kind,
    Phase,
    Quiz,
    Session,
    SessionState,
    SignUp,
    Standing,
    Way,
)
from ismp.courses.online.actions import learning
from ismp.hours.models import in_hours
from ismp.ui.resources.columns import Column
from ismp.ui.resources.resource import Action, Filter, MenuPlace, Resource
from ismp.ui.text import roc_dates

TONES: dict[str, str] = {
    **dict.fromkeys((CourseState.OPEN, Phase.OPEN, Phase.FINISHED, Standing.ENROLLED), "green"),
    **dict.fromkeys((CourseState.DRAFT, Phase.FULL, Phase.RUNNING, Phase.OVER), "amber"),
    **dict.fromkeys((Standing.APPLIED, Standing.WAITING), "amber"),
    **dict.fromkeys((Phase.CANCELLED, Standing.REFUSED), "red"),
    **dict.fromkeys((Phase.NOT_YET, Phase.CLOSED), "quiet"),
}


# --- Courses -------------------------------------------------------------------------------------


def _save(course: Any, *, by: Account) -> Course:
    return actions.save_course(course, teachers=course.chosen_teachers, by=by)


_COURSE_COLUMNS = (
    Column("課程名稱", "title", "text"),
    Column("開課機關", lambda course: course.agency.name if course.agency else "平台"),
    Column("課程類別", "get_category_display"),
    Column("時數", lambda course: in_hours(course.hours), "number"),
    Column("狀態", "get_state_display", tone=lambda course: TONES.get(course.state, "")),
)
_COURSE_MORE = (
    Column("開放其他機關", "for_all"),
    Column("教師", lambda course: "、".join(map(str, course.teachers.all())), "text"),
    Column("相關連結", "link", "text"),
    Column("課程說明", "description", "text"),
)
_COURSE_FILTERS = (
    OF_AGENCY,
    Filter("category", "類別", Category.choices),
    Filter("state", "狀態", CourseState.choices),
)
_OPEN = Action(
    "open",
    "開放",
    Right.MANAGE_COURSES,
    actions.open_courses,
    explains="同仁從此可以在課程搜尋找到並參加這些課程。",
    fits=lambda user, course: course.state != CourseState.OPEN,
)
_CLOSE = Action(
    "close",
    "關閉",
    Right.MANAGE_COURSES,
    actions.close_courses,
    explains="新的同仁不能再參加；已經參加的人可以繼續完成。",
    fits=lambda user, course: course.state == CourseState.OPEN,
)


def _courses(kind: Kind, **counts: Any) -> Callable[[Any], QuerySet[Course]]:
    def rows(user: Any) -> QuerySet[Course]:
        courses = Course.objects.visible_to(user).filter(kind=kind).annotate(**counts)
        courses = courses.select_related("agency").prefetch_related("teachers__account")
        return courses.order_by("-pk")

    return rows


def _assign(courses: QuerySet[Course], *, people: list[Account], way: Way, by: Account) -> str:
    made = actions.enroll(courses.get(), people, way=way, by=by)
    return f"已指派 {len(made)} 人；另外 {len(people) - len(made)} 人已在修課或今年已完成。"


def _parts(user: Any, course: Course) -> dict[str, Any]:
    return {
        "materials": course.materials.all(),
        "questions": course.questions.all(),
        "quiz": Quiz.objects.filter(course=course).first(),
        "may_author": user.may(Right.MANAGE_COURSES),
        "and_agency": f"&agency={course.agency.code}" if course.agency else "",
        "closes_a_duty": learning.counts(course),
    }


ONLINE_COURSES = Resource(
    name="online_courses",
    title="線上課程",
    thing="線上課程",
    rows=_courses(
        Kind.ONLINE,
        learners=Count("enrollments"),
        completed=Count("enrollments", filter=Q(enrollments__completed_at__isnull=False)),
    ),
    columns=(
        *_COURSE_COLUMNS,
        Column("修課人數", "learners", "number"),
        Column("完成人數", "completed", "number"),
    ),
    more=_COURSE_MORE,
    search={"title": "課程名稱", "description": "課程說明"},
    filters=_COURSE_FILTERS,
    menu=MenuPlace("線上課程", covers="authoring"),
    view=Right.VIEW_COURSES,
    edit=Right.MANAGE_COURSES,
    form=OnlineCourseForm,
    save=_save,
    actions=(
        _OPEN,
        _CLOSE,
        Action(
            "assign",
            "指派",
            Right.MANAGE_COURSES,
            _assign,
            AssignForm,
            explains="被指派的人會收到通知；已在修課或今年已完成的人不會重複指派。",
            many=False,
            fits=lambda user, course: course.state == CourseState.OPEN,
        ),
    ),
    page="courses/online_page.html",
    beside=_parts,
    empty="請按「新增線上課程」。",
)

CLASSROOM_COURSES = Resource(
    name="classroom_courses",
    title="實體課程",
    thing="實體課程",
    rows=_courses(Kind.CLASSROOM, terms=Count("sessions")),
    columns=(*_COURSE_COLUMNS, Column("期別數", "terms", "number")),
    more=_COURSE_MORE,
    search={"title": "課程名稱", "description": "課程說明"},
    filters=_COURSE_FILTERS,
    menu=MenuPlace("實體課程"),
    view=Right.VIEW_COURSES,
    edit=Right.MANAGE_COURSES,
    form=ClassroomCourseForm,
    save=_save,
    actions=(_OPEN, _CLOSE),
    empty="請按「新增實體課程」；課程要有期別，同仁才能報名。",
)


# --- Sessions and who signed up ------------------------------------------------------------------


def _plan(session: Any, *, by: Account) -> Session:
    return classes.save_session(session, timings=session.chosen_timings, by=by)


def _put_in(sessions: QuerySet[Session], *, people: list[Account], by: Account) -> str:
    """Sign people up by list; earlier sign-ups keep their place."""
    session = sessions.get()
    done = [classes.sign_up(session, one, way=Way.LIST, by=by) for one in people]
    enrolled = sum(one.standing == Standing.ENROLLED for one in done)
    return f"錄取 {enrolled} 人，候補或待審核 {len(done) - enrolled} 人。"


def _when(session: Session) -> str:
    meetings = session.meetings.all()
    return "、".join(roc_dates.roc_date(timezone.localdate(one.starts_at)) for one in meetings)


SESSIONS = Resource(
    name="sessions",
    title="期別",
    thing="期別",
    rows=lambda user: (
        Session.objects.filter(course__in=Course.objects.visible_to(user))
        .with_waiting()
        .annotate(
            waiting=Count("sign_ups", filter=Q(sign_ups__standing=Standing.WAITING)),
            applied=Count("sign_ups", filter=Q(sign_ups__standing=Standing.APPLIED)),
        )
        .select_related("course__agency")
        .prefetch_related("meetings")
        .order_by("-pk")
    ),
    columns=(
        Column("課程", "course.title", "text"),
        Column(
            "開課機關",
            lambda one: one.course.agency.name if one.course.agency else "平台",
            right=Right.ALL_AGENCIES,
        ),
        Column("期別", "number", "number"),
        Column("地點", "place"),
        Column("上課日期", _when, "text"),
        Column("報名起日", "opens_on", "date"),
        Column("報名迄日", "closes_on", "date"),
        Column("名額", "quota", "number"),
        Column("錄取", "taken", "number"),
        Column("候補", "waiting", "number"),
        Column("待審核", "applied", "number"),
        Column("狀態", "phase.label", tone=lambda one: TONES.get(one.phase, "")),
    ),
    more=(Column("報名需要審核", "needs_approval"),),
    search={"course__title": "課程名稱", "place": "地點"},
    filters=(Filter("state", "狀態", Phase.choices, lambda rows, choice: rows.in_phase(choice)),),
    menu=MenuPlace("實體課程"),
    view=Right.VIEW_COURSES,
    edit=Right.MANAGE_COURSES,
    form=SessionForm,
    save=_plan,
    actions=(
        Action(
            "put_in",
            "依名單報名",
            Right.MANAGE_COURSES,
            _put_in,
            SignUpForm,
            explains="不受報名期間與審核限制；名額滿了就列入候補。",
            many=False,
            fits=lambda user, session: session.state == SessionState.PLANNED,
        ),
        Action(
            "call_off",
            "取消期別",
            Right.MANAGE_COURSES,
            classes.cancel_sessions,
            explains="所有報名的人都會收到課程取消的通知。",
            danger=True,
            fits=lambda user, session: session.state == SessionState.PLANNED,
        ),
    ),
    page="courses/session_page.html",
    empty="請先新增實體課程，再按「新增期別」。",
)


def with_own_department(rows: Any, user: Any) -> Any:
    """Adds `shown_department` to rows of people: empty of other agencies' people, of whom an
    organiser needs their name, account, agency, attendance and hours only."""
    name: Any = F("account__department__name")
    if not user.may(Right.ALL_AGENCIES):
        own = Q(account__agency=user.agency_id)
        name = Case(When(own, then=name), default=Value(""))
    return rows.annotate(shown_department=name)


def _withdraw(sign_ups: QuerySet[SignUp], *, by: Account) -> int:
    """Each session's row is held before the first event is written, as everywhere."""
    entries = list(sign_ups.select_related("session").order_by("session", "turn"))
    classes.hold_all(Session.objects.filter(pk__in=[one.session_id for one in entries]))
    return len([classes.withdraw(one, by=by) for one in entries])


def _sessions(user: Any) -> list[tuple[str, str]]:
    """The sessions that somebody may be let into, the newest first."""
    sessions = Session.objects.filter(course__in=Course.objects.visible_to(user))
    planned = sessions.filter(state=SessionState.PLANNED).select_related("course").order_by("-pk")
    return [(str(one.pk), str(one)) for one in planned]


SIGN_UPS = Resource(
    name="sign_ups",
    title="報名審核",
    thing="報名",
    rows=lambda user: (
        with_own_department(
            SignUp.objects.filter(session__course__in=Course.objects.visible_to(user)), user
        )
        .select_related("session__course", "account__agency")
        .order_by("-session", "turn")
    ),
    columns=(
        Column("公務帳號", "account.username"),
        Column("姓名", "account.name"),
        Column("機關", "account.agency.name"),
        Column("部門", "shown_department"),
        Column("課程", "session.course.title", "text"),
        Column("期別", "session.number", "number"),
        Column("順位", "turn", "number"),
        Column("報名時間", "signed_up_at", "date"),
        Column("狀態", "get_standing_display", tone=lambda one: TONES.get(one.standing, "")),
    ),
    search={
        "account__username": "公務帳號",
        "account__name": "姓名",
        "session__course__title": "課程名稱",
    },
    filters=(
        Filter("session", "期別", _sessions),
        Filter("standing", "狀態", Standing.choices),
    ),
    menu=MenuPlace("實體課程"),
    view=Right.VIEW_COURSES,
    holds=classes.hold_of,
    actions=(
        Action(
            "approve",
            "錄取",
            Right.MANAGE_COURSES,
            classes.approve,
            explains="依報名順序錄取；名額滿了就列入候補。",
            fits=lambda user, one: one.standing == Standing.APPLIED,
        ),
        Action(
            "refuse",
            "不錄取",
            Right.MANAGE_COURSES,
            classes.refuse,
            danger=True,
            fits=lambda user, one: one.standing in {Standing.APPLIED, Standing.WAITING},
        ),
        Action(
            "take_out",
            "取消報名",
            Right.MANAGE_COURSES,
            _withdraw,
            explains="空出的名額由候補依序遞補。",
            danger=True,
            fits=lambda user, one: one.standing == Standing.ENROLLED,
        ),
    ),
    subject=lambda one: one.session.audit_subject,
    empty="同仁報名實體課程後會列在這裡。",
)
