"""教師管理: the list of teachers and a page for each."""

from datetime import date, timedelta
from typing import Any

from django.utils import timezone

from ismp.accounts.resources import AGENCY, OF_AGENCY
from ismp.accounts.roles import Right
from ismp.courses.models import Teacher, TeacherCertificate
from ismp.courses.teachers.actions import add_certificate, remove_certificate, save_teacher
from ismp.courses.teachers.forms import CertificateForm, RemovalForm, TeacherForm
from ismp.ui.resources.columns import Column
from ismp.ui.resources.resource import Action, Filter, MenuPlace, Resource
from ismp.ui.text.roc_dates import roc_date

SOON = timedelta(days=90)
"""How long before its end a certificate is said to expire soon."""


# --- The module ----------------------------------------------------------------------------------


def expiry(expires_on: date | None) -> tuple[str, str]:
    """How a certificate stands today: words and a colour."""
    today = timezone.localdate()
    if expires_on is None:
        return "", ""
    if expires_on < today:
        return f"{roc_date(expires_on)} 已過期", "red"
    return (
        (f"{roc_date(expires_on)} 即將到期", "amber")
        if expires_on <= today + SOON
        else (f"{roc_date(expires_on)} 到期", "green")
    )


def _narrow_by_expiry(rows: Any, choice: str) -> Any:
    today = timezone.localdate()
    days = {"expired": (date.min, today - timedelta(1)), "soon": (today, today + SOON)}[choice]
    return rows.filter(
        pk__in=TeacherCertificate.objects.filter(expires_on__range=days).values("teacher")
    )


TEACHERS = Resource(
    name="teachers",
    title="教師管理",
    thing="教師",
    rows=lambda user: (
        Teacher.objects.visible_to(user)
        .shown()
        .select_related("agency", "account")
        .order_by("agency__code", "pk")
    ),
    columns=(
        Column("姓名", "shown_name"),
        AGENCY,
        Column("內外聘", lambda teacher: "內部" if teacher.account_id else "外聘"),
        Column("服務單位", "organization"),
        Column("專長", "expertise", "text"),
        Column(
            "最早到期的證照",
            lambda teacher: expiry(teacher.expires_on)[0],
            tone=lambda teacher: expiry(teacher.expires_on)[1],
        ),
        Column("聘用中", "is_engaged"),
    ),
    more=(
        Column("公務帳號", "account.username"),
        Column("電子郵件", "email"),
        Column("電話", "phone"),
        Column("簡歷", "profile", "text"),
    ),
    search={"shown_name": "姓名", "expertise": "專長", "organization": "服務單位"},
    filters=(
        OF_AGENCY,
        Filter(
            "kind",
            "內外聘",
            [("internal", "內部"), ("external", "外聘")],
            lambda rows, choice: rows.filter(account__isnull=choice == "external"),
        ),
        Filter(
            "certificates",
            "證照",
            [("soon", "90 天內到期"), ("expired", "已過期")],
            _narrow_by_expiry,
        ),
    ),
    menu=MenuPlace("教師管理"),
    view=Right.VIEW_COURSES,
    edit=Right.MANAGE_COURSES,
    form=TeacherForm,
    save=save_teacher,
    actions=(
        Action(
            "add_certificate",
            "登錄證照",
            Right.MANAGE_COURSES,
            add_certificate,
            CertificateForm,
            many=False,
        ),
        Action(
            "remove_certificate",
            "移除證照",
            Right.MANAGE_COURSES,
            remove_certificate,
            RemovalForm,
            many=False,
            fits=lambda user, teacher: teacher.certificates.exists(),
        ),
    ),
    page="courses/teacher_page.html",
    beside=lambda user, teacher: {
        "certificates": [(one, *expiry(one.expires_on)) for one in teacher.certificates.all()],
        "courses": teacher.courses.all(),
    },
    empty="請按「新增教師」。",
)
