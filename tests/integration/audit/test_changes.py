"""異動紀錄 says what changed: before → after, from one place (`audit.changes`)."""

from datetime import date
from decimal import Decimal

import pytest

from ismp.accounts.actions import accounts as account_actions
from ismp.accounts.actions import departments as department_actions
from ismp.accounts.actions import postings
from ismp.accounts.models import Posting
from ismp.accounts.roles import Role
from ismp.audit import changes
from ismp.audit.models import Event
from ismp.courses.classroom.actions import attendance
from ismp.courses.models import Session

pytestmark = pytest.mark.django_db


def test_an_edit_shows_before_and_after_on_the_history_page(client, account):
    admin, person = account("IC1001", "agency_admin"), account("IC1002", "staff")
    person.email, person.name = "new@example.test", "新名"
    old_name = type(person).objects.get(pk=person.pk).name
    account_actions.save_account(person, by=admin)
    client.force_login(admin)
    page = client.get(f"/manage/accounts/{person.pk}/history/").content.decode()
    assert f"姓名 {old_name} → 新名" in page
    assert "→ new@example.test" in page


def test_a_national_id_is_named_but_never_shown(account):
    person = account("IC1002", "staff")
    before = changes.stored(person)
    person.national_id = "A123456789"
    assert changes.between(before, person) == [("身分證字號", "（不顯示）", "（不顯示）")]


def test_choices_and_days_read_as_people_say_them(account):
    entry = account("IC1002", "staff").postings.first()
    before = Posting.objects.get(pk=entry.pk)
    entry.status, entry.since = "left", date(2026, 3, 1)
    found = {title: (old, new) for title, old, new in changes.between(before, entry)}
    assert found["狀態"] == ("在職", "離職")
    assert found["生效日"][1] == "2026-03-01"


def test_days_are_shown_in_the_republics_years(client, account):
    from ismp.portal.back_office.event_words import changed_in_words

    assert changed_in_words("汰換日期", "2026-12-31", "") == "汰換日期 115-12-31 → （空白）"


def test_a_role_and_a_number_too(account):
    admin, person = account("IC1001", "agency_admin"), account("IC1002", "staff")
    postings.appoint(person, Role.TEACHER, by=admin.username)
    changed = Event.objects.get(verb="appoint").detail["changes"]
    assert changed == [["角色", "同仁", "教師"]]
    for number, noted in (("A123456789", 1), ("A123456789", 0), ("", 1)):
        account_actions.set_national_id([person], number=number, by=admin)
        changed = Event.objects.filter(verb="set_national_id").latest("number").detail["changes"]
        assert changed == [list(changes.SECRET_CHANGED)] * noted


def test_the_it_unit_before_tells_that_it_is_none_any_more(client, account):
    admin = account("IC1001", "agency_admin")
    former, new = admin.agency.departments.order_by("pk")[:2]
    for one in (former, new):
        one.is_it = True
        department_actions.save_department(one, by=admin)
    client.force_login(admin)
    for one, words in ((former, "資訊單位 是 → 否"), (new, "資訊單位 否 → 是")):
        page = client.get(f"/manage/departments/{one.pk}/history/").content.decode()
        assert words in page


def test_presence_and_scores_say_whose_and_from_what(things, account):
    admin, session = account("IC1002", "agency_admin"), Session.objects.get()
    [one] = session.sign_ups.filter(standing="enrolled")
    for score in (Decimal(60), Decimal("92.5")):
        attendance.grade(session, {one.pk: score}, by=admin)
    changed = Event.objects.filter(verb="grade_class").latest("number").detail["changes"]
    assert changed == [[f"{one.account.username} 成績", "60", "92.5"]]
    meeting = session.meetings.get()
    for present in ([one.pk], []):
        attendance.mark(meeting, present, by=admin)
    changed = Event.objects.filter(verb="mark_attendance").latest("number").detail["changes"]
    assert changed == [[one.account.username, "出席", "未出席"]]


def test_nothing_changed_leaves_no_change(account):
    admin, person = account("IC1001", "agency_admin"), account("IC1002", "staff")
    account_actions.save_account(person, by=admin)
    assert Event.objects.get(verb="save_account").detail["changes"] == []
