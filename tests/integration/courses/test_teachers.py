"""教師管理: who teaches, from inside or outside, and when certificates end."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ismp.courses.models import Teacher, TeacherCertificate
from ismp.ui.text import roc_dates
from tests.support.courses import course
from tests.support.portal_files import PERSON

pytestmark = pytest.mark.django_db
ADD = "/manage/teachers/add/"


def test_an_account_teaches_under_its_own_name(clerk):
    answer = clerk.post(ADD, {"username": "ic1002", "is_engaged": "on"})
    teacher = Teacher.objects.get()
    assert answer["Location"] == f"/manage/teachers/{teacher.pk}/"
    assert (teacher.account.username, str(teacher)) == ("IC1002", teacher.account.name)
    again = clerk.post(ADD, {"username": "IC1002"})
    assert "已經是本機關的教師" in again.content.decode()
    found = clerk.get("/manage/teachers/", {"field": "shown_name", "q": teacher.account.name})
    assert list(found.context["page"]) == [teacher]


def test_the_page_lists_what_somebody_teaches(clerk):
    clerk.post(ADD, {"name": "外聘講師", "is_engaged": "on"})
    teacher = Teacher.objects.get()
    page = f"/manage/teachers/{teacher.pk}/"
    assert "還沒有教授的課程" in clerk.get(page).content.decode()
    one = course(title="雲端資安實務", agency=teacher.agency)
    one.teachers.add(teacher)
    shown = clerk.get(page).content.decode()
    assert f'<a href="{one.get_absolute_url()}">雲端資安實務</a>' in shown


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({}, "只能填其中一項"),
        ({"username": "IC1002", "name": "某人"}, "只能填其中一項"),
        ({"username": "EP1001"}, "沒有這個公務帳號"),
        ({"name": "某人", "email": "x"}, "電子郵件"),
    ],
)
def test_what_cannot_be_a_teacher(clerk, typed, says):
    answer = clerk.post(ADD, typed)
    assert (answer.status_code, Teacher.objects.count()) == (200, 0)
    assert says in answer.content.decode()


def test_certificates_by_the_day_they_end(clerk):
    clerk.post(ADD, {"name": "外聘講師", "is_engaged": "on"})
    teacher = Teacher.objects.get()
    today = timezone.localdate()
    add = "/manage/teachers/add_certificate/"
    for name, days in (("過期", -1), ("快到", 90), ("還久", 91)):
        end = roc_dates.roc_date(today + timedelta(days=days))
        clerk.post(add, {"ids": teacher.pk, "confirmed": "1", "name": name, "expires_on": end})
    clerk.post(add, {"ids": teacher.pk, "confirmed": "1", "name": "長期"})
    page = clerk.get(f"/manage/teachers/{teacher.pk}/").content.decode()
    assert [page.count(words) for words in ("已過期", "即將到期", "長期有效")] == [2, 1, 1]
    bad = {"name": "倒置", "issued_on": "115-02-02", "expires_on": "115-02-01"}
    answer = clerk.post(add, {"ids": teacher.pk, "confirmed": "1", **bad})
    assert "到期日早於發照日" in answer.content.decode()
    for choice in ("expired", "soon"):
        found = clerk.get("/manage/teachers/", {"certificates": choice})
        assert list(found.context["page"]) == [teacher]
    gone = TeacherCertificate.objects.get(name="過期")
    remove = "/manage/teachers/remove_certificate/"
    clerk.post(remove, {"ids": teacher.pk, "confirmed": "1", "certificate": gone.pk})
    assert not clerk.get("/manage/teachers/", {"certificates": "expired"}).context["page"]


def test_no_certificate_of_another_teacher_can_be_removed(clerk, account):
    clerk.post(ADD, {"name": "外聘講師", "is_engaged": "on"})
    theirs = Teacher.objects.create(agency=account("EP1001").agency, name="別人")
    kept = TeacherCertificate.objects.create(teacher=theirs, name="別人的證照")
    own = Teacher.objects.get(name="外聘講師")
    remove = "/manage/teachers/remove_certificate/"
    answer = clerk.post(remove, {"ids": own.pk, "confirmed": "1", "certificate": kept.pk})
    assert "請選擇" in answer.content.decode()
    assert TeacherCertificate.objects.filter(pk=kept.pk).exists()


def test_no_national_id_is_kept_where_people_write_freely(clerk):
    clerk.post(
        ADD, {"name": "外聘講師", "profile": f"字號 {PERSON.national_id}", "is_engaged": "on"}
    )
    assert PERSON.national_id not in Teacher.objects.get().profile
