"""教師: the actions on them, and 教師管理 as data (see `ismp.ui.resources.resource`)."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.forms import OfAgencyForm
from ismp.accounts.models import Account
from ismp.accounts.resources import AGENCY, OF_AGENCY
from ismp.accounts.roles import Right
from ismp.audit import changes, trail
from ismp.courses import verbs
from ismp.courses.models import Teacher, TeacherCertificate
from ismp.ui.forms import ActionForm, RocDateField
from ismp.ui.resources.columns import Column
from ismp.ui.resources.resource import Action, Filter, MenuPlace, Resource
from ismp.ui.text.roc_dates import roc_date

SOON = timedelta(days=90)
"""How long before its end a certificate is said to expire soon."""


# --- Actions --------------------------------------------------------------------------------------


@transaction.atomic
def save_teacher(teacher: Teacher, *, by: Account) -> Teacher:
    """Add a teacher or keep what was changed."""
    for name in ("organization", "expertise", "profile"):
        setattr(teacher, name, national_id.hide(getattr(teacher, name)))
    before = changes.stored(teacher)
    changes.store(teacher, before)
    changed = changes.between(before, teacher)
    trail.record(
        verbs.SAVE_TEACHER, teacher, actor=by.username, engaged=teacher.is_engaged, changes=changed
    )
    return teacher


@transaction.atomic
def add_certificate(
    teachers: QuerySet[Teacher],
    *,
    name: str,
    number: str,
    issued_on: date | None,
    expires_on: date | None,
    by: Account,
) -> str:
    """Note a certificate of a teacher; the number is shown as written, but never a national ID."""
    teacher = teachers.get()
    certificate = TeacherCertificate(
        teacher=teacher,
        name=name,
        number=national_id.hide(number),
        issued_on=issued_on,
        expires_on=expires_on,
    )
    certificate.validate_constraints()
    certificate.save(force_insert=True)
    trail.record(
        verbs.ADD_CERTIFICATE,
        teacher,
        actor=by.username,
        certificate=name,
        until=roc_date(expires_on),
    )
    return f"已登錄證照「{name}」。"


@transaction.atomic
def remove_certificate(
    teachers: QuerySet[Teacher], *, certificate: TeacherCertificate, by: Account
) -> str:
    """Take a certificate off that was renewed or noted by mistake."""
    teacher = teachers.get()
    trail.record(verbs.REMOVE_CERTIFICATE, teacher, actor=by.username, certificate=certificate.name)
    certificate.delete()
    return f"已移除證照「{certificate.name}」。"


# --- What may be typed ---------------------------------------------------------------------------


class TeacherForm(OfAgencyForm):
    refuses = ("username", "name", "email")
    username = forms.CharField(
        label="公務帳號", max_length=50, required=False, help_text="內部教師填公務帳號即可。"
    )

    class Meta:
        model = Teacher
        fields = [
            "agency",
            "username",
            "name",
            "organization",
            "email",
            "phone",
            "expertise",
            "profile",
            "is_engaged",
        ]
        widgets = {"profile": forms.Textarea(attrs={"rows": 6})}
        help_texts = {
            "name": "外聘教師填姓名；內部教師的姓名依帳號。",
            "expertise": "以「、」分隔，例如：資安稽核、網路架構。",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields(self.Meta.fields)
        if self.instance.account:
            self.fields["username"].initial = self.instance.account.username

    def clean_username(self) -> str:
        username: str = self.cleaned_data["username"]
        self.instance.account = None
        if username:
            people = Account.objects.filter(agency=self.agency)
            self.instance.account = people.filter(username__iexact=username).first()
            if self.instance.account is None:
                raise forms.ValidationError("這個機關沒有這個公務帳號，請檢查後再填。")
        return username


class CertificateForm(ActionForm):
    name = forms.CharField(label="證照名稱", max_length=100)
    number = forms.CharField(label="證照號碼", max_length=50, required=False)
    issued_on = RocDateField(label="發照日")
    expires_on = RocDateField(label="到期日", help_text="長期有效的證照免填。")

    def starts_from(self, thing: Any, name: str, otherwise: Any) -> Any:
        return otherwise


class RemovalForm(ActionForm):
    certificate = forms.ModelChoiceField(
        TeacherCertificate.objects.none(), label="證照", empty_label="（請選擇）"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        certificate: Any = self.fields["certificate"]
        certificate.queryset = TeacherCertificate.objects.filter(teacher__in=self.things)


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
