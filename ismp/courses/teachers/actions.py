"""Actions on teachers and their certificates."""

from datetime import date

from django.db import transaction
from django.db.models import QuerySet

from ismp.accounts import national_id
from ismp.accounts.models import Account
from ismp.audit import changes, trail
from ismp.courses import verbs
from ismp.courses.models import Teacher, TeacherCertificate
from ismp.ui.text.roc_dates import roc_date

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
