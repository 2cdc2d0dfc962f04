"""Courses and teachers when their agency is merged into another one."""

from ismp.accounts.agencies.closing.consequences import Consequence
from ismp.accounts.models import Agency
from ismp.courses.models import Course, Teacher


def _courses(agency: Agency) -> int:
    return Course.objects.filter(agency=agency).count()


def _teachers(agency: Agency) -> int:
    return Teacher.objects.filter(agency=agency).count()


def _carry(agency: Agency, into: Agency) -> None:
    """Who teaches there too is one teacher: courses and certificates name the one of the other
    agency."""
    there = {one.account_id: one for one in Teacher.objects.filter(agency=into) if one.account_id}
    for one in Teacher.objects.filter(agency=agency, account__in=there):
        twin = there[one.account_id or 0]
        for course in one.courses.all():
            course.teachers.remove(one)
            course.teachers.add(twin)
        one.certificates.update(teacher=twin)
        one.is_engaged = False
        one.save(update_fields=["is_engaged"])
    Teacher.objects.filter(agency=agency).exclude(account__in=there).update(agency=into)
    Course.objects.filter(agency=agency).update(agency=into)


CONSEQUENCES = (
    Consequence("課程", _courses, "移到新機關，報名與修課紀錄不變。", carry=_carry),
    Consequence("教師", _teachers, "移到新機關；在新機關已是教師的，合為一位。"),
)
