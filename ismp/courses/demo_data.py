"""The platform's first courses in the demo: two on line, one in a classroom."""

from datetime import timedelta

from django.utils import timezone

from ismp.accounts.models import Account
from ismp.courses import actions
from ismp.courses.classroom.actions import classes
from ismp.courses.models import Category, Course, Kind, Material, Question, Quiz, Session
from ismp.courses.online.actions import authoring

_ONLINE = {
    Category.BASIC: (
        "認識社交工程與釣魚郵件",
        "收到可疑的信時，怎麼看、怎麼做、向誰通報。",
        {
            "看懂一封可疑的信": "## 先看三處\n\n1. **寄件人**：名稱可以假冒，請看 @ 後面的網域。\n"
            "2. **語氣**：要您「立刻」點連結、開附件或匯款的，先停下來。\n"
            "3. **連結**：把游標移上去，看真正的網址。",
            "點了以後怎麼辦": "## 先通報，再處理\n\n不要自行刪信或重灌。請保留畫面，"
            "**馬上**告訴單位的資安窗口；通報沒有錯，晚通報才有事。",
        },
        [
            ("truth", "寄件人名稱是長官，這封信就一定是長官寄的。", ["是", "否"], [1]),
            (
                "single",
                "不小心開了可疑附件，第一步是？",
                ["關機不管", "自行重灌", "通報資安窗口"],
                [2],
            ),
            (
                "multiple",
                "哪些是釣魚郵件常見的樣子？",
                ["催促立刻點連結", "網域拼字怪異", "主管面交的公文", "要求輸入密碼"],
                [0, 1, 3],
            ),
        ],
    ),
    Category.PROFESSIONAL: (
        "資通安全事件通報與應變實務",
        "從知悉事件到結案：等級怎麼判、時限怎麼算、紀錄怎麼留。",
        {
            "判斷等級": "## 機密性、完整性、可用性\n\n三項分別評估，**取最高**的一級。",
            "時限": "## 知悉後一小時內通報\n\n"
            "第三、四級 36 小時、第一、二級 72 小時內完成損害控制或復原。",
        },
        [
            ("truth", "知悉資通安全事件後，應於一小時內通報。", ["是", "否"], [0]),
            ("single", "第三級事件要在幾小時內完成損害控制？", ["24", "36", "72"], [1]),
        ],
    ),
}
_HOURS = 3_000


def offer(*, by: Account) -> list[Course]:
    """Add and open the courses; whoever signs in can begin one at once.  For an empty database."""
    courses = [_online(category, *texts, by=by) for category, texts in _ONLINE.items()]
    courses.append(_classroom(by))
    offered = Course.objects.filter(pk__in=[one.pk for one in courses]).order_by("pk")
    actions.open_courses(offered.all(), by=by)
    return list(offered)


def _online(
    category: Category,
    title: str,
    description: str,
    pages: dict[str, str],
    questions: list[tuple[str, str, list[str], list[int]]],
    *,
    by: Account,
) -> Course:
    course = Course(
        kind=Kind.ONLINE, category=category, title=title, description=description, hours=_HOURS
    )
    actions.save_course(course, by=by)
    for name, text in pages.items():
        page = Material(course=course, kind=Material.Kind.PAGE, title=name, text=text)
        authoring.save_material(page, None, by=by)
    for kind, text, options, right in questions:
        asked = Question(course=course, kind=kind, text=text, options=options, right=right)
        authoring.save_question(asked, by=by)
    authoring.save_quiz(Quiz(course=course, drawn=len(questions), pass_mark=60), by=by)
    return course


def _classroom(by: Account) -> Course:
    """In two weeks, on an afternoon; who wants to come signs up until the day before."""
    course = Course(
        kind=Kind.CLASSROOM,
        category=Category.BASIC,
        title="主管資安意識課程",
        description="以三個真實型態的事件，練習主管在第一個小時要做的決定。",
        hours=_HOURS,
    )
    actions.save_course(course, by=by)
    today = timezone.localdate()
    starts_at = timezone.localtime().replace(hour=13, minute=30, second=0, microsecond=0)
    starts_at += timedelta(days=14)
    session = Session(
        course=course,
        place="市政大樓 3 樓電腦教室",
        quota=30,
        opens_on=today,
        closes_on=today + timedelta(days=13),
    )
    timing = classes.Timing(starts_at, starts_at + timedelta(hours=3), _HOURS)
    classes.save_session(session, timings=[timing], by=by)
    return course
